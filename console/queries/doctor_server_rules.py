"""What the facts about the database, the queue and MLflow mean: ok, a warning or bad."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from console.queries.doctor_rules import (
    FLOORS,
    LOOPBACK,
    Finding,
    State,
    bad,
    is_below,
    ok,
    secret,
    warn,
)
from core.adapters.rq_queue import QueueFacts
from core.adapters.store.schema_version import HEAD, Standing, advice, standing
from core.adapters.store.server_facts import DatabaseFacts
from core.adapters.store.tables import rows_table
from core.domain.dataset import Dataset
from core.platform.database_url import DatabaseUrl

SERVER_FLOORS = {"Redis": "7.2.11", "Valkey": "8.1.4"}
_CLOCK_OFF, _CLOCK_WRONG = 2.0, 30.0


def clock(name: str, ahead: float) -> Finding:
    """How far a server's clock is from this machine's, in seconds."""
    says = f"{abs(ahead):,.1f} s {'before' if ahead > 0 else 'behind'} this machine"
    todo = "Set both machines' clocks by NTP: leases and schedules go by them."
    if abs(ahead) > _CLOCK_WRONG:
        return bad(name, says, todo)
    return warn(name, says, todo) if abs(ahead) > _CLOCK_OFF else ok(name, says)


def database(facts: DatabaseFacts) -> list[Finding]:
    """Kind, migrations, rights, character set, fast loading and clock of the database."""
    version = ok("Database", f"{facts.kind} {facts.version}")
    rights = ok("Database rights", "May create, alter, read and write.")
    if facts.refused:
        says = "; ".join(f"{right}: {reason}" for right, reason in facts.refused)
        todo = "Let the user who runs driftdesk write to the file and its folder."
        if facts.kind != "SQLite":
            missing = ", ".join(right for right, _ in facts.refused)
            todo = f"Give the database's user these rights: {missing}."
        rights = bad("Database rights", says, todo)
    findings = [version, migrations(facts.revision), rights]
    if facts.kind == "SQLite":
        return findings
    charset = ok("Character set", facts.charset)
    if facts.charset != "utf8mb4":
        todo = "ALTER DATABASE … CHARACTER SET utf8mb4, before the tables are made."
        charset = bad("Character set", facts.charset, todo)
    loading = ok("LOAD DATA LOCAL", "Is allowed.")
    if not facts.local_infile:
        todo = "Set local_infile = ON in the server; without it loading a batch takes longer."
        loading = warn("LOAD DATA LOCAL", "Is switched off.", todo)
    return [*findings, charset, loading, clock("Database clock", facts.ahead)]


def migrations(revision: str) -> Finding:
    """Whether the database has the revision that this version needs."""
    name, state = "Migrations", standing(revision)
    if state is Standing.FITS:
        return ok(name, f"At {HEAD}, as this version needs.")
    todo = advice(revision).partition(". ")[2] if state is not Standing.AHEAD else ""
    says = f"{state.value.capitalize()}: at {revision or 'no revision'}, needed is {HEAD}."
    return bad(name, says, todo or advice(revision))


def queue(facts: QueueFacts, url: str) -> list[Finding]:
    """Version, journal, password, memory policy and clock of the queue's server."""
    name = f"{facts.kind} {facts.version}"
    floor, address = SERVER_FLOORS[facts.kind], urlsplit(url)
    version = ok("Queue (Redis)", name)
    if is_below(facts.version, floor):
        todo = f"Upgrade to {facts.kind} {floor} or newer: older ones have known advisories."
        version = warn("Queue (Redis)", name, todo)
    journal = ok("Queue journal", "appendonly is on.")
    if not facts.journal:
        todo = "Set appendonly yes. Nothing is lost without it: jobs are queued again from the "
        journal = warn("Queue journal", "appendonly is off.", f"{todo}database.")
    password = ok("Queue password", "Set." if address.password else "On this machine alone.")
    if not address.password and (address.hostname or "") not in LOOPBACK:
        todo = "Set requirepass in the server and put the password into REDIS_URL."
        password = bad("Queue password", f"{address.hostname} needs none.", todo)
    policy = ok("Queue memory policy", facts.policy or "Unknown.")
    if facts.policy not in ("noeviction", ""):
        todo = "Set maxmemory-policy noeviction: other policies evict queue entries."
        policy = bad("Queue memory policy", facts.policy, todo)
    return [version, journal, password, policy, clock("Queue clock", facts.ahead)]


def mlflow_version(version: str) -> Finding:
    """The MLflow server's version."""
    floor = FLOORS["mlflow"]
    if is_below(version, floor):
        todo = f"Upgrade the server to {floor} or newer: older ones have known advisories."
        return warn("MLflow version", version, todo)
    return ok("MLflow version", version or "Unknown.")


def no_desk(file: str) -> Finding:
    """A database file that does not exist."""
    todo = "Start it with `make run`, run this in the project's folder, or set DATA_DIR."
    return bad("Database", f"No desk is found at {file}.", todo)


def database_password(url: DatabaseUrl) -> Finding:
    """The password and the user of the database's server."""
    name = "Database password"
    if url.is_local:
        return ok(name, "On this machine alone.")
    if not url.password:
        return bad(name, f"{url.host} needs none.", "Set one, and put it into DATABASE_URL.")
    if judged := secret(name, url.password):
        if judged.state is State.BAD:
            return judged
        if url.user == "root":
            todo = "Make a user that may use driftdesk's database alone."
            return warn(name, "The user is root.", todo)
    return ok(name, "Is set.")


def dataset(
    dataset: Dataset, tables: Mapping[str, Collection[str]], *, several: bool = False
) -> Finding:
    """Whether the rows table in the database is this dataset's; `tables` are their columns.

    With `several` the database has the tables of other datasets, too.
    """
    name, own = "Dataset and tables", dataset.rows_table
    if own in tables:
        if missing := sorted(set(dataset.names) - set(tables[own])):
            says = f"The table {own} has no column {', '.join(missing)}."
            if all(dataset.column(column).added_later for column in missing):
                return bad(name, says, "python -m workers migrate")
            return bad(name, says, "Set DATASET to the file that made it, or rename the dataset.")
        wanted = {column.name for column in rows_table(dataset).columns}
        if more := sorted(set(tables[own]) - wanted):
            says = f"The table {own} has the column {', '.join(more)}, which the file lacks."
            return bad(name, says, "Set DATASET to the newest revision of the dataset file.")
        return ok(name, f"The rows are in {own}.")
    if several or not tables:
        todo = "python -m workers migrate" + (", or start a reconciler" if several else "")
        return warn(name, f"There is no table {own} yet.", todo)
    others = ", ".join(sorted(tables))
    says = f"The dataset is {dataset.name}, and the database has {others} instead of {own}."
    todo = "Set DATASET to the dataset of that database, or DATA_DIR or DATABASE_URL to another."
    return bad(name, says, todo)
