"""Alerting in words and colours: how bad, since when, what a rule asks for, what holds it back.

Pure functions. What is not known is called so: green is only what was looked at a moment ago.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, assert_never
from uuid import UUID

from dashboard.quote_words import cut
from dashboard.readiness_words import instant
from dashboard.wording import Colour, Words, counted, literal
from engine.alerting.durations import write_duration
from engine.alerting.inhibition import is_held_back
from engine.alerting.measured_words import tell_percent
from engine.alerting.rules import (
    AlertCode,
    AlertSeverity,
    Burning,
    Condition,
    Rule,
    Share,
    Standstill,
)
from engine.alerting.states import RuleState
from engine.alerting.status import AlertingStatus, FiringAlert, HeartbeatStanding, Ticks
from engine.errors import ErrorCode
from engine.quotes.shape import parse_uuid

# By the name of a severity.
SEVERITIES: Final[Mapping[str, Colour]] = {"CRITICAL": "red", "HIGH": "orange", "MEDIUM": "blue"}
# By the words of the tables.
STATES: Final[Mapping[str, Colour]] = {
    RuleState.FIRING: "red",
    RuleState.PENDING: "orange",
    RuleState.UNKNOWN: "gray",
    RuleState.RESOLVED: "blue",
    RuleState.INACTIVE: "green",
}
NOTICE_STATES: Final[Mapping[str, Colour]] = {
    "waiting": "blue",
    "sending": "blue",
    "delivered": "green",
    "failed": "red",
    "not configured": "red",
    "dropped": "gray",
}
NOT_CONFIGURED: Final = Words("not configured", "red")
_CODES: Final = frozenset({*(each.value for each in (*AlertCode, *ErrorCode))})
_LEAST_GAPS: Final = 1
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


# --- time ---


def ticking(span: timedelta) -> str:
    """8 s, 3 min 05 s, 2 h 04 min, 1 d 3 h: it moves while somebody looks."""
    span = max(span, timedelta(0))
    seconds = int(span.total_seconds())
    if span < _MINUTE:
        return f"{seconds} s"
    if span < _HOUR:
        return f"{seconds // 60} min {seconds % 60:02} s"
    if span < _DAY:
        return f"{seconds // 3600} h {seconds // 60 % 60:02} min"
    return f"{seconds // 86400} d {seconds // 3600 % 24} h"


def ago(moment: datetime | None, now: datetime) -> str:
    """8 s ago; never."""
    return "never" if moment is None else f"{ticking(now - moment)} ago"


def seconds(span: timedelta | None) -> str:
    """0.4 s, 12.3 s, 3 min 05 s; nothing for what is not known."""
    if span is None:
        return ""
    return f"{span.total_seconds():.1f} s" if span < _MINUTE else ticking(span)


# --- rules ---


def severity_of(rule: Rule | None, default: str = "") -> str:
    """The name of a rule's severity; of one that is not in force what is said instead."""
    return default if rule is None else rule.severity.name


def threshold(asked: Condition) -> str:
    """The number that decides, short."""
    match asked:
        case Share():
            return f"> {tell_percent(asked.above)}"
        case Burning():
            return f"> {asked.pair.factor:.3g} times"
        case Standstill():
            return f"> {asked.intervals} intervals"
    assert_never(asked)


def timing(rule: Rule) -> str:
    """How long it waits and goes on; empty for one that does neither."""
    said = []
    if rule.hold:
        said.append(f"true for {write_duration(rule.hold)} first")
    if rule.keep:
        said.append(f"fires {write_duration(rule.keep)} longer")
    if rule.no_data_after is not None:
        where = " where some is usual" if isinstance(rule.condition, Share) else ""
        said.append(f"no data is an alert after {write_duration(rule.no_data_after)}{where}")
    return "; ".join(said)


# --- what fires ---


def code(said: str) -> str:
    """A code of an alert as Markdown; one of another release may be anything, and is not told."""
    return literal(said) if said in _CODES else "a code that this release does not know"


def message(said: str, rule: Rule | None) -> str:
    """What is the matter, as a text; without the rule's name, where that stands beside it."""
    return cut(said if rule is None else said.removeprefix(f"{rule.name}: "))


def by_now(alert: FiringAlert, found: AlertingStatus) -> str:
    """What an alert's rule says now, as a text; empty where that is what it said when it began."""
    said = found.said_since(alert)
    return f"Now: {cut(said)}" if said else ""


def muted(muted_by: Mapping[str, Any] | None, silences: Mapping[UUID, str]) -> str:
    """What holds an alert back, as a text; empty if nothing does.

    Args:
        muted_by: as the table has it.
        silences: why each silence was made, by its id; those that are known.
    """
    if not muted_by:
        return ""
    if is_held_back(muted_by):
        until = f"{datetime.fromisoformat(muted_by['until']):%H:%M} UTC"
        cause = cut(str(muted_by["cause"]))
        return f"Held back until {until}: {cause} has told of the same attempts"
    if "cause" in muted_by:
        return f"Not told: only a sign of {cut(str(muted_by['cause']))}, which fires"
    silence_id = parse_uuid(str(muted_by.get("silence", "")))
    why = None if silence_id is None else silences.get(silence_id)
    return "Not told: silenced" + ("" if why is None else f", {cut(why)}")


def mute(muted_by: Mapping[str, Any] | None) -> str:
    """What holds an alert back in a word or two; empty if nothing does."""
    if not muted_by:
        return ""
    return "held back" if is_held_back(muted_by) else "muted"


