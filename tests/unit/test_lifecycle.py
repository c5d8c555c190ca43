"""What may be done with a quote in each status: the whole matrix, the picture and the plan."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

import pytest

from engine.errors import TAXONOMY, ErrorCode
from engine.quotes import lifecycle
from engine.quotes.lifecycle import TRANSITIONS, Operation, Status, refusal_code, state_refusal
from engine.saving.decision import plan_change
from engine.saving.request import Edit, Move
from tests.unit.examples import NOW, change_of, planned, refused, stored_quote

D, S, A, R, E, C = Status
INVALID, SENT_ALREADY, NOT_FOUND = (
    ErrorCode.QUOTE_STATE_INVALID,
    ErrorCode.QUOTE_ALREADY_SENT,
    ErrorCode.QUOTE_NOT_FOUND,
)
# operation → what becomes of a quote that is DRAFT, SENT, ACCEPTED, REJECTED, EXPIRED, CANCELLED
MATRIX: Final[dict[Operation, list[Status | ErrorCode]]] = {
    Operation.CREATE: [INVALID, INVALID, INVALID, INVALID, INVALID, NOT_FOUND],
    Operation.UPDATE: [D, SENT_ALREADY, INVALID, R, INVALID, NOT_FOUND],
    Operation.DELETE: [C, SENT_ALREADY, INVALID, C, INVALID, NOT_FOUND],
    Operation.SEND: [S, SENT_ALREADY, INVALID, INVALID, INVALID, NOT_FOUND],
    Operation.ACCEPT: [INVALID, A, INVALID, INVALID, INVALID, NOT_FOUND],
    Operation.REJECT: [INVALID, R, INVALID, INVALID, INVALID, NOT_FOUND],
    Operation.EXPIRE: [INVALID, E, INVALID, INVALID, INVALID, NOT_FOUND],
}
CASES = [
    pytest.param(operation, status, expected, id=f"{operation.name}-{status}")
    for operation, row in MATRIX.items()
    for status, expected in zip(Status, row, strict=True)
]
CHANGES = [case for case in CASES if "CREATE" not in str(case.id)]
LATER = NOW + timedelta(hours=1)


def test_the_matrix_knows_every_operation() -> None:
    assert list(MATRIX) == list(Operation)


@pytest.mark.parametrize(("operation", "before", "expected"), CASES)
def test_an_operation_leads_on_or_is_refused_with_its_code(
    operation: Operation, before: Status, expected: Status | ErrorCode
) -> None:
    outcome = refusal_code(operation, before) or TRANSITIONS[operation][before]

    assert outcome is expected


@pytest.mark.parametrize(("operation", "before", "expected"), CASES)
def test_a_refusal_names_the_status_and_those_that_would_do(
    operation: Operation, before: Status, expected: Status | ErrorCode
) -> None:
    refusal = state_refusal(operation, before)

    if isinstance(expected, Status):
        assert refusal is None
        return
    assert refused(refusal).code is expected
    assert refused(refusal).http_status == TAXONOMY[expected].http_status
    if expected is not NOT_FOUND:
        assert refused(refusal).details == {
            "currentStatus": before.value,
            "allowedStatuses": [status.value for status in TRANSITIONS[operation]],
        }


@pytest.mark.parametrize("operation", Operation)
def test_a_cancelled_quote_reads_like_one_that_never_was(operation: Operation) -> None:
    cancelled, absent = state_refusal(operation, Status.CANCELLED), lifecycle.quote_not_found()

    assert cancelled == absent
    assert absent.details == {}


@pytest.mark.parametrize(("operation", "before", "expected"), CHANGES)
def test_a_plan_follows_the_matrix(
    operation: Operation, before: Status, expected: Status | ErrorCode
) -> None:
    current = stored_quote(before, version=3)
    intent = Edit(change_of(), 3) if operation is Operation.UPDATE else Move(3, None)

    result = plan_change(operation, intent, current, modified_by="another", now=LATER)

    if isinstance(expected, Status):
        assert planned(result).record.status == expected.value
        assert planned(result).record.version == 4
    else:
        assert refused(result).code is expected


@pytest.mark.parametrize(("operation", "before", "expected"), CHANGES)
def test_the_status_is_judged_before_the_version(
    operation: Operation, before: Status, expected: Status | ErrorCode
) -> None:
    current = stored_quote(before, version=3)
    intent = Edit(change_of(), 2) if operation is Operation.UPDATE else Move(2, None)

    result = plan_change(operation, intent, current, modified_by="another", now=LATER)

    code = ErrorCode.QUOTE_CONFLICT_VERSION if isinstance(expected, Status) else expected
    assert refused(result).code is code


def test_the_version_is_judged_before_the_bounds() -> None:
    current = stored_quote(version=3)

    stale = plan_change(
        Operation.UPDATE, Edit(change_of(adults=0), 2), current, modified_by="another", now=LATER
    )

    assert refused(stale).code is ErrorCode.QUOTE_CONFLICT_VERSION
    assert refused(stale).details == {
        "quoteId": str(current.id),
        "expectedVersion": 2,
        "actualVersion": 3,
        "lastModifiedBy": "somebody",
        "lastModifiedAt": NOW,
    }


def test_a_quote_that_is_not_there_is_not_found() -> None:
    result = plan_change(Operation.DELETE, Move(1, None), None, modified_by="x", now=NOW)

    assert result == lifecycle.quote_not_found()


@pytest.mark.parametrize(
    ("operation", "before", "mark"),
    [
        (Operation.SEND, Status.DRAFT, "sent_at"),
        (Operation.ACCEPT, Status.SENT, "accepted_at"),
        (Operation.REJECT, Status.SENT, "rejected_at"),
        (Operation.DELETE, Status.DRAFT, "deleted_at"),
        (Operation.DELETE, Status.REJECTED, "deleted_at"),
    ],
)
def test_a_move_leaves_its_instant_on_the_quote(
    operation: Operation, before: Status, mark: str
) -> None:
    current = stored_quote(before)

    plan = planned(plan_change(operation, Move(None, None), current, modified_by="x", now=LATER))

    assert getattr(plan.record, mark) == LATER
    assert {"status", mark} <= set(plan.changed_fields)
    assert plan.expected_version == current.version


def test_an_offer_lasts_from_when_it_was_sent() -> None:
    current = stored_quote(expiresInDays=3)

    plan = planned(
        plan_change(Operation.SEND, Move(None, None), current, modified_by="x", now=LATER)
    )

    assert plan.record.expires_at == LATER + timedelta(days=3)


def test_a_move_records_its_detail_and_leaves_the_price_alone() -> None:
    current, detail = stored_quote(fees=9), {"channel": "link"}

    plan = planned(
        plan_change(Operation.SEND, Move(1, detail), current, modified_by="x", now=LATER)
    )

    assert plan.detail == detail
    assert plan.record.total == current.total


# The picture.


class Picture:
    """A picture of words and arrows, read off its characters."""

    def __init__(self, drawn: str) -> None:
        self.rows = drawn.splitlines()

    def edges(self) -> set[tuple[str, str]]:
        """Every arrow from word to word, followed backwards from its head."""
        found = set()
        for row, line in enumerate(self.rows):
            for head in re.finditer("▼", line):
                source = self.source(row, head.start(), (-1, 0))
                found.add((source, self.word(row + 1, head.start())))
            for head in re.finditer(r"▶ +(?=\w)", line):
                source = self.source(row, head.start(), (0, -1))
                found.add((source, self.word(row, head.end())))
        return found

    def source(self, row: int, column: int, step: tuple[int, int]) -> str:
        """The word that a line comes from."""
        # A bow over a word is followed to its left, and down into the word.
        turns = {"┐": (0, -1), "┌": (1, 0)}
        while True:
            row, column = row + step[0], column + step[1]
            sign = self.rows[row][column]
            if sign.isalpha():
                return self.word(row, column)
            assert sign in "│─┌┐" or (sign == " " and step == (0, -1)), "the line is broken"
            step = turns.get(sign, step)

    def word(self, row: int, column: int) -> str:
        """The word that stands at a place."""
        (found,) = (
            word[0]
            for word in re.finditer(r"\w+", self.rows[row])
            if word.start() <= column < word.end()
        )
        return found


def drawn_states() -> str:
    return (lifecycle.__doc__ or "").split("\n\n")[1]


def test_the_picture_shows_the_transitions_and_no_others() -> None:
    edges = Picture(drawn_states()).edges()

    assert edges == {("create", "DRAFT")} | {
        (before.value, after.value)
        for moves in TRANSITIONS.values()
        for before, after in moves.items()
    }


def test_the_picture_names_the_operations_that_need_a_name() -> None:
    words = set(re.findall(r"[a-z]+", drawn_states()))

    # Accept and reject stand on arrows whose ends say the same.
    assert words == {operation.name.lower() for operation in Operation} - {"accept", "reject"}


def test_the_arrows_of_a_picture_are_read_as_they_are_drawn() -> None:
    drawn = "DRAFT ──▶ SENT\n  │         │\n  ▼         ▼\nCANCELLED  EXPIRED"

    assert Picture(drawn).edges() == {
        ("DRAFT", "SENT"),
        ("DRAFT", "CANCELLED"),
        ("SENT", "EXPIRED"),
    }
