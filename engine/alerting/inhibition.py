"""Which alerts say nothing that another one does not say: pure, and data.

When the database does not answer, saves fail, their spool fills, and nobody evaluates: a page for
each would bury the one that matters. When nobody has evaluated for a while, nobody has rolled or
swept either, most likely. What is muted so stays in the journal, with its cause.

A burn rate that begins beside an alert of the same attempts says what people know already. It is
held back for half an hour: what burns on by then outlasts what they were called to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, assert_never

from engine.alerting.rules import Burning, Condition, Rule, Share, Standstill, Watched
from engine.alerting.specimens import comprises
from engine.rollups.counts import Traffic
from engine.rollups.parts import Part

HELD_BACK: Final = timedelta(minutes=30)
# What callers do wrong is no sign of anything; a part that is not named here is told.
_SYMPTOMS: Final = frozenset(
    {
        "aborted",
        "critical",
        "critical_and_already_sent",
        "internal_errors",
        "not_persisted",
        "over_p95",
        "over_p99",
        "rolled_back",
        "service_failures",
        "timeouts",
        "unsuccessful",
    }
)


def is_sign(rule: Rule, of: Rule) -> bool:
    """Whether a rule fires by itself when another one does, and says nothing more."""
    match _watches(of.condition):
        case Watched.DATABASE:
            return rule is not of and _fails_without_database(rule.condition)
        case Watched.EVALUATOR:
            # Their processes are mostly one, and nobody looked in between.
            return _watches(rule.condition) in {Watched.ROLLER, Watched.SPOOL}
        case _:
            return False


def causes(rules: Collection[Rule], firing: Collection[str]) -> Mapping[str, str]:
    """By the id of each rule that is only a sign of another one that fires: the id of that one.

    Args:
        rules: all of them.
        firing: ids of those that fire.
    """
    found: dict[str, str] = {}
    for watched in (Watched.EVALUATOR, Watched.DATABASE):  # the deeper cause has the last word
        for cause in rules:
            if cause.id in firing and _watches(cause.condition) is watched:
                found |= {rule.id: cause.id for rule in rules if is_sign(rule, cause)}
    return found


def held_back(
    rule: Rule,
    since: datetime,
    told: Iterable[Rule],
    muted_by: Mapping[str, str] | None,
    now: datetime,
    *,
    is_known: bool,
) -> Mapping[str, str] | None:
    """What holds a burn rate back that fires; None if nothing does, and for every other rule.

    Args:
        rule: which.
        since: since when it fires.
        told: rules that fire and that nothing mutes.
        muted_by: what held it back in the look before; it does so to its end, for the incident
            may be over before the windows of the burn rate are clean.
        now: the present instant.
        is_known: whether there are attempts to tell by. Without any it says what was, and whoever
            has heard of that is not called to it once more; when they come back bad, it is told.

    Returns:
        Whom people were told of instead (`cause`), and until when that is enough (`until`, ISO
        8601).
    """
    until = since + HELD_BACK
    if not isinstance(rule.condition, Burning):
        return None
    if is_held_back(muted_by) and (now < until or not is_known):
        return muted_by
    if now >= until:
        return None
    for other in told:
        if _says_enough(other, rule):
            return {"cause": other.id, "until": until.isoformat()}
    return None


def is_held_back(muted_by: Mapping[str, str] | None) -> bool:
    """Whether an alert is only held back for a while, since people know of its attempts."""
    return muted_by is not None and "until" in muted_by


def is_loud(muted_by: Mapping[str, str] | None) -> bool:
    """Whether nothing mutes an alert, or only for a while."""
    return muted_by is None or is_held_back(muted_by)


def _says_enough(other: Rule, rule: Rule) -> bool:
    """Whether whoever was told of another rule knows what this one is about, and how bad it is."""
    mine, theirs = _live_bad(rule.condition), _live_bad(other.condition)
    return (
        mine is not None
        and theirs is not None
        and other.severity >= rule.severity
        and set(other.channels) >= set(rule.channels)
        and (comprises(mine, theirs) or comprises(theirs, mine))
    )


def _live_bad(condition: Condition) -> Part | None:
    """The attempts that a condition is about, of those in the objectives."""
    match condition:
        case Share(bad=bad, traffic=Traffic.LIVE):
            return bad
        case Burning(objective=objective):
            return objective.bad
        case _:
            return None


def _fails_without_database(condition: Condition) -> bool:
    match condition:
        case Share(bad=bad):
            return bad.key in _SYMPTOMS
        case Burning(objective=objective):
            return objective.bad.key in _SYMPTOMS
        case Standstill():
            return True
        case _:
            assert_never(condition)


def _watches(condition: Condition) -> Watched | None:
    return condition.watched if isinstance(condition, Standstill) else None
