"""How a release stands, in words and colours: green is only what is proved.

Pure functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final

from dashboard.wording import Colour, Words
from engine.readiness.assessment import Standing, State
from engine.readiness.items import Kind
from engine.readiness.knowledge import Release, SignOff
from engine.readiness.probes.probe import Found
from engine.readiness.standing import PhaseStanding, WindowState

# By state. What is waived, or of no meaning, is settled and not proved: never green.
COLOURS: Final[Mapping[State, Colour]] = {
    State.PASSING: "green",
    State.FAILING: "red",
    State.STALE: "orange",
    State.INSUFFICIENT: "gray",
    State.UNKNOWN: "gray",
    State.WAIVED: "violet",
    State.NOT_APPLICABLE: "blue",
}
_BAD: Final[dict[State, Colour]] = {State.FAILING: "red", State.STALE: "orange"}
# Of a digest, enough to tell it by.
_DIGEST_SHOWN: Final = 12
# The shapes say what the colours do.
_SHAPES: Final = {
    State.PASSING: "■",
    State.FAILING: "✖",
    State.STALE: "◪",
    State.INSUFFICIENT: "□",
    State.UNKNOWN: "□",
    State.WAIVED: "◆",
    State.NOT_APPLICABLE: "◇",
}
# As the icons of Material Symbols are named.
ICONS: Final = {
    State.PASSING: ":material/check_circle:",
    State.FAILING: ":material/error:",
    State.STALE: ":material/update:",
    State.INSUFFICIENT: ":material/radio_button_unchecked:",
    State.UNKNOWN: ":material/radio_button_unchecked:",
    State.WAIVED: ":material/event_busy:",
    State.NOT_APPLICABLE: ":material/do_not_disturb_on:",
}
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def verdict(phase: PhaseStanding) -> Words:
    """How a phase stands, in a few words: the worst of its boxes, or who has signed them."""
    if phase.blocking:
        found = len(phase.blocking)
        worst = next(state for state, count in phase.counts.items() if count)
        if worst not in _BAD:
            return Words(f"{found} open", "gray")
        bad = phase.counts[worst]
        more = f", {found - bad} more open" if found > bad else ""
        return Words(f"{bad} {worst.value}{more}", _BAD[worst])
    unproved = [
        f", {phase.counts[state]} {state.value}"
        for state in (State.WAIVED, State.NOT_APPLICABLE)
        if phase.counts[state]
    ]
    if not phase.is_signed_off:
        return Words("ready to sign" + "".join(unproved), "blue")
    return Words("signed off" + "".join(unproved), "blue" if unproved else "green")


def picture(states: Iterable[State]) -> str:
    """Boxes in their order, a coloured shape each, as Markdown."""
    return "".join(
        f":{COLOURS[state]}[{_SHAPES[state] * sum(1 for _ in run)}]"
        for state, run in groupby(states)
    )


def tally(states: Iterable[State]) -> str:
    """3 passing, 1 failing, 2 unknown."""
    found = list(states)
    told = [f"{found.count(state)} {state.value}" for state in reversed(State) if state in found]
    return ", ".join(told) or "none"


def ran(found: Iterable[Found], left: int = 0) -> str:
    """What became of boxes that were looked at: 2 boxes looked at: 1 passing, 1 unknown.

    Args:
        found: of each.
        left: boxes that were not looked at, because processes that looked had ended.
    """
    states = [State(each.verdict.value) for each in found]
    told = f"{boxes(len(states))} looked at: {tally(states)}."
    return f"{told} {boxes(left)} not: the process that looked has ended." if left else told


def window(phase: PhaseStanding, now: datetime) -> str:
    """Where a phase is in time; empty for one that is not bound to any."""
    if phase.window is WindowState.NONE:
        return ""
    if phase.opens_at is None:
        return "after the deployment"
    if phase.window is WindowState.WAITING:
        return f"opens in {length(phase.opens_at - now)}"
    if phase.closes_at is None:
        return f"open for {length(now - phase.opens_at)}"
    if phase.window is WindowState.CLOSED:
        return f"ended {length(now - phase.closes_at)} ago"
    return f"open for {length(now - phase.opens_at)}, {length(phase.closes_at - now)} left"


def goes_out(release: Release, now: datetime) -> str:
    """When a release goes out, or how long ago it has: planned for …, not deployed yet."""
    if release.deployed_at is not None:
        return (
            f"deployed {length(now - release.deployed_at)} ago, at {instant(release.deployed_at)}"
        )
    start, end = release.planned_from, release.planned_until
    if start is None or end is None:
        return "not deployed yet"
    until = f"{end.astimezone(UTC):%H:%M} UTC" if _is_same_day(start, end) else instant(end)
    return f"not deployed yet · planned for {start.astimezone(UTC):%Y-%m-%d %H:%M} to {until}"


def _is_same_day(one: datetime, other: datetime) -> bool:
    return one.astimezone(UTC).date() == other.astimezone(UTC).date()


def length(span: timedelta) -> str:
    """45 s, 12 min, 3 h 5 min, 2 d 4 h."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < _DAY:
        hours, rest = divmod(seconds, _HOUR)
        return f"{hours} h {rest // _MINUTE} min" if rest >= _MINUTE else f"{hours} h"
    days, rest = divmod(seconds, _DAY)
    return f"{days} d {rest // _HOUR} h" if rest >= _HOUR else f"{days} d"


def looked_at(standing: Standing, now: datetime) -> str:
    """How long ago a box was last looked at; one that follows from others always is."""
    evidence = standing.evidence
    if standing.item.kind is Kind.DERIVED:
        return "live"
    return "never" if evidence is None else f"{length(now - evidence.ended_at)} ago"


def stale_when(standing: Standing, now: datetime) -> str:
    """When a box's evidence will be too old."""
    if standing.state is State.STALE:
        return "is stale"
    if standing.stale_at is not None:
        return f"in {length(standing.stale_at - now)}"
    changes = " or ".join(sorted(each.value for each in standing.item.depends_on))
    if standing.state is State.PASSING and changes:
        return f"with another {changes}"
    return ""


def signature(signed: SignOff, phase: PhaseStanding) -> str:
    """Somebody's word for a phase, and whether it still holds."""
    holds = "still stands" if signed.states == phase.states else "no longer holds: boxes changed"
    return (
        f"{signed.meaning} by {signed.who} ({signed.role or 'no role'}),"
        f" {instant(signed.signed_at)}, saw {short(signed.seen)}, {holds}"
    )


def short(digest: str) -> str:
    """The beginning of a digest."""
    return digest[:_DIGEST_SHOWN]


def instant(moment: datetime) -> str:
    """2026-11-26 05:30 UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def boxes(number: int) -> str:
    """1 box, 3 boxes."""
    return "1 box" if number == 1 else f"{number} boxes"
