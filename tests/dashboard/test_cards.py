"""The headline numbers: nothing green without proof, unknown called unknown."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dashboard.cards import Card, Target, headline, objective
from dashboard.status import Freshness
from dashboard.wording import Words
from engine.errors import ErrorCode
from engine.quotes.lifecycle import Operation
from engine.rollups import parts
from engine.rollups.selection import Filter
from engine.slo.assessment import Assessment
from engine.slo.bounds import Verdict
from engine.slo.objectives import OBJECTIVES
from engine.slo.overview import Overview
from tests.dashboard.summaries import END, TOOK, TOOK_US, counts, summary

_FRESH = Freshness()
_AWAY = Freshness(END + timedelta(seconds=2), "the database has not answered")


def by_label(found: Overview | None, freshness: Freshness = _FRESH) -> dict[str, Card]:
    return {card.label: card for card in headline(found, freshness)}


def test_without_attempts_there_is_no_rate_and_nothing_is_judged() -> None:
    found = by_label(summary())

    assert found["Attempts"].value == "0"
    assert found["Attempts"].basis == "no attempts in the last 5 minutes"
    for label in ("Service rate", "Success rate", "P95 duration", "P99 duration"):
        assert found[label].value == "No data"
        assert found[label].verdict is None
        assert found[label].basis == "no attempts to judge by"


def test_whoever_filters_is_told_of_which_operation_there_are_none() -> None:
    found = by_label(summary(wanted=Filter(Operation.EXPIRE)))

    assert found["Attempts"].basis == "no EXPIRE attempts in the last 5 minutes"


def test_what_was_never_read_is_not_zero() -> None:
    found = by_label(None, _AWAY)

    assert {card.value for card in found.values()} == {"No data"}
    assert {card.verdict for card in found.values()} == {Words("Stale", "orange")}


def test_a_small_clean_sample_is_not_called_met() -> None:
    found = by_label(summary(committed=12))

    assert found["Success rate"].value == "100 %"
    assert found["Success rate"].verdict == Words("Too few to be sure", "gray")
    assert found["Success rate"].basis == "12 of 299 attempts needed"
    assert found["P95 duration"].basis == "12 of 59 attempts needed"
    assert found["P99 duration"].verdict == Words("Too few to be sure", "gray")


def test_a_large_good_sample_meets_its_targets() -> None:
    found = by_label(summary(committed=2_000, codes={ErrorCode.QUOTE_NOT_FOUND: 3}))

    assert found["Success rate"].verdict == Words("Above 99 %", "green")
    assert found["Success rate"].basis == "of 2,003 attempts"
    p95 = found["P95 duration"]
    assert p95 == Card(
        "P95 duration",
        TOOK,
        Words("Within 500 ms", "green"),
        "of 2,003 attempts",
        p95.help,
        p95.receipt,
    )
    assert found["P99 duration"].value == TOOK


def test_a_large_bad_sample_misses_its_targets() -> None:
    bad = {ErrorCode.QUOTE_VALIDATION_FAILED: 100}
    found = by_label(summary(counts=counts(900, bad, over_p95=120, over_p99=40)))

    assert found["Success rate"].value == "90 %"
    assert found["Success rate"].verdict == Words("Below 99 %", "red")
    assert found["P95 duration"].verdict == Words("Over 500 ms", "red")
    assert found["P99 duration"].verdict == Words("Over 1,000 ms", "red")


def test_a_sample_that_is_off_its_target_by_chance_perhaps_says_so() -> None:
    found = by_label(summary(committed=197, codes={ErrorCode.QUOTE_NOT_FOUND: 3}))

    assert found["Success rate"].verdict == Words("Below 99 %, too few to be sure", "orange")
    assert found["Success rate"].basis == "200 of 773 attempts needed"


def test_the_service_rate_counts_what_we_did_and_not_what_callers_did() -> None:
    found = by_label(
        summary(
            committed=90,
            codes={ErrorCode.QUOTE_VALIDATION_FAILED: 7, ErrorCode.DATABASE_TIMEOUT: 3},
        )
    )

    assert found["Service rate"].value == "97 %"
    assert found["Service rate"].verdict == Words("Our failures: 3", "red")
    assert found["Service rate"].basis == "of 100 attempts"


def test_no_failure_of_ours_is_no_proof_of_anything() -> None:
    assert by_label(summary(committed=5))["Service rate"].verdict == Words(
        "Our failures: 0", "gray"
    )


def test_a_duration_says_that_its_caller_waited_longer() -> None:
    said = by_label(summary(committed=5))["P95 duration"].help

    assert "The target is within 500 ms" in said
    assert "inside the engine" in said
    assert "for the caller, the queue in front, the flush of the commit and the network" in said


def test_stale_numbers_are_judged_by_nobody() -> None:
    found = by_label(summary(committed=20), _AWAY)

    assert found["Success rate"].value == "100 %"
    assert {card.verdict for card in found.values()} == {Words("Stale", "orange")}
    assert not any("needed" in card.basis for card in found.values())


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("bad", [0, 90])
def test_only_what_is_met_is_green(verdict: Verdict, bad: int) -> None:
    found = Assessment(OBJECTIVES["success_rate"], bad, 100, verdict)

    words = objective(found, Target("success_rate", "Above 99 %", "Below 99 %"))

    assert (words.colour == "green") == (verdict is Verdict.MET)
    assert words.text


def test_each_number_leads_to_the_attempts_that_it_is_made_of() -> None:
    overview = summary(committed=90, codes={ErrorCode.DATABASE_TIMEOUT: 10})

    found = {label: card.receipt for label, card in by_label(overview).items()}

    assert {label: receipt.part for label, receipt in found.items() if receipt} == {
        "Attempts": parts.ALL,
        "Service rate": parts.SERVICE_FAILURES,
        "Success rate": parts.UNSUCCESSFUL,
        "P95 duration": parts.TIMED,
        "P99 duration": parts.TIMED,
    }
    assert {receipt.window for receipt in found.values() if receipt} == {overview.window}
    slowest = found["P95 duration"]
    assert slowest is not None
    assert slowest.at_least_us is not None
    assert 0.98 * TOOK_US < slowest.at_least_us <= TOOK_US


def test_where_there_are_no_attempts_there_is_no_receipt() -> None:
    assert {card.receipt for card in headline(summary(), _FRESH)} == {None}
    assert {card.receipt for card in headline(None, _AWAY)} == {None}
