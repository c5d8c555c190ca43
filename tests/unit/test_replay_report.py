"""The report: figures that add up, and their spelling for people and for programs."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from typing import Any
from uuid import UUID

import pytest

from engine.attempts.outcome import Outcome
from engine.errors import ErrorCode
from engine.integrity.rules import RULES, RuleResult
from engine.quotes.lifecycle import Operation
from engine.replay.agencies import Agency
from engine.replay.printout import as_text
from engine.replay.reconciliation import Reconciliation
from engine.replay.report import Report, as_json, make_report
from engine.replay.sender import Message, Reply
from engine.replay.tally import Ended, Fate, Tally, percentiles
from engine.replay.workers import Ending

CREATE, UPDATE = Operation.CREATE, Operation.UPDATE
INVALID = ErrorCode.QUOTE_VALIDATION_FAILED
ADULTS = "adults must be between 1 and 50"


def message(operation: Operation) -> Message:
    return Message(
        agency=Agency(UUID(int=1), UUID(int=1), "sgk_secret", {}),
        operation=operation,
        body={},
        quote_id=None,
        version=0,
        correlation_id="RPL-run-1-1",
        idempotency_key="RPL-run-1-1",
    )


def some_tally() -> Tally:
    """Three bookings: one told with a repeat and a lost answer, one refused, one cut short."""
    tally = Tally()
    saved = Reply(Outcome.COMMITTED)
    refused = Reply(Outcome.REJECTED, INVALID, reason=ADULTS)
    tally.answered(message(CREATE), saved, 0.002, is_repeat=False)
    tally.not_answered(message(UPDATE), is_repeat=False)
    tally.answered(message(UPDATE), Reply(Outcome.REPLAYED), 0.004, is_repeat=True)
    tally.ended(Fate.TOLD)
    tally.answered(message(CREATE), refused, 0.001, is_repeat=False)
    tally.ended(Fate.REFUSED, unsent=2, refusal=refused)
    tally.ended(Fate.CUT_SHORT, unsent=3)
    return tally


def verified(**violations: int) -> list[RuleResult]:
    by_id = {name.replace("_", "-"): count for name, count in violations.items()}
    return [RuleResult(rule, 10, by_id.get(rule.id, 0), [], 0.1) for rule in RULES.values()]


def report_of(tally: Tally, **changes: Any) -> Report:
    recorded = Counter(tally.attempts)
    given: dict[str, Any] = {
        "run": "run",
        "via": "engine",
        "workers": 4,
        "ending": Ending.COMPLETE,
        "tally": tally,
        "seconds": 2.0,
        "reconciliation": Reconciliation(
            tally.attempts, recorded, unanswered=len(tally.unanswered), recorded_unanswered=1
        ),
        "verified": verified(),
    }
    return make_report(**given | changes)


def test_the_figures_add_up() -> None:
    report = report_of(some_tally())

    total = report.total
    assert total.sent == sum(total.by_outcome.values()) == 4
    assert total.sent == sum(row.sent for row in report.attempts[:-1])
    assert total.sent == report.steps - report.unsent + report.repeats
    assert report.bookings == sum(report.fates.values()) == 3
    assert report.codes == {INVALID.value: 1}
    assert report.saves == total.by_outcome["committed"] == 1
    assert report.saves_per_second == 0.5
    assert report.ledger_rows == 4
    assert report.is_clean


def test_the_report_says_what_a_story_told_to_the_end_may_be() -> None:
    told = as_text(report_of(some_tally()))

    assert "Told to the end: accepted, rejected, deleted as a draft, or left SENT" in told


def test_a_row_too_few_in_the_ledger_shows_what_is_missing() -> None:
    tally = some_tally()
    recorded = Counter(tally.attempts)
    recorded[Ended(CREATE, Outcome.COMMITTED, None)] -= 1

    report = report_of(tally, reconciliation=Reconciliation(tally.attempts, recorded, 0, 0, 1, 1))

    assert not report.agrees
    assert not report.is_clean
    (difference,) = report.differences
    assert (difference.operation, difference.answered, difference.in_ledger) == ("CREATE", 1, 0)
    assert "they DO NOT agree" in as_text(report)
    assert "CREATE committed : 1 answered, 0 in the ledger" in as_text(report)


def test_a_save_that_the_ledger_calls_by_another_name_does_not_agree() -> None:
    tally = some_tally()
    recorded = Counter(tally.attempts)
    recorded[Ended(CREATE, Outcome.COMMITTED, None)] -= 1
    recorded[Ended(CREATE, Outcome.FAILED, ErrorCode.INTERNAL_ERROR)] += 1

    report = report_of(tally, reconciliation=Reconciliation(tally.attempts, recorded, 0, 0, 1, 1))

    assert report.ledger_rows == report.total.sent
    assert not report.agrees
    assert len(report.differences) == 2


def test_an_answer_that_was_lost_agrees_whether_the_attempt_arrived_or_not() -> None:
    tally = some_tally()
    for arrived in (0, 1):
        reconciliation = Reconciliation(tally.attempts, Counter(tally.attempts), 0, 0, 1, arrived)

        report = report_of(tally, reconciliation=reconciliation)

        assert report.agrees
        assert f"1 had no answer, of which {arrived} arrived" in as_text(report)


@pytest.mark.parametrize(("known", "agrees"), [(1, True), (0, False), (2, False)])
def test_an_attempt_in_doubt_has_one_row_whatever_that_says(known: int, *, agrees: bool) -> None:
    tally = some_tally()
    ended = Counter(tally.attempts)
    in_doubt = Reply(Outcome.INDETERMINATE, ErrorCode.DATABASE_TIMEOUT)
    tally.answered(message(CREATE), in_doubt, 10.0, is_repeat=False)

    report = report_of(tally, reconciliation=Reconciliation(ended, ended, 1, known, unanswered=1))

    assert report.agrees is agrees
    assert f"1 were in doubt when they were answered, of which the ledger knows {known}" in (
        as_text(report)
    )


def test_what_could_not_be_asked_is_unknown_and_not_clean() -> None:
    report = report_of(some_tally(), reconciliation=None, verified=None)

    assert report.ledger_rows is None
    assert not report.is_clean
    assert "Ledger: could not be asked" in as_text(report)
    assert "Verify: could not be run" in as_text(report)


def test_a_rule_that_was_not_checked_is_not_clean() -> None:
    assert not report_of(some_tally(), verified=verified()[1:]).is_clean


def test_broken_rules_are_named() -> None:
    report = report_of(some_tally(), verified=verified(DI_5=3, DI_16=1))

    assert not report.is_clean
    assert "Verify: BROKEN: DI-5 (3), DI-16 (1)" in as_text(report)


def test_the_text_without_a_terminal_has_no_lines_and_no_colours() -> None:
    text = as_text(report_of(some_tally()))

    assert text.isascii()
    assert "\x1b" not in text
    assert "Attempts, with latency as the caller sees it" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["CREATE", "1", "0", "1", "0", "2", "1.00", "2.00", "2.00"] in rows
    assert ["all", "1", "1", "1", "1", "4", "2.00", "4.00", "4.00"] in rows
    assert ADULTS in text


def test_a_reason_with_brackets_is_shown_as_it_is() -> None:
    tally = Tally()
    reason = "hotels[0].price [bold]must[/red] be"
    tally.ended(Fate.REFUSED, 1, Reply(Outcome.REJECTED, INVALID, reason=reason))

    assert reason in as_text(report_of(tally))
    assert reason in as_text(report_of(tally), width=120)


def test_the_text_on_a_terminal_fits_its_width() -> None:
    text = as_text(report_of(some_tally()), width=72)

    assert "─" in text


def test_a_run_that_was_broken_off_says_so() -> None:
    text = as_text(report_of(some_tally(), ending=Ending.INTERRUPTED))

    assert text.endswith("The run did not come to its end: interrupted")


def test_the_json_is_one_object_in_camel_case() -> None:
    told = json.loads(as_json(report_of(some_tally())))

    assert told["ledgerRows"] == 4
    assert told["attempts"][-1]["byOutcome"] == {
        "committed": 1,
        "replayed": 1,
        "rejected": 1,
        "unanswered": 1,
    }
    assert told["reasons"] == [{"code": INVALID.value, "reason": ADULTS, "bookings": 1}]


def test_a_run_of_nothing_has_no_percentiles() -> None:
    report = report_of(Tally(), seconds=0.0)

    assert report.total.latency is None
    assert report.saves_per_second == 0
    assert "all" in as_text(report)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, (1.0, 1.0, 1.0)), (2, (1.0, 2.0, 2.0)), (100, (50.0, 95.0, 99.0))],
)
def test_percentiles_are_exact_by_the_nearest_rank(
    count: int, expected: tuple[float, float, float]
) -> None:
    latencies = array("Q", [n * 1000 for n in range(count, 0, -1)])

    assert percentiles(latencies) == expected
