"""Examples of each command, shown at the end of its `--help` and in the reference."""

from __future__ import annotations

from collections.abc import Iterator

import typer

EXAMPLES: dict[str, tuple[str, ...]] = {
    "approve": ("approve", "approve 4 --wait", "approve 4 --dossier 1f0c9a63be21"),
    "audit": ("audit --subject version:4", "audit --dataset homes", "audit --verify"),
    "backup": ("backup /backups", "backup /backups/friday.tar.gz --without-models",
               "backup /backups --dataset homes"),
    "batch dismiss": ('batch dismiss 1/3 --reason "a known campaign"',),
    "batch hold": ('batch hold 1/3 --reason "prices in cents"',),
    "batch list": ("batch list",),
    "batch release": ('batch release 1/3 --reason "the source confirmed it"',),
    "batch retry": ("batch retry 1/3 --wait",),
    "batch skip": ('batch skip 1/3 --reason "the file is truncated"',),
    "cancel": ("cancel 12",),
    "candidates": ("candidates", "candidates --json"),
    "compare": ("compare 1/2 1/5", "compare version:4 1/5 --json"),
    "confirm": ("confirm 4 --actor grace --wait",),
    "continue-numbers": ('continue-numbers --reason "MLflow was installed again"',),
    "dataset check": ("dataset check feb.csv", "dataset check feb.csv --dataset prices.toml"),
    "costs": ("costs", "costs --dataset homes --json"),
    "dataset disable": ('dataset disable homes --reason "its source moves"',),
    "dataset enable": ("dataset enable homes",),
    "dataset init": (
        "dataset init jan.csv --target price --out prices.toml",
        "dataset init visits.parquet --task binary --target bought",
    ),
    "dataset list": ("dataset list", "dataset list --json"),
    "dataset show": ("dataset show", "dataset show homes"),
    "doctor": ("doctor", "doctor --json"),
    "dossier": ("dossier 4", "dossier 4 --json"),
    "drift": ("drift --wait", "drift --show", "drift --live"),
    "feedback": ("feedback 0196f3a2-7d0c-7c1e-9f6b-0a2f5d1c9e44 187500",),
    "follow-ups": ("follow-ups", 'follow-ups 2 --note "the error fell again"'),
    "force": ('force 4 --reason "the old model is wrong for new states" --wait',),
    "ingest": ("ingest --wait", "ingest feb.csv --wait", "ingest --restart --yes --wait"),
    "jobs": ("jobs", "jobs --kind train --limit 5", "jobs --state failed --json"),
    "judge": ("judge 4 --wait",),
    "keys add": ("keys add shop",),
    "keys list": ("keys list",),
    "keys remove": ("keys remove shop", "keys remove shop 9b1c33"),
    "limits list": ("limits list",),
    "limits reset": ('limits reset price --reason "back to the file"',),
    "limits set": (
        "limits set 25 price_mean --preview",
        'limits set 25 price_mean --reason "seasonal"',
    ),
    "log": ("log 12",),
    "notify-test": ("notify-test", "notify-test --seconds 5"),
    "passport": ("passport version:4", "passport batch:1/3", "passport job:12 --json"),
    "predict": (
        "predict bed=3 bath=2 house_size=1500 --explain",
        """predict --row '{"bed": 3, "bath": 2}'""",
        "predict --csv rows.csv --out answers.csv",
    ),
    "prune": ("prune --dry-run", "prune"),
    "quarantine list": ("quarantine list", "quarantine list 1/3 --search date"),
    "quarantine retry": ("quarantine retry 1/3 --wait",),
    "reject": ('reject 4 --reason "wrong on new states"',),
    "restore": ("restore /backups/friday.tar.gz", "restore /backups/friday.tar.gz --force",
                "restore /backups/friday.tar.gz --dataset homes --force"),
    "retry": ("retry 12 --wait",),
    "rollback": ("rollback", 'rollback --to 2 --reason "version 3 is off" --wait'),
    "rows export": ("rows export rows.parquet", "rows export first.csv --epoch 1"),
    "rows list": ("rows list",),
    "schedule add": ("schedule add daily --at 06:30 --zone Europe/Zurich",
                     "schedule add cron --cron '0 6 * * 1-5' --queue all"),
    "schedule list": ("schedule list",),
    "schedule pause": ("schedule pause 1",),
    "schedule remove": ("schedule remove 1",),
    "schedule resume": ("schedule resume 1",),
    "search": ("search 3fa8", 'search "batch 3"', "search homes"),
    "seen": ("seen batch:1/3", "seen window:12"),
    "source check": ("source check",),
    "status": ("status", "status --check", "status --dataset homes --json"),
    "train": ("train --wait", 'train --reason "a new recipe" --wait'),
    "withdraw": ('withdraw 4 --reason "not needed any more"',),
}  # fmt: skip
"""By the command's full name, without `driftdesk`."""


def add_examples(app: typer.Typer) -> None:
    """Show the examples of each command below its help."""
    for name, command in _commands(app):
        shown = "\n\n".join(f"driftdesk {example}" for example in EXAMPLES[name])
        command.epilog = f"Examples:\n\n{shown}"


def _commands(app: typer.Typer, group: str = "") -> Iterator[tuple[str, typer.models.CommandInfo]]:
    """All commands by full name."""
    for command in app.registered_commands:
        function = getattr(command.callback, "__name__", "")
        yield f"{group}{command.name or function.strip('_').replace('_', '-')}", command
    for inner in app.registered_groups:
        if inner.typer_instance is not None:
            yield from _commands(inner.typer_instance, f"{group}{inner.name} ")
