"""A name and a password for a neighbour, kept out of whatever is printed."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Login:
    """What HTTP Basic sends (RFC 7617, in UTF-8); neither `repr` nor `str` shows the password."""

    name: str
    password: str = field(repr=False)

    def headers(self) -> dict[str, str]:
        """The header that a request carries."""
        both = base64.b64encode(f"{self.name}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {both}"}
