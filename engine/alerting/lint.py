"""What is wrong with some rules taken together: gaps, claims that do not hold, and noise.

Each rule by itself was checked when it was loaded. Here they are held against the codes that there
are, the objectives, the runbook, their tests, and each other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from engine.alerting.burn_rules import guarded_by
from engine.alerting.measured_words import tell_percent
from engine.alerting.measuring import threshold_of
from engine.alerting.rule_tests import RuleTest, run_rule_tests
from engine.alerting.rules import CHANNEL_NAMES, HEARTBEAT, Burning, Rule, Share, Standstill
from engine.alerting.specimens import comprises, of_code
from engine.errors import TAXONOMY, ErrorCode, Severity
from engine.rollups import parts
from engine.rollups.counts import Traffic
from engine.slo.objectives import OBJECTIVES, Objective

_SECTION: Final = re.compile(r"^## (\S.*?)\s*$", re.MULTILINE)
# Refused before an agent was known, so that no rate of live attempts has them.
_BEFORE_AGENT: Final = frozenset({ErrorCode.AUTHENTICATION_FAILED, ErrorCode.AGENT_NOT_FOUND})


class Check(StrEnum):
    """What was looked for."""

    IDS = "ids"
    CODES = "codes"
    OBJECTIVES = "objectives"
    NO_DATA = "no data"
    POSSIBLE = "possible"
    LOOSER = "looser"
    SHADOWED = "shadowed"
    CHANNELS = "channels"
    RUNBOOK = "runbook"
    TESTS = "tests"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong.

    Attributes:
        check: that found it.
        what: the rule, code or objective that it is about.
        message: what is wrong, in a sentence.
    """

    check: Check
    what: str
    message: str


def sections_of(runbook: str) -> frozenset[str]:
    """The titles of a runbook's sections."""
    return frozenset(_SECTION.findall(runbook))


def lint(
    rules: Sequence[Rule], tests: Sequence[RuleTest], sections: Collection[str] | None
) -> tuple[Finding, ...]:
    """Everything that is wrong with some rules.

    Args:
        rules: all that are in force.
        tests: of rules.
        sections: of the runbook; None where it is not installed, and is not looked at.
    """
    return (
        *_ids(rules),
        *_codes(rules),
        *_objectives(rules),
        *_no_data(rules),
        *_impossible(rules),
        *_looser(rules),
        *_shadowed(rules),
        *_channels(rules),
        *(() if sections is None else _runbook(rules, sections)),
        *_tests(rules, tests),
    )


