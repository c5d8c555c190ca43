"""The headline numbers: nothing green without proof, unknown called unknown."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dashboard.cards import Card, headline, objective
from dashboard.verdicts import Verdict
from dashboard.wording import Freshness, Words
from engine.attempts.summary import Percentiles, Slower, Summary
from engine.errors import ErrorCode
from tests.dashboard.summaries import END, WINDOW, summary

_FRESH = Freshness()
_AWAY = Freshness(END + timedelta(seconds=2), "The database has not answered")


def by_label(found: Summary | None, freshness: Freshness = _FRESH) -> dict[str, Card]:
    return {card.label: card for card in headline(found, freshness, WINDOW)}


def test_without_attempts_there_is_no_rate_and_nothing_is_judged() -> None:
    found = by_label(summary())

    assert found["Attempts"].value == "0"
    assert found["Attempts"].basis == "none in the last 5 minutes"
    for label in ("Success rate", "P95 duration", "P99 duration"):
        assert found[label].value == "No data"
        assert found[label].verdict is None
        assert found[label].basis == "no attempts to judge by"


def test_what_was_never_read_is_not_zero() -> None:
    found = by_label(None, _AWAY)

    assert {card.value for card in found.values()} == {"No data"}
    assert {card.verdict for card in found.values()} == {Words("Stale", "orange")}


def test_a_small_clean_sample_is_not_called_met() -> None:
    found = by_label(summary(committed=12))

    assert found["Success rate"].value == "100 %"
    assert found["Success rate"].verdict == Words("Not enough data to say", "gray")
    assert found["Success rate"].basis == "12 attempts, needs 299"
    assert found["P95 duration"].basis == "12 attempts, needs 59"
    assert found["P99 duration"].verdict == Words("Not enough data to say", "gray")


def test_a_large_good_sample_meets_its_targets() -> None:
    found = by_label(summary(committed=2_000, codes={ErrorCode.QUOTE_NOT_FOUND: 3}))

    assert found["Success rate"].verdict == Words("Meets > 99 %", "green")
    assert found["Success rate"].basis == "of 2,003 attempts"
    assert found["P95 duration"] == Card(
        "P95 duration",
        "20.0 ms",
        Words("Meets < 500 ms", "green"),
        "of 2,003 attempts",
        "95 % of the attempts took this long or less; the target is < 500 ms.",
    )
    assert found["P99 duration"].value == "30.0 ms"


def test_a_large_bad_sample_misses_its_targets() -> None:
    found = by_label(
        summary(
            committed=900,
            codes={ErrorCode.QUOTE_VALIDATION_FAILED: 100},
            percentiles=Percentiles(400_000, 700_000, 1_200_000),
            slower=Slower(p95=120, p99=40),
        )
    )

    assert found["Success rate"].value == "90 %"
    assert found["Success rate"].verdict == Words("Misses > 99 %", "red")
    assert found["P95 duration"].verdict == Words("Misses < 500 ms", "red")
    assert found["P99 duration"].verdict == Words("Misses < 1,000 ms", "red")


def test_a_sample_that_is_off_its_target_by_chance_perhaps_says_so() -> None:
    found = by_label(summary(committed=197, codes={ErrorCode.QUOTE_NOT_FOUND: 3}))

    assert found["Success rate"].verdict == Words("Off > 99 %, not proved", "orange")
    assert found["Success rate"].basis == "200 attempts, needs 773"


def test_stale_numbers_are_judged_by_nobody() -> None:
    found = by_label(summary(committed=5_000), _AWAY)

    assert found["Success rate"].value == "100 %"
    assert {card.verdict for card in found.values()} == {Words("Stale", "orange")}


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("is_off", [False, True])
def test_only_what_is_met_is_green(verdict: Verdict, *, is_off: bool) -> None:
    words = objective(verdict, "> 99 %", is_off=is_off)

    assert (words.colour == "green") == (verdict is Verdict.MET)
    assert words.text
