"""The console's ASGI application: `streamlit run console/web/asgi.py`.

Streamlit's internal endpoints need no login. The filter blocks those that no page needs;
`/_stcore/health` stays open for health probes.
"""

from __future__ import annotations

# Before the first session: two that import it at once can find it half imported, and Plotly asks it
# for a name in each chart.
import pandas as pd  # noqa: F401
import streamlit as st
from starlette.middleware import Middleware

from console.web.endpoint_filter import EndpointFilter
from console.web.events import ROUTES

app = st.App("app.py", routes=ROUTES, middleware=[Middleware(EndpointFilter)])
