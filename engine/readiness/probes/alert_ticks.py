"""The monitoring itself: whether the evaluator runs, keeps its time, and would be missed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from engine.alerting.status import HeartbeatStanding
from engine.attempts.outcome import Source
from engine.readiness.probes.alerting import TICKS, Kept, ago_s, kept, rules_and_status
from engine.readiness.probes.asking import rows
from engine.readiness.probes.probe import (
    Found,
    Question,
    decided,
    failing,
    insufficient,
    passing,
)
from engine.readiness.probes.spans import not_yet, of_box
from engine.readiness.running_code import is_of

_KEPT: Final = timedelta(minutes=15)
_LATELY: Final = timedelta(minutes=5)
# The watcher outside is told beside the ticks, and may take its time to answer.
_HEARD_AT_LEAST: Final = timedelta(seconds=30)
_HEARD_INTERVALS: Final = 3
_NEWEST: Final = "alert_tick, the newest"
_PROCESSES: Final = """
    -- The processes that had something to do lately, and whether each of them watches. A look saves
    -- as canaries, in a process that ends with it and watches over nothing. What was stopped in
    -- order is not alive.
    SELECT o.instance, w.seen_at
    FROM origin AS o
    LEFT JOIN LATERAL (
        SELECT seen_at, ended_at
        FROM alert_watcher
        WHERE instance = o.instance
        ORDER BY seen_at DESC
        LIMIT 1
    ) AS w ON true
    WHERE w.ended_at IS NULL AND o.id IN (
        SELECT origin_id FROM edge_count WHERE bucket >= %(since)s
        UNION
        SELECT origin_id FROM attempt
        WHERE started_at >= %(since)s AND source <> %(synthetic)s
    )
    ORDER BY o.instance
"""


def heartbeat(question: Question) -> Found:
    """`mon.heartbeat`: the newest tick is younger than two intervals, and of this release."""
    _, status = rules_and_status(question)
    ticks, release = status.ticks, question.release
    age = ticks.age(status.read_at)
    numbers: dict[str, Any] = {
        "tick": ticks.number,
        "ageSeconds": None if age is None else age.total_seconds(),
        "intervalSeconds": ticks.interval.total_seconds(),
        "release": ticks.release,
        "instance": ticks.instance,
    }
    if age is None or ticks.release is None:
        return failing("The evaluator has never run: there is no tick", _NEWEST, **numbers)
    told = f"Tick {ticks.number} was {age.total_seconds():.0f} s ago"
    if not ticks.is_alive(status.read_at):
        allowed = 2 * ticks.interval
        reason = f"{told}, longer than {allowed.total_seconds():.0f} s: the evaluator stands still"
        return failing(reason, _NEWEST, **numbers)
    return decided(
        is_of(release, ticks.release),
        f"{told}, of {ticks.release}",
        f"{told}, of {ticks.release}, which is not {release.name}",
        _NEWEST,
        **numbers,
    )


def ticks(question: Question) -> Found:
    """`mon.ticks`: ticks without a gap for 15 minutes, in time, and somebody outside hears them."""
    span = of_box(question, _KEPT)
    if isinstance(span, Found):
        return span
    _, status = rules_and_status(question)
    found, heard = kept(question, span), status.heartbeat
    if found.first == 1 and found.first_at is not None and question.phase.window is None:
        # The first tick that there ever was: before it there was nothing to be blind to.
        span = replace(span, start=found.first_at, due_at=found.first_at + _KEPT)
        found = kept(question, span)
    since = None if heard.acknowledged_at is None else ago_s(heard.acknowledged_at, status.read_at)
    numbers: dict[str, Any] = {
        **span.numbers,
        **found.numbers,
        "intervalSeconds": status.ticks.interval.total_seconds(),
        "isWatchedFromOutside": heard.is_configured,
        "heardSecondsAgo": since,
    }
    witness = f"{TICKS}; alert_heartbeat"
    fault = _fault(found, heard, since, status.ticks.interval)
    if fault is not None:
        return failing(fault, witness, **numbers)
    told = f"Ticks {found.first} to {found.last} without a gap"
    if not span.is_over:
        due_at = f"{span.due_at:%H:%M} UTC"
        return insufficient(f"{told}, so far: all is told at {due_at}", witness, **numbers)
    return passing(
        f"{told}, 99 % of them less than {found.lag_p99_s or 0:.1f} s late; the watcher outside"
        f" heard {since:.0f} s ago (that it would call is for a drill to show)",
        witness,
        **numbers,
    )


def _fault(
    found: Kept, heard: HeartbeatStanding, since_s: float | None, interval: timedelta
) -> str | None:
    """What is wrong with some ticks, or with who would notice their end; None when nothing is."""
    if found.why_blind is not None:
        return found.why_blind
    interval_s = interval.total_seconds()
    if found.lag_p99_s is not None and found.lag_p99_s >= interval_s:
        return f"1 tick in 100 came {found.lag_p99_s:.1f} s late or later, of {interval_s:.0f} s"
    if not heard.is_configured:
        return "ALERT_HEARTBEAT_URL is not set: nobody outside would notice if the ticks stopped"
    if since_s is None or since_s > _still(interval).total_seconds():
        ago = "ever" if since_s is None else f"for {since_s:.0f} s"
        told = heard.reason or "it was not told"
        return f"The watcher outside has not heard of the ticks {ago} ({told})"
    return None


def _still(interval: timedelta) -> timedelta:
    """How long somebody who is heard of each interval may be silent."""
    return max(_HEARD_AT_LEAST, _HEARD_INTERVALS * interval)


def boot(question: Question) -> Found:
    """`mon.boot`: every process that had something to do lately watches, by its own sign of life.

    One that was killed cannot say that it has ended: it counts while what it did is of lately.
    What each process has loaded it does not write down; that its watchdog runs shows that it has.
    """
    early = not_yet(question)
    if early is not None:
        return early
    now = question.runtime.clock.now()
    still = _still(question.runtime.settings.alert_interval)
    seen = rows(question, _PROCESSES, {"since": now - _LATELY, "synthetic": Source.SYNTHETIC.value})
    blind = [instance for instance, at in seen if at is None or now - at > still]
    numbers: dict[str, Any] = {
        "processes": len(seen),
        "withoutWatchdog": blind,
        "allowedSeconds": still.total_seconds(),
    }
    if not seen:
        return insufficient("No process had anything to do in 5 minutes", _PROCESSES, **numbers)
    return decided(
        not blind,
        f"All {len(seen)} processes that had something to do in 5 minutes watch",
        f"{len(blind)} of {len(seen)} processes that had something to do in 5 minutes do not watch,"
        f" or were killed: {(blind or [''])[0]}",
        _PROCESSES,
        **numbers,
    )
