"""A rule holds when its share is above its threshold by more than chance, and says by how much."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.alerting.loading import own_rules
from engine.alerting.measuring import (
    Moved,
    Readings,
    Sample,
    holds,
    measure,
    measure_tallies,
    samples_of,
    samples_of_all,
)
from engine.alerting.rules import Burning, Rule, Share, Standstill, Watched
from engine.alerting.specimens import comprises, of_code
from engine.alerting.tallies import CHANCE, FEWEST, Tally, is_shown
from engine.errors import ErrorCode
from engine.quotes.lifecycle import Operation
from engine.rollups import parts
from engine.rollups.counts import Counts, Traffic, total
from engine.slo.bounds import at_least
from engine.slo.burn import PAIRS
from engine.slo.objectives import OBJECTIVES
from tests.properties.strategies import TRIED_OFTEN
from tests.unit.alert_rules import NOON, SHARE

_RULES = {rule.id: rule for rule in own_rules()}
_FIVE = timedelta(minutes=5)
_FINE = Counts(attempts=1, timed=1, histogram={500: 1})


def _rule(rule_id: str) -> Rule:
    return _RULES[rule_id]


def _condition(rule_id: str) -> Share | Burning:
    condition = _rule(rule_id).condition
    assert isinstance(condition, Share | Burning)
    return condition


@pytest.mark.parametrize(
    ("rule_id", "bad", "of", "expected"),
    [
        # One conflict, or two, of few attempts is chance; and few good ones prove nothing.
        ("HIGH-005", 0, 40, None),
        ("HIGH-005", 1, 40, None),
        ("HIGH-005", 2, 40, None),
        ("HIGH-005", 7, 40, None),
        ("HIGH-005", 8, 40, True),
        ("HIGH-005", 0, 0, None),
        ("HIGH-005", 0, 999, None),
        ("HIGH-005", 0, 1000, False),
        ("HIGH-005", 1, 1000, False),
        # Above the threshold, but no more than chance makes it.
        ("HIGH-005", 5, 2700, False),
        ("HIGH-005", 14, 2700, False),
        ("HIGH-005", 15, 2700, True),
        # Any at all is any at all.
        ("CRITICAL-002", 1, 100_000, True),
        ("CRITICAL-003", 1, 1, True),
        ("CRITICAL-004", 0, 1, False),
        ("CRITICAL-004", 0, 0, False),
        ("CRITICAL-001", 1, 20, None),
        ("CRITICAL-001", 60, 2700, True),
        ("HIGH-001", 54, 2700, False),
        ("HIGH-001", 93, 2700, True),
        ("HIGH-002", 7, 7, False),
        ("HIGH-002", 8, 8, True),
        ("HIGH-002", 135, 2700, False),
        ("HIGH-002", 200, 2700, True),
        ("HIGH-003", 135, 2700, False),
        ("HIGH-003", 193, 2700, True),
        ("HIGH-004", 27, 2700, False),
        ("HIGH-004", 56, 2700, True),
        ("MEDIUM-001", 13, 2700, False),
        ("MEDIUM-001", 35, 2700, True),
    ],
)
def test_a_share_holds_when_it_is_above_its_threshold_by_more_than_chance(
    rule_id: str, bad: int, of: int, *, expected: bool | None
) -> None:
    assert holds(_condition(rule_id), [Tally(bad, of)]) is expected


def test_the_comparison_is_strict_to_the_last_attempt() -> None:
    share = replace(SHARE, above=0.29)

    assert holds(share, [Tally(29, 100)], chance=1) is False
    assert holds(share, [Tally(30, 100)], chance=1) is True


@pytest.mark.parametrize(
    ("long", "short", "expected"),
    [
        (Tally(400, 2000), Tally(34, 170), True),
        (Tally(400, 2000), Tally(30, 170), False),  # perhaps over
        (Tally(400, 2000), Tally(1, 1), False),  # perhaps over
        (Tally(400, 2000), Tally(24, 170), False),  # over
        (Tally(280, 2000), Tally(170, 170), False),  # does not matter yet
        (Tally(1, 3), Tally(1, 1), None),
        (Tally(1, 7), Tally(1, 1), False),  # chance
        (Tally(400, 2000), Tally(0, 0), None),
        (Tally(0, 2000), Tally(0, 0), False),
        (Tally(0, 0), Tally(0, 0), None),
    ],
)
def test_a_burn_rate_holds_when_both_windows_burn_and_the_long_one_is_no_chance(
    long: Tally, short: Tally, *, expected: bool | None
) -> None:
    condition = Burning(OBJECTIVES["service_success_rate"], PAIRS[0], least=7)

    assert holds(condition, [long, short]) is expected


@TRIED_OFTEN
@given(
    st.integers(0, 5_000),
    st.integers(0, 5_000),
    st.sampled_from([0.0, 0.001, 0.01, 0.05, 0.144, 0.72]),
)
def test_what_is_shown_is_what_the_exact_distribution_says_of_eight_or_more(
    bad: int, good: int, threshold: float
) -> None:
    tally = Tally(bad, bad + good)

    shown = is_shown(tally, threshold)

    if tally.of == 0:
        assert not shown
    elif threshold == 0:
        assert shown == (bad > 0)
    else:
        unlikely = at_least(bad, tally.of, threshold) < CHANCE
        assert shown == (unlikely and bad >= FEWEST)
        # More bad ones among as many attempts are never less of a reason.
        assert not shown or is_shown(Tally(min(bad + 1, tally.of), tally.of), threshold)


def test_four_critical_errors_of_four_are_enough_and_seven_conflicts_of_seven_are_not() -> None:
    conditions = {rule.id: rule.condition for rule in own_rules()}
    critical, conflicts = conditions["CRITICAL-001"], conditions["HIGH-005"]
    assert isinstance(critical, Share)
    assert isinstance(conflicts, Share)

    assert holds(critical, [Tally(4, 4)]) is True
    assert holds(critical, [Tally(3, 3)]) is None
    assert holds(conflicts, [Tally(7, 7)]) is None


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5, 6, 7])
def test_a_single_bad_attempt_makes_no_rate_rule_true(number: int) -> None:
    rates = [rule.condition for rule in own_rules() if not _is_any(rule)]

    for condition in rates:
        if isinstance(condition, Share | Burning):
            lone = [Tally(1, max(number * 25, 1)) for _ in samples_of(condition)]
            assert holds(condition, lone) is not True


def _is_any(rule: Rule) -> bool:
    return isinstance(rule.condition, Share) and rule.condition.above == 0


def test_numbers_are_in_jsons_own_types_and_have_percentiles_where_they_were_read() -> None:
    counts = total([_FINE] * 990 + [of_code(ErrorCode.QUOTE_CONFLICT_VERSION).counts] * 10)

    measured = measure(SHARE, Readings(NOON, {Sample(_FIVE): counts}))
    bare = measure(SHARE, Readings(NOON, {Sample(_FIVE): replace(counts, histogram={})}))

    assert measured.is_true is False
    assert measured.numbers == {
        "window_s": 300,
        "attempts": 1000,
        "bad": 10,
        "share": 0.01,
        "threshold": 0.01,
        "p95_ms": pytest.approx(21.8, rel=0.01),
        "p99_ms": pytest.approx(21.8, rel=0.01),
    }
    assert bare.numbers.keys() == measured.numbers.keys() - {"p95_ms", "p99_ms"}


def test_what_is_above_its_threshold_says_so_whether_or_not_it_is_chance() -> None:
    burning = _condition("BURN-critical_error_rate-4")

    above = [
        measure_tallies(condition, tallies).is_above
        for condition, tallies in (
            (SHARE, [Tally(2, 100)]),
            (SHARE, [Tally(1, 100)]),
            (burning, [Tally(2, 1000), Tally(2, 1000)]),
            (burning, [Tally(2, 1000), Tally(1, 1000)]),
            (burning, [Tally(1, 1000), Tally(2, 1000)]),
        )
    ]

    assert above == [True, False, True, False, False]


def test_numbers_of_a_burn_rate_have_both_windows() -> None:
    measured = measure_tallies(
        _condition("BURN-service_success_rate-1"), [Tally(200, 1000), Tally(30, 100)]
    )

    assert measured.numbers == {
        "window_s": 3600,
        "attempts": 1000,
        "bad": 200,
        "share": 0.2,
        "threshold": pytest.approx(0.144),
        "short_window_s": 300,
        "short_attempts": 100,
        "short_bad": 30,
        "factor": 14.4,
        "burn_rate": pytest.approx(20),
        "short_burn_rate": pytest.approx(30),
    }


def test_a_sample_that_could_not_be_read_is_unknown() -> None:
    burning = _condition("BURN-critical_error_rate-4")
    long, _short = samples_of(burning)

    for condition, readings in (
        (SHARE, Readings(NOON)),
        (burning, Readings(NOON, {long: _FINE})),
        (Standstill(Watched.ROLLER), Readings(NOON)),
        (Standstill(Watched.ROLLER), Readings(NOON, moved={Watched.ROLLER: Moved(None, _FIVE)})),
    ):
        measured = measure(condition, readings)
        assert measured.is_true is None
        assert measured.reason.endswith("could not be read.") or "not known" in measured.reason


@pytest.mark.parametrize(
    ("ago", "expected"), [(-9, False), (0, False), (20, False), (20.001, True), (3_600, True)]
)
def test_what_has_not_moved_for_longer_than_its_intervals_stands_still(
    ago: float, *, expected: bool
) -> None:
    moved = Moved(NOON - timedelta(seconds=ago), timedelta(seconds=10))

    measured = measure(
        Standstill(Watched.EVALUATOR, 2), Readings(NOON, moved={Watched.EVALUATOR: moved})
    )

    assert measured.is_true is expected
    assert measured.numbers["allowed_s"] == 20


def test_callers_that_nobody_knows_are_a_share_of_them_and_of_live_attempts() -> None:
    condition = _condition("MEDIUM-003")
    samples = samples_of(condition)

    measured = measure(
        condition,
        Readings(
            NOON, dict(zip(samples, [total([_FINE] * 100), total([_FINE] * 300)], strict=True))
        ),
    )

    assert [each.traffic for each in samples] == [Traffic.UNKNOWN_CALLER, Traffic.LIVE]
    assert measured.is_true
    assert (measured.numbers["bad"], measured.numbers["attempts"]) == (100, 400)
    assert measured.reason == (
        "Attempts of unknown callers: 100 of 400 attempts in 5 min (25 %), above 10 %."
    )


def test_each_sample_is_read_once_however_many_rules_need_it() -> None:
    samples = samples_of_all(own_rules())

    assert len(set(samples)) == len(samples)
    assert Sample(_FIVE, Operation.UPDATE) in samples
    assert {each for rule in own_rules() for each in samples_of(rule.condition)} == set(samples)


@pytest.mark.parametrize(
    ("rule_id", "tallies", "reason"),
    [
        (
            "HIGH-002-UPDATE",
            [Tally(30, 100)],
            (
                "Attempts neither committed nor replayed: 30 of 100 attempts to UPDATE in 5 min"
                " (30 %), above 5 %."
            ),
        ),
        (
            "HIGH-005",
            [Tally(1, 40)],
            (
                "Version conflicts: 1 of 40 attempts in 5 min (2.5 %); fewer than 1,000 decide"
                " nothing."
            ),
        ),
        (
            "HIGH-005",
            [Tally(5, 2700)],
            (
                "Version conflicts: 5 of 2,700 attempts in 5 min (0.185 %), above 0.1 %, but so few"
                " may be chance."
            ),
        ),
        (
            "CRITICAL-003",
            [Tally(2, 2700)],
            "Database timeouts: 2 of 2,700 attempts in 5 min (0.0741 %), and there should be none.",
        ),
        ("HIGH-002", [Tally(0, 0)], "There were no attempts in 5 min."),
        (
            "BURN-critical_error_rate-4",
            [Tally(60, 20_000), Tally(9, 3_000)],
            (
                "Critical error rate: the budget burns at 3 times its rate over 3 d"
                " (60 of 20,000) and 3 times over 6 h (9 of 3,000), both above 1."
            ),
        ),
    ],
)
def test_a_reason_has_the_number_that_decides(
    rule_id: str, tallies: list[Tally], reason: str
) -> None:
    assert measure_tallies(_condition(rule_id), tallies).reason == reason


def test_a_part_comprises_another_if_it_counts_all_of_its_attempts() -> None:
    assert comprises(parts.ALL, parts.TIMED)
    assert comprises(parts.UNSUCCESSFUL, parts.SERVICE_FAILURES)
    assert comprises(parts.CRITICAL_ERRORS, parts.INTERNAL_ERRORS)
    assert comprises(parts.ROLLED_BACK, parts.RETRIED)
    assert comprises(parts.UNFIT, parts.VALIDATIONS)
    assert not comprises(parts.VALIDATIONS, parts.UNFIT)
    assert not comprises(parts.SERVICE_FAILURES, parts.CRITICAL_ERRORS)
    assert not comprises(parts.TIMED, parts.ALL)
