"""`driftdesk schedule …`: what is queued by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from console import schedules, words
from console.terminal import Actor, AsJson, at_desk, tell, who
from core.errors import BadInput
from core.schedule import DAYS, Cadence, Schedule, Task, Timing, cron_line, in_words

app = typer.Typer(no_args_is_help=True, help="What is queued by itself, again and again.")

_CLOCK = "%H:%M"


def line(schedule: Schedule, now: datetime) -> str:
    """A schedule as one line: what, when, and when next."""
    if schedule.next_run_at is None:
        due = "paused"
    else:
        local = schedule.next_run_at.astimezone(ZoneInfo(schedule.timing.zone))
        due = f"next {local:%Y-%m-%d %H:%M} ({words.ahead(schedule.next_run_at, now)})"
    said = f"schedule {schedule.id}  {words.TASKS[schedule.task]}  {in_words(schedule.timing)}"
    return f"{said}  {due}" + (f"  {schedule.note}" if schedule.note else "")


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Every schedule and its next run."""
    with at_desk() as desk:
        found = schedules.schedules(desk)
        now = datetime.now(UTC)
        none = ["There is no schedule yet: see driftdesk schedule add --help."]
        tell(found, as_json=as_json, lines=lambda: [line(s, now) for s in found] or none)


@app.command()
def add(
    cadence: Annotated[Cadence, typer.Argument(help="How often.")],
    *,
    at: Annotated[
        str, typer.Option(help="HH:MM for daily and weekly; only the minutes count for hourly.")
    ] = "00:00",
    day: Annotated[str, typer.Option(help="The day, for weekly.")] = DAYS[0],
    cron: Annotated[str, typer.Option(help="The five fields, for cron.")] = "",
    zone: Annotated[str, typer.Option(help="Time zone, such as Europe/Zurich.")] = "UTC",
    task: Annotated[
        Task, typer.Option("--queue", help="The next batch alone, or training too if it drifted.")
    ] = Task.INGEST,
    as_json: AsJson = False,
    actor: Actor = "",
) -> None:
    """Queue something by itself from now on."""
    with at_desk(actor) as desk:
        timing = Timing(_line(cadence, at, day, cron), zone)
        made = schedules.add(desk, who(desk, actor), timing, task)
        tell(made, as_json=as_json, lines=lambda: [line(made, datetime.now(UTC))])


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
def pause(schedule_id: int, *, as_json: AsJson = False, actor: Actor = "") -> None:
    """Let nothing come due until it is resumed."""
    with at_desk(actor) as desk:
        seen = schedules.schedule(desk, schedule_id)
        made = schedules.pause(desk, who(desk, actor), seen)
        tell(made, as_json=as_json, lines=lambda: [line(made, datetime.now(UTC))])


@app.command()
def resume(schedule_id: int, *, as_json: AsJson = False, actor: Actor = "") -> None:
    """Go on from now."""
    with at_desk(actor) as desk:
        seen = schedules.schedule(desk, schedule_id)
        made = schedules.resume(desk, who(desk, actor), seen)
        tell(made, as_json=as_json, lines=lambda: [line(made, datetime.now(UTC))])


@app.command()
def remove(schedule_id: int, *, as_json: AsJson = False, actor: Actor = "") -> None:
    """Delete a schedule; the jobs that it queued stay."""
    with at_desk(actor) as desk:
        seen = schedules.schedule(desk, schedule_id)
        schedules.remove(desk, who(desk, actor), seen)
        tell(seen, as_json=as_json, lines=lambda: [f"schedule {seen.id}: removed"])
