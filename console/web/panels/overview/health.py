"""The strip at the top of the Overview page: the live model's health at a glance."""

from __future__ import annotations

import streamlit as st

from console.queries import live_traffic, overview, workers
from console.text import formatting, health_strip
from console.text.health_strip import Fact, Tone
from console.web import reading, session, widgets

_WORKERS_TTL = 5.0


def strip(seen: overview.Overview, error: live_traffic.FeedbackError | None) -> None:
    """The facts in boxes of equal height; `error` is the one from feedback."""
    dataset, live = session.desk().dataset, seen.live
    facts = [_live(seen)]
    if live:
        score = next(iter(seen.errors[-1:]), None)
        batch = next(iter(seen.batches[-1:]), None)
        facts += [
            health_strip.newest_error(
                seen.approved, score, batch, dataset, is_newest=seen.has_newest_error
            ),
            health_strip.from_feedback(
                seen.approved, error.live if error else None, dataset, error.count if error else 0
            ),
            health_strip.traffic(seen.window, live),
        ]
    facts.append(health_strip.newest_batch(seen.newest))
    queues, is_awaited = reading.neighbour(workers.queues, ttl=_WORKERS_TTL, silent=True)
    if is_awaited:
        facts.append(Fact("Workers", "asking…", "Redis has not answered yet.", Tone.OPEN))
    elif queues is None:
        facts.append(Fact("Workers", "unknown", "Redis is unreachable.", Tone.BAD))
    else:
        states = {worker.name: worker.state for queue in queues for worker in queue.workers}
        facts.append(health_strip.workers(list(states.values())))
    with st.container(key="health"):
        columns = st.columns(len(facts), border=True, gap="xsmall")
    for column, fact in zip(columns, facts, strict=True):
        column.caption(fact.name)
        column.markdown(f":{fact.tone.value}[**{widgets.plain(fact.value)}**]")
        column.caption(widgets.plain(fact.note))


def _live(seen: overview.Overview) -> Fact:
    live = seen.live
    if live is None:
        return Fact("Live model", "none", "Approve a version to serve it.", Tone.OPEN)
    since = seen.term.since if seen.term else live.live_at
    note = f"went live {formatting.ago(since, widgets.now())}"
    return Fact("Live model", f"version {live.version}", note, Tone.GOOD)