def covering(code: ErrorCode, rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The rules that speak of a code by more than its being one failure among all others."""
    return tuple(rule for rule in rules if _speaks_of(rule, code))


def shadows(other: Rule, rule: Rule) -> bool:
    """Whether a rule can only be true when another one is, which tells no fewer people as loudly.

    The window must be the same: what is above a threshold in one may be below it in another.
    """
    return (
        other.id != rule.id
        and _implies(rule, other)
        and rule.severity <= other.severity
        and set(rule.channels) <= set(other.channels)
        and rule.hold >= other.hold
    )


def _ids(rules: Sequence[Rule]) -> Iterator[Finding]:
    for rule_id, count in Counter(rule.id for rule in rules).items():
        if count > 1:
            yield Finding(Check.IDS, rule_id, f"{count} rules have this id.")


def _codes(rules: Sequence[Rule]) -> Iterator[Finding]:
    for code, meaning in TAXONOMY.items():
        if meaning.severity >= Severity.HIGH and not covering(code, rules):
            yield Finding(
                Check.CODES, code, f"No rule speaks of this {meaning.severity.name} code."
            )


def _speaks_of(rule: Rule, code: ErrorCode) -> bool:
    condition = rule.condition
    if not isinstance(condition, Share):
        return False
    traffic = Traffic.UNKNOWN_CALLER if code in _BEFORE_AGENT else Traffic.LIVE
    # One of many failures among all attempts: it may be every one of its kind and stay unseen.
    is_narrow = traffic is not Traffic.LIVE or condition.bad is not parts.UNSUCCESSFUL
    is_counted = condition.bad.count(of_code(code).counts) > 0
    return condition.traffic is traffic and condition.operation is None and is_narrow and is_counted


def _objectives(rules: Sequence[Rule]) -> Iterator[Finding]:
    guarded = {key for rule in rules for key in rule.guards}
    for key, objective in OBJECTIVES.items():
        if key not in guarded:
            yield Finding(Check.OBJECTIVES, key, f"No rule guards {objective.title}.")


def _no_data(rules: Sequence[Rule]) -> Iterator[Finding]:
    if not any(_says_when_nobody_comes(rule) for rule in rules):
        message = "No rule about all live attempts says when there are none for too long."
        yield Finding(Check.NO_DATA, "no_data_after", message)
    for rule in rules:
        if isinstance(rule.condition, Standstill) and rule.no_data_after is None:
            message = "A watchdog that does not know whether something moves has to say so."
            yield Finding(Check.NO_DATA, rule.id, message)


def _says_when_nobody_comes(rule: Rule) -> bool:
    condition = rule.condition
    return (
        rule.no_data_after is not None
        and isinstance(condition, Share)
        and condition.of is parts.ALL
        and condition.operation is None
        # With more to ask for, a quiet hour would be taken for an absence.
        and condition.least == 1
    )


def _impossible(rules: Sequence[Rule]) -> Iterator[Finding]:
    for rule in rules:
        condition = rule.condition
        if isinstance(condition, Standstill):
            continue
        if threshold_of(condition) >= 1:
            share = tell_percent(threshold_of(condition))
            yield Finding(Check.POSSIBLE, rule.id, f"It can never fire: nothing is above {share}.")
        if isinstance(condition, Share) and not comprises(condition.of, condition.bad):
            message = f"{condition.bad.key} is no part of {condition.of.key}: this is no share."
            yield Finding(Check.POSSIBLE, rule.id, message)


def _looser(rules: Sequence[Rule]) -> Iterator[Finding]:
    for rule in rules:
        for key in sorted(rule.guards):
            why = _why_looser(rule, OBJECTIVES[key])
            if why:
                message = f"It claims to guard {key}, but {why}."
                yield Finding(Check.LOOSER, rule.id, message)


def _why_looser(rule: Rule, objective: Objective) -> str:
    condition = rule.condition
    if isinstance(condition, Standstill):
        return "counts no attempts"
    if isinstance(condition, Burning):
        is_kept = objective.key in guarded_by(condition)
        return "" if is_kept else "counts less, or lets the budget burn before it says so"
    if condition.operation is not None or condition.traffic is not Traffic.LIVE:
        return "looks at some of its attempts only"
    if condition.of is not objective.of or not comprises(condition.bad, objective.bad):
        return "does not count all that breaks it"
    if condition.above > objective.limit:
        above, limit = tell_percent(condition.above), tell_percent(objective.limit)
        return f"allows {above} where the objective allows {limit}"
    return ""


def _shadowed(rules: Sequence[Rule]) -> Iterator[Finding]:
    for number, rule in enumerate(rules):
        for place, other in enumerate(rules):
            # Of two that say the same, the later one is too many.
            if shadows(other, rule) and not (shadows(rule, other) and number < place):
                message = f"It is true only when {other.id} is, which is at least as loud."
                yield Finding(Check.SHADOWED, rule.id, message)


def _implies(rule: Rule, other: Rule) -> bool:
    """Whether one condition can only be true when another is."""
    mine, theirs = rule.condition, other.condition
    if isinstance(mine, Share) and isinstance(theirs, Share):
        return (
            (mine.window, mine.operation, mine.traffic, mine.of)
            == (theirs.window, theirs.operation, theirs.traffic, theirs.of)
            and comprises(theirs.bad, mine.bad)
            and mine.above >= theirs.above
        )
    if isinstance(mine, Burning) and isinstance(theirs, Burning):
        return (
            (mine.pair.long, mine.pair.short, mine.objective.of)
            == (theirs.pair.long, theirs.pair.short, theirs.objective.of)
            and comprises(theirs.objective.bad, mine.objective.bad)
            and threshold_of(mine) >= threshold_of(theirs)
        )
    if isinstance(mine, Standstill) and isinstance(theirs, Standstill):
        return mine.watched is theirs.watched and mine.intervals >= theirs.intervals
    return False


def _channels(rules: Sequence[Rule]) -> Iterator[Finding]:
    for rule in rules:
        for name in sorted(set(rule.channels) - set(CHANNEL_NAMES)):
            yield Finding(Check.CHANNELS, rule.id, f"There is no channel {name}.")
        if not set(rule.channels) - {HEARTBEAT}:
            yield Finding(Check.CHANNELS, rule.id, "Nobody is told.")


def _runbook(rules: Sequence[Rule], sections: Collection[str]) -> Iterator[Finding]:
    for rule in rules:
        if (rule.runbook or rule.id) not in sections:
            message = f"The runbook has no section {rule.runbook or rule.id}."
            yield Finding(Check.RUNBOOK, rule.id, message)


def _tests(rules: Sequence[Rule], tests: Sequence[RuleTest]) -> Iterator[Finding]:
    for rule in rules:
        mine = [test for test in tests if test.is_of(rule)]
        if not any(test.must_fire for test in mine):
            yield Finding(Check.TESTS, rule.id, "There is no series that must fire it.")
        if not any(test.is_quiet for test in mine):
            yield Finding(Check.TESTS, rule.id, "There is no series that must not fire it.")
    for run in run_rule_tests(rules, tests):
        for failure in run.failures:
            yield Finding(Check.TESTS, run.rule_id, f"{run.test.name}: {failure}")
