"""`driftdesk schedule …`: jobs that are queued automatically."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from console import actions
from console.cli.shared import Commands, Output, ScheduleId
from console.desk import Desk
from console.text import formatting
from core.domain.errors import BadInput
from core.rules.access.roles import Actor
from core.rules.ops.schedule import DAYS, Cadence, Schedule, Task, Timing, cron_line, in_words

if TYPE_CHECKING:
    from console.cli import answers

app = Commands(
    no_args_is_help=True,
    help="Schedules that queue jobs automatically: add, list, pause, resume, remove.",
)

_CLOCK = "%H:%M"


def line(schedule: Schedule) -> str:
    """A schedule as one line: its task, its timing and its next run."""
    if schedule.next_run_at is None:
        due = "paused"
    else:
        local = schedule.next_run_at.astimezone(ZoneInfo(schedule.timing.zone))
        ahead = formatting.ahead(schedule.next_run_at, datetime.now(UTC))
        due = f"next {local:%Y-%m-%d %H:%M} {schedule.timing.zone} ({ahead})"
    task, timing = formatting.TASKS[schedule.task], in_words(schedule.timing)
    note = f"  {schedule.note}" if schedule.note else ""
    return f"schedule {schedule.id}  {task}  {timing}  {due}{note}"


def _shown(schedule: Schedule) -> Output[answers.Schedule]:
    return Output(schedule, [line(schedule)])


@app.command("list")
def list_(desk: Desk) -> Output[answers.Schedules]:
    """Every schedule and its next run."""
    every = actions.schedules.schedules(desk)
    none = ["There is no schedule yet: see driftdesk schedule add --help."]
    return Output(every, [line(s) for s in every] or none)


@app.command()
def add(
    desk: Desk,
    actor: Actor,
    cadence: Annotated[Cadence, typer.Argument(help="How often.")],
    *,
    at: Annotated[
        str, typer.Option(help="HH:MM for daily and weekly; only the minutes count for hourly.")
    ] = "00:00",
    day: Annotated[str, typer.Option(help="The day, for weekly.")] = DAYS[0],
    cron: Annotated[str, typer.Option(help="The five fields, for cron.")] = "",
    zone: Annotated[str, typer.Option(help="Time zone, such as Europe/Zurich.")] = "UTC",
    task: Annotated[
        Task, typer.Option("--queue", help="Only the next batch, or also training if it drifted.")
    ] = Task.INGEST,
) -> Output[answers.Schedule]:
    """Add a schedule that queues ingests."""
    timing = Timing(_line(cadence, at, day, cron), zone)
    return _shown(actions.schedules.add(desk, actor, timing, task))


def _line(cadence: Cadence, at: str, day: str, cron: str) -> str:
    try:
        clock = datetime.strptime(at, _CLOCK).time()  # noqa: DTZ007 - a time of day has no zone
    except ValueError as error:
        raise BadInput(f"{at!r} is no time of day; write it as 06:30.") from error
    names = {name.lower(): number for number, name in enumerate(DAYS, 1)}
    if day.lower() not in names:
        raise BadInput(f"{day!r} is no day; use one of {', '.join(DAYS)}.")
    if bool(cron) != (cadence is Cadence.CRON):
        raise BadInput("A cron line goes with cron: driftdesk schedule add cron --cron '…'.")
    return cron_line(
        cadence, minute=clock.minute, hour=clock.hour, day=names[day.lower()], line=cron
    )


@app.command()
def pause(desk: Desk, actor: Actor, schedule_id: ScheduleId) -> Output[answers.Schedule]:
    """Pause a schedule until it is resumed."""
    schedule = actions.schedules.schedule(desk, schedule_id)
    return _shown(actions.schedules.pause(desk, actor, schedule))


@app.command()
def resume(desk: Desk, actor: Actor, schedule_id: ScheduleId) -> Output[answers.Schedule]:
    """Resume a paused schedule."""
    schedule = actions.schedules.schedule(desk, schedule_id)
    return _shown(actions.schedules.resume(desk, actor, schedule))


@app.command()
def remove(desk: Desk, actor: Actor, schedule_id: ScheduleId) -> Output[answers.Schedule]:
    """Delete a schedule; the jobs that it queued stay."""
    schedule = actions.schedules.schedule(desk, schedule_id)
    actions.schedules.remove(desk, actor, schedule)
    return Output(schedule, [f"schedule {schedule.id}: removed"])
