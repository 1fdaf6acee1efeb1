"""The console's ASGI application: `streamlit run console/web/asgi.py`.

Streamlit's internal endpoints need no login. The filter blocks those that no page needs;
`/_stcore/health` stays open for health probes.
"""

from __future__ import annotations

import streamlit as st
from starlette.middleware import Middleware

from console.web.endpoint_filter import EndpointFilter
from console.web.events import ROUTES

app = st.App("app.py", routes=ROUTES, middleware=[Middleware(EndpointFilter)])
