"""Every error that driftdesk raises on purpose, as one tree.

::

    DriftdeskError
    ├── BadInput                what came in cannot be used; trying again changes nothing
    │   ├── DatasetError            a dataset file contradicts itself
    │   ├── SettingsError           a setting is missing or impossible
    │   ├── BatchUnreadable         the data API's answer is no batch
    │   ├── BadRow                  a row does not fit the contract; says each field and rule
    │   ├── NothingToTrainOn        too few rows for the work that was asked for
    │   └── BackupUnusable          a backup is damaged, of another dataset, or from a newer version
    ├── Refused                 a rule said no; the message says which
    │   ├── IllegalTransition       a promotion or job is not in the state this needs
    │   ├── DecidedAlready          somebody else decided first
    │   ├── ReasonRequired          the act goes on record with a reason, and none was given
    │   ├── StaleDossier            the evidence is no longer that on which the decision was made
    │   ├── SecondPersonRequired    another person must confirm what this one asked for
    │   ├── NotAllowed              who asked has not the role that this needs
    │   ├── LoggedOut               nobody is logged in here, or not any more
    │   ├── KeyRefused              serving does not know the API key
    │   ├── AddressRefused          a setting leads to an address to which nothing is sent
    │   ├── ModelRefused            a model is not fit to be published or served
    │   └── NotEmpty                what would be written over holds something
    ├── Missing                 no such job, batch, candidate or model
    ├── SourceExhausted         the data API has served its last batch
    ├── SourceRefused           the data API answered, with a refusal that is not the end of data
    ├── LeaseLost               another run of the same job took over; this one must not write
    ├── JobCancelled            somebody asked this job to stop
    └── Unavailable             a neighbour did not answer; trying later may help  (retryable)
        ├── SourceUnavailable       the data API
        ├── RegistryUnavailable     MLflow
        ├── QueueUnavailable        Redis
        ├── StoreUnavailable        the database
        │   └── SchemaMismatch          its tables are of another version of driftdesk
        ├── NotDelivered            the receiver of notifications
        ├── DiskRefused             the disk is full, or does not let us write
        └── ServingUnavailable      the serving API

A message is one sentence for the operator: what happened and what to do. Adapters
translate their vendor's errors into this tree; nothing above them sees a vendor's.
"""

from __future__ import annotations


class DriftdeskError(Exception):
    """Root of the tree; ``retryable`` says whether the same call may succeed later."""

    retryable = False


class BadInput(DriftdeskError):
    """What came in cannot be used."""


class DatasetError(BadInput):
    """A dataset file is not one, or contradicts itself."""


class SettingsError(BadInput):
    """A setting is missing or impossible."""


class BatchUnreadable(BadInput):
    """The bytes that the data API sent are not a batch."""


class BadRow(BadInput):
    """A row does not fit the contract; `problems` maps each field to the rule it broke."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {rule}" for name, rule in problems.items()))
        self.problems = problems


class NothingToTrainOn(BadInput):
    """Too few rows for what was asked."""


class BackupUnusable(BadInput):
    """A file is no backup, a damaged one, or not one for here."""


class Refused(DriftdeskError):
    """A rule said no."""


class IllegalTransition(Refused):
    """The subject is not in a state from which this can be done."""


class DecidedAlready(Refused):
    """Somebody decided first; the page that was acted on is out of date."""


class ReasonRequired(Refused):
    """The act goes on record with a reason, and none was given."""


class StaleDossier(Refused):
    """The evidence that was decided on has been replaced, or is about another champion."""


class SecondPersonRequired(Refused):
    """Who asked for it cannot also confirm it."""


class NotAllowed(Refused):
    """Who asked has not the role that this needs."""


class LoggedOut(Refused):
    """Nobody is logged in here, or the session has ended."""


class KeyRefused(Refused):
    """Serving asks for an API key, and does not know the one that was sent."""


class AddressRefused(Refused):
    """A setting leads to an address to which nothing is sent."""


class ModelRefused(Refused):
    """A model is not fit to be published or served."""


class NotEmpty(Refused):
    """There is something where something else would be put."""


class Missing(DriftdeskError):
    """The thing that was named does not exist."""


class SourceExhausted(DriftdeskError):
    """The data API has served its last batch; it starts over only when told to."""


class SourceRefused(DriftdeskError):
    """The data API refused, and not because its data has ended."""


class LeaseLost(DriftdeskError):
    """Another run of the same job holds the lease; this run's work is thrown away."""


class JobCancelled(DriftdeskError):
    """Somebody asked the job to stop."""


class Unavailable(DriftdeskError):
    """A neighbour did not answer."""

    retryable = True


class SourceUnavailable(Unavailable):
    """The data API did not answer, or its answer broke off."""


class RegistryUnavailable(Unavailable):
    """MLflow did not answer."""


class QueueUnavailable(Unavailable):
    """Redis did not answer."""


class StoreUnavailable(Unavailable):
    """The database did not answer."""


class SchemaMismatch(StoreUnavailable):
    """The database's tables are not those of this version of driftdesk, until somebody migrates."""


class NotDelivered(Unavailable):
    """The receiver of notifications did not take one."""


class DiskRefused(Unavailable):
    """The disk is full, or does not let us write."""


class ServingUnavailable(Unavailable):
    """The serving API did not answer."""