def in_hand(alert: FiringAlert, now: datetime) -> str:
    """Who has an alert in hand, as a text."""
    if alert.acknowledged_at is None:
        return "Nobody has it in hand"
    return f"In hand: {cut(alert.acknowledged_by or '')}, {ago(alert.acknowledged_at, now)}"


def told(alert: FiringAlert, now: datetime) -> str:
    """When a notice was last made of it; whether that has arrived is for its deliveries to say."""
    if alert.told_at is None:
        return "nobody was to be told"
    return f"last notice {ago(alert.told_at, now)}"


def headline(found: AlertingStatus, now: datetime) -> Words:
    """All of it in a few words: how many fire, or why nobody can say that none does."""
    by_severity = [
        (each.name, sum(1 for alert in found.firing if alert.severity is each))
        for each in sorted(AlertSeverity, reverse=True)
    ]
    firing = ", ".join(f"{count} {name}" for name, count in by_severity if count)
    if not found.ticks.is_alive(now):
        said = f"{counted(len(found.firing), 'alert')} fired at the last look: {firing}"
        return Words(
            said if firing else "Unknown whether anything is wrong: nobody evaluates the rules",
            "red" if firing else "gray",
        )
    if firing:
        worst = max(alert.severity for alert in found.firing).name
        return Words(f"{_fire(len(found.firing))}: {firing}", SEVERITIES[worst])
    unknown, of = len(found.in_state(RuleState.UNKNOWN)), len(found.rules)
    if unknown == of:
        return Words("Nothing is known: no rule has anything to measure yet", "gray")
    if unknown > of - unknown:
        return Words(f"Nothing fires, but {unknown} of {of} rules cannot say", "gray")
    return Words("Nothing fires", "green")


def _fire(alerts: int) -> str:
    return "1 alert fires" if alerts == 1 else f"{alerts:,} alerts fire"


# --- the watch over the watcher ---


def evaluator(ticks: Ticks, now: datetime) -> Words:
    """Whether somebody evaluates, by the age of the last tick."""
    if ticks.last_at is None:
        return Words("never", "red")
    is_alive = ticks.is_alive(now)
    return Words(ago(ticks.last_at, now), "green" if is_alive else "red")


def gaps(ticks: Ticks) -> Words:
    """Numbers that are missing among the ticks of a day."""
    if not ticks.count:
        return Words("no ticks", "gray")
    if ticks.missing >= _LEAST_GAPS:
        return Words(f"{ticks.missing:,} missing of {ticks.count + ticks.missing:,}", "red")
    return Words("no gaps", "green")


def lag(ticks: Ticks) -> Words:
    """How late ticks came: all but 1 in 100, and the latest."""
    if ticks.lag_p99_s is None or ticks.lag_max_s is None:
        return Words("unknown", "gray")
    is_late = ticks.lag_p99_s >= ticks.interval.total_seconds()
    return Words(f"at most {ticks.lag_max_s:.1f} s", "orange" if is_late else "green")


def heartbeat(found: HeartbeatStanding, interval: timedelta, now: datetime) -> Words:
    """What the watcher outside has heard."""
    if not found.is_configured:
        return NOT_CONFIGURED
    if found.acknowledged_at is None:
        return Words("has never answered", "red")
    is_fresh = now - found.acknowledged_at <= 3 * interval
    return Words(ago(found.acknowledged_at, now), "green" if is_fresh else "red")


# --- numbers ---


def numbers(found: Mapping[str, Any]) -> str:
    """Numbers of a decision as one line: attempts 123, bad 3, share 2.44 %."""
    return ", ".join(f"{name} {value}" for name, value in facts(found))


def facts(found: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """The same one by one: what it is, and how much."""
    return [
        (cut(_NAMES.get(name, name.replace("_", " "))), _number(name, value))
        for name, value in sorted(found.items(), key=_place)
        if value is not None
    ]


def _place(fact: tuple[str, Any]) -> int:
    """The database keeps no order of its own: what decides stands first."""
    return _ORDER.index(fact[0]) if fact[0] in _ORDER else len(_ORDER)


_NAMES: Final = {
    "window_s": "window",
    "short_window_s": "short window",
    "still_s": "still for",
    "allowed_s": "allowed",
    "interval_s": "interval",
    "p95_ms": "P95",
    "p99_ms": "P99",
}
_ORDER: Final = (
    "attempts", "bad", "share", "threshold", "window_s", "burn_rate", "factor", "short_attempts",
    "short_bad", "short_window_s", "short_burn_rate", "still_s", "allowed_s", "interval_s",
    "usual", "p95_ms", "p99_ms",
)  # fmt: skip
_SHARES: Final = frozenset({"share", "threshold"})


def _number(name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return cut(str(value))
    if name in _SHARES:
        return tell_percent(value)
    if name.endswith("_s"):
        span = timedelta(seconds=value)
        return write_duration(span) if float(value).is_integer() else seconds(span)
    if name.endswith("_ms"):
        return f"{value:,.1f} ms"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}"


# --- silences ---


def matcher(stored: Mapping[str, Any]) -> str:
    """Which alerts are meant: rule CRITICAL-*, severity HIGH."""
    return cut(", ".join(f"{name} {value}" for name, value in stored.items()))


def until(expires_at: datetime, now: datetime) -> str:
    """When something ends, and in how long."""
    return f"{instant(expires_at)}, in {ticking(expires_at - now)}"


def changed(body: Mapping[str, Any]) -> str:
    """A change of a rule: threshold 2 %, hold 1 min; all of it taken back."""
    if not body:
        return "as the release has it"
    return cut(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in body.items()))
