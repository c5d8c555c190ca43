"""Tests of rules, as data: a past in a few words, and what the rule has to be in at some instants.

    [[test]]
    name = "half a percent of conflicts"
    rules = ["HIGH-005"]
    series = ["540 x 0.05 % for 30 min", "540 x 0.5 % for 10 min"]
    at = { "30 min" = "inactive", "33 min" = "firing" }

    [[test]]
    name = "a conflict now and then"
    rules = ["HIGH-005"]
    series = ["8 x 0.5 % for 1 d"]
    is_quiet = true

There is a look each minute. A rule has to have a test in which it fires and one that is quiet: in
which it never does. Rules are named as files are: BURN-*-1 is the first of each objective.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import Any, Final

import numpy as np

from engine.alerting.durations import read_duration, write_duration
from engine.alerting.rules import Burning, Rule, Standstill
from engine.alerting.series_notation import MINUTE, Minute, read_series
from engine.alerting.states import RuleState
from engine.alerting.walking import Rows, Transition, walk, walk_still
from engine.errors import SetupError
from engine.rollups.grid import EPOCH

_FIELDS: Final = frozenset({"name", "rules", "series", "at", "is_quiet"})


@dataclass(frozen=True, slots=True)
class RuleTest:
    """One past and what is expected of some rules in it.

    Attributes:
        name: says what it is about.
        rules: patterns of ids.
        series: see `engine.alerting.series_notation`.
        at: how long after the beginning → the state then.
        is_quiet: whether the rules must never fire.
    """

    name: str
    rules: tuple[str, ...]
    series: tuple[str, ...]
    at: Mapping[timedelta, RuleState]
    is_quiet: bool

    @property
    def must_fire(self) -> bool:
        """Whether the rules have to fire in it."""
        return RuleState.FIRING in self.at.values()

    def is_of(self, rule: Rule) -> bool:
        """Whether it is a test of a rule."""
        return any(fnmatchcase(rule.id, pattern) for pattern in self.rules)


@dataclass(frozen=True, slots=True)
class TestRun:
    """How a rule did in a test.

    Attributes:
        rule_id: of which rule.
        test: which.
        failures: what was not as expected, in sentences; none if it passed.
    """

    rule_id: str
    test: RuleTest
    failures: tuple[str, ...]


@cache
def own_tests() -> tuple[RuleTest, ...]:
    """The tests that come with this release."""
    text = (resources.files("engine.alerting") / "rule_tests.toml").read_text("utf-8")
    return read_tests(text)


def read_tests(text: str) -> tuple[RuleTest, ...]:
    """The tests of a TOML text.

    Raises:
        SetupError: something is missing, not known, or says nothing; it names the test.
    """
    try:
        tables = tomllib.loads(text).get("test", [])
    except tomllib.TOMLDecodeError as error:
        raise SetupError(f"tests of alert rules: {error}") from None
    return tuple(_test(number, table) for number, table in enumerate(tables, 1))


def run_rule_tests(rules: Iterable[Rule], tests: Sequence[RuleTest]) -> tuple[TestRun, ...]:
    """Walks each rule through each of its tests.

    Raises:
        SetupError: a series cannot be read.
    """
    return tuple(
        TestRun(rule.id, test, _failures(rule, test))
        for rule in rules
        for test in tests
        if test.is_of(rule)
    )


def _failures(rule: Rule, test: RuleTest) -> tuple[str, ...]:
    limit = rule.condition.objective.limit if isinstance(rule.condition, Burning) else None
    try:
        minutes = read_series(test.series, limit)
    except ValueError as error:
        raise SetupError(f"tests of alert rules: {test.name}: {error}") from None
    transitions = _walked(rule, minutes)
    found = []
    for after, expected in test.at.items():
        state, why = _state_at(transitions, EPOCH + after)
        if after > len(minutes) * MINUTE:
            found.append(f"after {write_duration(after)} the series is over")
        elif state is not expected:
            found.append(f"after {write_duration(after)} {state}, not {expected}: {why}")
    fired = [each for each in transitions if each.after is RuleState.FIRING]
    if test.is_quiet and fired:
        when = write_duration(fired[0].at - EPOCH)
        found.append(f"after {when} it fires: {fired[0].reason}")
    return tuple(found)


def _walked(rule: Rule, minutes: Sequence[Minute]) -> tuple[Transition, ...]:
    rows = Rows.even(EPOCH, MINUTE, len(minutes))
    if isinstance(rule.condition, Standstill):
        moved: list[datetime | None] = []
        for number, minute in enumerate(minutes):
            before = moved[-1] if moved else EPOCH
            now = rows.look_at(number)
            moved.append(None if not minute.is_read else now if minute.is_moving else before)
        return walk_still(rule, rows, moved, MINUTE)
    tallies = np.array([minute.tally for minute in minutes], np.int64)
    read = np.array([minute.is_read for minute in minutes])
    return walk(rule, rows, tallies[:, 0], tallies[:, 1], read=read)


def _state_at(transitions: Sequence[Transition], at: datetime) -> tuple[RuleState, str]:
    state, why = RuleState.INACTIVE, "Nothing has happened."
    for each in transitions:
        if each.at <= at:
            state, why = each.after, each.reason
    return state, why


def _test(number: int, table: Mapping[str, Any]) -> RuleTest:
    name = table.get("name", f"test {number}")
    unknown = set(table) - _FIELDS
    if unknown:
        raise SetupError(f"tests of alert rules: {name}: there is no field {min(unknown)}")
    try:
        at = {
            read_duration(after): RuleState(state) for after, state in table.get("at", {}).items()
        }
        test = RuleTest(
            name=str(name),
            rules=tuple(table["rules"]),
            series=tuple(table["series"]),
            at=at,
            is_quiet=bool(table.get("is_quiet", False)),
        )
    except KeyError as error:
        raise SetupError(f"tests of alert rules: {name}: {error.args[0]} is missing") from None
    except ValueError as error:
        raise SetupError(f"tests of alert rules: {name}: {error}") from None
    if test.is_quiet == test.must_fire:
        raise SetupError(f"tests of alert rules: {name}: it fires, or it is_quiet: one of both")
    return test
