"""Every error that driftdesk raises on purpose, as one tree.

A `BadInput` cannot be used, and trying again changes nothing; a `Refused` act is forbidden by a
rule, which the message names; what is `Missing` does not exist; and where a service is
`Unavailable`, the same call may succeed later (``retryable``). The others are how a source ends or
refuses, and how a run of a job is stopped.

A message is one sentence for the operator: what happened and what to do. Adapters
translate their vendor's errors into this tree; nothing above them sees a vendor's.
"""

from __future__ import annotations


class DriftdeskError(Exception):
    """Root of the tree; ``retryable`` says whether the same call may succeed later."""

    retryable = False


class BadInput(DriftdeskError):
    """An input cannot be used."""


class DatasetError(BadInput):
    """A dataset file is not one, or contradicts itself."""


class SettingsError(BadInput):
    """A setting is missing or impossible."""


class BatchUnreadable(BadInput):
    """The bytes that the source sent are not a batch."""


class SpoolDamaged(BatchUnreadable):
    """The spool has other bytes than were received."""


class BatchClosed(BadInput):
    """A batch could not be stored in all its tries and was closed."""


class RowsChanged(BadInput):
    """The database stored another number of rows than it was sent, or other values."""


class BadRow(BadInput):
    """A row violates the contract; `problems` maps each field to the rule that it breaks."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {rule}" for name, rule in problems.items()))
        self.problems = problems


class NothingToTrainOn(BadInput):
    """Too few rows for what was asked."""


class RecipeFailed(BadInput):
    """The team's own training code failed, or gave nothing that can be used."""


class MetricFailed(BadInput):
    """One of the team's own metrics failed, or returned no finite number."""


class TooMuchToTrainOn(BadInput):
    """More rows than fit into memory."""


class BackupUnusable(BadInput):
    """A file is no backup, a damaged one, or not one for here."""


class Refused(DriftdeskError):
    """A rule forbids it."""


class IllegalTransition(Refused):
    """The subject is not in a state from which this can be done."""


class JobUnderWay(IllegalTransition):
    """A job of that kind is open, and does something else than what was asked for."""

    def __init__(self, message: str, job_id: int) -> None:
        super().__init__(message)
        self.job_id = job_id


class DecidedAlready(Refused):
    """Somebody decided first; the page is out of date."""


class ReasonRequired(Refused):
    """The act goes on record with a reason, and none was given."""


class ConfirmationRequired(Refused):
    """The act ends an epoch, whose rows then leave training; that must be confirmed first."""


class StaleDossier(Refused):
    """The evidence was replaced, or is about another champion."""


class SecondPersonRequired(Refused):
    """The person who requested it cannot also confirm it."""


class NotAllowed(Refused):
    """The person lacks the required role."""


class LoggedOut(Refused):
    """Nobody is logged in, or the session has ended."""


class NotGenuine(Refused):
    """A delivery is not signed with the secret, or was signed too long ago."""


class DeliveredAlready(Refused):
    """A delivery with this id was accepted before."""


class TooManyDeliveries(Refused):
    """More deliveries were accepted lately than are allowed."""


class KeyRefused(Refused):
    """Serving requires an API key and does not accept the one that was sent."""


class ModelRefused(Refused):
    """A model is not fit to be published or served."""


class RegistryReplaced(Refused):
    """MLflow's registered model is not the one that the recorded versions belong to."""


class NotEmpty(Refused):
    """The target already holds something."""


class Missing(DriftdeskError):
    """It does not exist."""


class FileMissing(Missing):
    """MLflow has the version, but its artifact store has no model file of it."""


class SourceExhausted(DriftdeskError):
    """The source has served its last batch; only a restart continues."""


class NothingNew(DriftdeskError):
    """The source has no new batch now; there may be one later."""


class SourceRefused(DriftdeskError):
    """The source refused, for another reason than the end of data."""


class LeaseLost(DriftdeskError):
    """Another run of the same job holds the lease; this run's work is discarded."""


class JobCancelled(DriftdeskError):
    """A person cancelled the job."""


class Unavailable(DriftdeskError):
    """A service did not answer."""

    retryable = True


class SourceUnavailable(Unavailable):
    """The source did not answer, or its answer broke off."""


class SpoolUnavailable(Unavailable):
    """The spool that SPOOL_URL names did not answer."""


class RegistryUnavailable(Unavailable):
    """MLflow did not answer."""


class QueueUnavailable(Unavailable):
    """Redis did not answer."""


class QueueRefused(QueueUnavailable):
    """Redis answers, and refuses what is written to it."""


class StoreUnavailable(Unavailable):
    """The database did not answer."""


class DeskMissing(StoreUnavailable):
    """There is no database file where the settings point; reading does not create one."""


class StoreBusy(StoreUnavailable):
    """Another client holds a database lock for longer than our timeout; the rest works."""


class SchemaMismatch(StoreUnavailable):
    """The tables are of another version of driftdesk; migrating may help."""


class NotDelivered(Unavailable):
    """The receiver of notifications did not take one."""


class DiskRefused(Unavailable):
    """The disk is full or not writable."""


class ServingUnavailable(Unavailable):
    """The serving API did not answer."""
