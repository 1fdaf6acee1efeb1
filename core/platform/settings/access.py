"""Settings of the console's login and of roles."""

from __future__ import annotations

import getpass
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from core.domain.errors import BadInput
from core.domain.safe_text import name_of
from core.platform.settings.checks import valid
from core.rules.access.grants import read_role_map


class AccessSettings(BaseSettings):
    """The login, roles, and the acting person."""

    actor: str = Field(default_factory=getpass.getuser)
    """The name in the audit trail where there is no login."""
    auth: Literal["none", "oidc"] = "none"
    """How people log in to the console; none works on this machine only."""
    auth_roles_file: str = ""
    """TOML file that assigns roles to people; see docs/auth.md."""
    auth_roles_claim: str = ""
    """The claim that lists a person's groups, such as groups or realm_access.roles."""
    auth_role_map: Annotated[str, valid(read_role_map)] = ""
    """Roles of those groups, such as operator=ml-team;approver=ml-leads; operator@homes=ml-team is
    one for the dataset homes alone."""
    auth_hours: float = Field(8.0, gt=0, le=720)
    """Hours after which a login ends, in open tabs too."""
    auth_contact: str = Field("", max_length=200)
    """Whom to ask for a role; shown to people who have none."""

    @field_validator("actor")
    @classmethod
    def _seen_whole(cls, actor: str) -> str:
        try:
            return name_of(actor)
        except BadInput as error:
            raise ValueError(str(error)) from None
