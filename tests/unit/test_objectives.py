"""What each promise says at its very edge, and when a budget is said to burn."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from functools import cache
from itertools import accumulate, islice
from math import comb

import pytest

from engine.attempts.outcome import Outcome
from engine.errors import TAXONOMY, ErrorCode, Severity
from engine.rollups.counts import NOTHING, Counts
from engine.slo.assessment import assess
from engine.slo.bounds import Verdict
from engine.slo.burn import BURN_WINDOWS, PAIRS, Burn, BurnPair, BurnState, burn_rate, burns
from engine.slo.objectives import OBJECTIVES, Objective

LIMITS = {
    "success_rate": Fraction(1, 100),
    "service_success_rate": Fraction(1, 100),
    "latency_p95": Fraction(5, 100),
    "latency_p99": Fraction(1, 100),
    "error_rate": Fraction(1, 100),
    "critical_error_rate": Fraction(1, 1000),
    "conflict_rate": Fraction(1, 1000),
    "rollback_rate": Fraction(5, 1000),
    "validation_rate": Fraction(5, 1000),
    "internal_rate": Fraction(1, 1000),
}
BURNING = {"service_success_rate", "latency_p95", "latency_p99", "critical_error_rate"}


def coded(code: ErrorCode, outcome: Outcome, bad: int, of: int) -> Counts:
    return Counts(
        attempts=of,
        by_outcome={outcome: bad, Outcome.COMMITTED: of - bad},
        by_code={TAXONOMY[code].number: bad},
        timed=of,
    )


def sample(key: str, bad: int, of: int) -> Counts:
    """Attempts of which so many break just this promise."""
    made = {
        "latency_p95": Counts(attempts=of, timed=of, over_p95=bad),
        "latency_p99": Counts(attempts=of, timed=of, over_p95=bad, over_p99=bad),
        "rollback_rate": Counts(
            attempts=of, timed=of, retried=bad, by_outcome={Outcome.COMMITTED: of}
        ),
    }
    return made.get(key) or coded(*_BAD[key], bad, of)


_BAD = {
    "success_rate": (ErrorCode.QUOTE_NOT_FOUND, Outcome.REJECTED),
    "service_success_rate": (ErrorCode.DATABASE_TIMEOUT, Outcome.INDETERMINATE),
    "error_rate": (ErrorCode.QUOTE_STATE_INVALID, Outcome.REJECTED),
    "critical_error_rate": (ErrorCode.QUOTE_PERSISTENCE_FAILED, Outcome.FAILED),
    "conflict_rate": (ErrorCode.QUOTE_CONFLICT_VERSION, Outcome.CONFLICT),
    "validation_rate": (ErrorCode.QUOTE_VALIDATION_FAILED, Outcome.REJECTED),
    "internal_rate": (ErrorCode.INTERNAL_ERROR, Outcome.FAILED),
}


@cache
def chances(of: int, share: Fraction) -> tuple[list[int], int]:
    """The chances of so many bad ones or fewer, in whole numbers, and what they are parts of."""
    good, whole = share.denominator - share.numerator, share.denominator
    terms = (comb(of, k) * share.numerator**k * good ** (of - k) for k in range(of + 1))
    return list(accumulate(islice(terms, int(of * share * 3) + 9))), whole**of


def expected(bad: int, of: int, limit: Fraction) -> Verdict:
    """The verdict, from exact binomial sums."""
    if of == 0:
        return Verdict.NO_DATA
    sums, whole = chances(of, limit)
    if 20 * sums[bad] < whole:
        return Verdict.MET
    if bad and 20 * (whole - sums[bad - 1]) < whole:
        return Verdict.BROKEN
    return Verdict.UNDECIDED


@pytest.fixture(params=list(OBJECTIVES))
def objective(request: pytest.FixtureRequest) -> Objective:
    """Every objective."""
    return OBJECTIVES[request.param]


def test_the_promises_are_those_of_the_domain_page() -> None:
    assert {key: each.limit for key, each in OBJECTIVES.items()} == {
        key: float(limit) for key, limit in LIMITS.items()
    }
    assert {key for key, each in OBJECTIVES.items() if each.burns} == BURNING


def test_nothing_to_measure_is_no_data_and_never_met(objective: Objective) -> None:
    for nothing in (NOTHING, Counts(attempts=0, timed=0)):
        found = assess(objective, nothing)

        assert found.verdict is Verdict.NO_DATA
        assert (found.share, found.budget_left, found.is_off) == (None, None, False)
        assert (found.at_least, found.at_most) == (0.0, 1.0)
        assert burn_rate(objective, nothing) is None
        assert {each.state for each in burns(objective, lambda _: NOTHING)} == {BurnState.UNKNOWN}


def test_verdicts_change_exactly_where_the_binomial_says(objective: Objective) -> None:
    limit = LIMITS[objective.key]
    seen = set()
    for of in (1, 58, 59, 60, 298, 299, 597, 598, 599, 2_994, 2_995):
        for bad in range(min(of, int(of * limit * 3) + 8) + 1):
            found = assess(objective, sample(objective.key, bad, of))

            assert (found.bad, found.of) == (bad, of)
            assert found.verdict is expected(bad, of, limit), (bad, of)
            assert found.is_off == (Fraction(bad, of) >= limit)
            seen.add(found.verdict)
    assert seen == {Verdict.MET, Verdict.UNDECIDED, Verdict.BROKEN}


def test_a_tenth_of_a_percent_takes_2995_clean_ones() -> None:
    objective = OBJECTIVES["critical_error_rate"]

    assert assess(objective, sample(objective.key, 0, 2_994)).verdict is Verdict.UNDECIDED
    assert assess(objective, sample(objective.key, 0, 2_995)).verdict is Verdict.MET
    assert assess(objective, sample(objective.key, 0, 7)).needed == 2_995


def test_what_a_caller_got_wrong_does_not_burn_our_budget() -> None:
    rejected = coded(ErrorCode.QUOTE_ALREADY_SENT, Outcome.REJECTED, 50, 100)

    assert assess(OBJECTIVES["success_rate"], rejected).bad == 50
    for key in ("service_success_rate", "critical_error_rate"):
        assert assess(OBJECTIVES[key], rejected).bad == 0
        assert burn_rate(OBJECTIVES[key], rejected) == 0


def test_the_budget_is_the_limit_s_share_of_what_there_was(objective: Objective) -> None:
    of = 10_000
    spent = int(of * LIMITS[objective.key])

    left = [
        assess(objective, sample(objective.key, bad, of)).budget_left
        for bad in (0, spent // 2, spent, 2 * spent)
    ]

    assert left == pytest.approx([1, 0.5, 0, -1])


def test_the_pairs_are_those_of_the_workbook() -> None:
    assert [(each.long, each.short, each.severity) for each in PAIRS] == [
        (timedelta(hours=1), timedelta(minutes=5), Severity.CRITICAL),
        (timedelta(hours=6), timedelta(minutes=30), Severity.CRITICAL),
        (timedelta(days=1), timedelta(hours=2), Severity.HIGH),
        (timedelta(days=3), timedelta(hours=6), Severity.HIGH),
    ]
    assert [each.factor for each in PAIRS] == pytest.approx([14.4, 6, 3, 1])
    assert set(BURN_WINDOWS) == {each for pair in PAIRS for each in (pair.long, pair.short)}


@pytest.mark.parametrize("one", PAIRS, ids=["1 h", "6 h", "1 d", "3 d"])
def test_a_pair_burns_only_when_both_windows_burn_faster_than_its_factor(one: BurnPair) -> None:
    over, at = one.factor * 1.001, one.factor
    states = {
        rates: Burn(one, *rates).state
        for rates in (
            (over, over), (over, at), (at, over), (at, at), (0.0, over), (None, over), (over, None),
            (None, None), (0.0, 0.0),
        )
    }  # fmt: skip

    assert [rates for rates, state in states.items() if state is BurnState.BURNING] == [
        (over, over)
    ]
    assert {rates for rates, state in states.items() if state is BurnState.UNKNOWN} == {
        (None, over), (over, None), (None, None)
    }  # fmt: skip


def test_a_rate_of_one_is_the_limit(objective: Objective) -> None:
    of = 20_000
    bad = int(of * LIMITS[objective.key])

    rates = [burn_rate(objective, sample(objective.key, each, of)) for each in (bad, 2 * bad)]

    assert rates == pytest.approx([1, 2])
