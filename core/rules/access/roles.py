"""Who may do what: roles, the rights that each one has, and the actor who uses them. Pure.

A role has every right of the roles below it. An action requires a `Right`, never a role, so the
table below is the only place that says who may do what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from core.domain.errors import NotAllowed
from core.domain.jobs import Job, JobKind

LONGEST_NAME = 200
"""As long as the columns that keep an actor's name: a truncated name could be another person's."""


class Role(StrEnum):
    """The roles, from the least to the most rights."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """The place among the roles, from 0."""
        return list(Role).index(self)


class Right(StrEnum):
    """A kind of action; the value names it in sentences."""

    SEE = "seeing the desk"
    PREDICT = "asking the model and giving feedback"
    RUN = "running jobs"
    SCHEDULE = "changing schedules"
    DECIDE = "deciding about versions"
    LIMITS = "setting limits"
    RESTART = "restarting the source"
    NOTIFY = "sending a test notification"
    KEYS = "changing API keys"
    MANAGE = "pruning, and disabling a dataset"
    OPERATE = "backing up and restoring"


GRANTED: Mapping[Right, Role] = {
    Right.SEE: Role.VIEWER,
    Right.PREDICT: Role.OPERATOR,
    Right.RUN: Role.OPERATOR,
    Right.SCHEDULE: Role.OPERATOR,
    Right.DECIDE: Role.APPROVER,
    Right.LIMITS: Role.APPROVER,
    Right.RESTART: Role.ADMIN,
    Right.NOTIFY: Role.ADMIN,
    Right.KEYS: Role.ADMIN,
    Right.MANAGE: Role.ADMIN,
    Right.OPERATE: Role.ADMIN,
}
"""The lowest role that has each right; `docs/auth.md` shows it, and a test holds them together."""

OF_THE_DESK = frozenset({Right.NOTIFY, Right.KEYS, Right.OPERATE})
"""The rights that concern every dataset: a role for one dataset does not give them."""


def may(role: Role | None, right: Right) -> bool:
    """Whether a role has a right; without a role there is none."""
    return role is not None and role.rank >= GRANTED[right].rank


def right_for(job: Job) -> Right:
    """The right to cancel or retry a job: the one that requesting it required."""
    if job.kind is JobKind.PROMOTE:
        return Right.DECIDE
    if "restart_epoch" in job.args:
        return Right.RESTART
    return Right.RUN


@dataclass(frozen=True, slots=True)
class Actor:
    """The acting person, and their current role.

    `name` goes on record and identifies the person. `known_by` says how the name was verified:
    an issuer and a subject, or that it was not. `role` is the role for `dataset`, and `desk_role`
    the one for all datasets; without `dataset`, `role` is the one for all.
    """

    name: str
    role: Role | None
    known_by: str
    dataset: str = ""
    desk_role: Role | None = None

    def may(self, right: Right) -> bool:
        """Whether this actor has a right."""
        of_the_desk = self.dataset and right in OF_THE_DESK
        return may(self.desk_role if of_the_desk else self.role, right)

    def refusal(self, right: Right, contact: str) -> str:
        """Why not, which role is needed, and whom to ask; empty if the actor has the right."""
        if self.may(right):
            return ""
        needed = GRANTED[right].value
        article = "an" if needed[0] in "ao" else "a"
        role = self.role.value if self.role else "nobody"
        of_all = " of all datasets" if self.dataset and right in OF_THE_DESK else ""
        return (
            f"{self.name} is {role} here; {right.value} needs {article} {needed}{of_all}. "
            f"Ask {contact or 'an admin of this desk'}."
        )

    def demand(self, right: Right, contact: str) -> None:
        """Check that the actor has the right.

        Raises:
            NotAllowed: the actor does not have it.
        """
        if why := self.refusal(right, contact):
            raise NotAllowed(why)

    def on_record(self) -> dict[str, str]:
        """The actor's details in an audit row, besides the name."""
        return {"role": self.role.value if self.role else "none", "known_by": self.known_by}
