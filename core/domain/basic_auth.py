"""User name and password for HTTP Basic authentication, hidden in output."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Login:
    """Credentials of HTTP Basic (RFC 7617, UTF-8); `repr` and `str` hide the password."""

    name: str
    password: str = field(repr=False)

    def headers(self) -> dict[str, str]:
        """The Authorization header."""
        token = base64.b64encode(f"{self.name}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {token}"}
