"""What a caller is told, letter by letter on the wire."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from engine.errors import TAXONOMY, ErrorCode
from engine.payload import parse_object
from engine.quotes.lifecycle import TRANSITIONS, Operation, Status
from engine.quotes.record import QuoteRecord
from engine.saving.answer import Replayed, Saved
from engine.saving.refusals import from_verdict
from engine.saving.write import Verdict
from tests.support import quote_body
from tests.unit.examples import AGENT_ID, CORRELATION_ID, NOW, QUOTE_ID, item, stored_quote

WIRE_NAMES = (
    "agentId id quoteNumber clientId tripName destination startDate endDate durationDays adults"
    " children infants travelers flights hotels activities transfers carRentals customItems"
    " insurance currency basePrice productMarkup subtotal agentMarkup agentMarkupPercent taxes fees"
    " discount total perPerson pricingPolicy showCommissionToClient commissionLabel inclusions"
    " exclusions importantInfo customNotes agentNotes expiresInDays status createdAt sentAt"
    " acceptedAt rejectedAt expiresAt deletedAt version lastModifiedBy lastModifiedAt"
)


def saved(operation: Operation, record: QuoteRecord) -> Saved:
    return Saved(operation, record, CORRELATION_ID, 200)


def test_a_saved_answer_has_the_members_of_the_contract() -> None:
    answer = json.loads(saved(Operation.UPDATE, stored_quote(version=4)).body())

    quote = answer.pop("quote")
    assert answer == {
        "success": True,
        "quoteId": str(QUOTE_ID),
        "version": 4,
        "savedAt": "2026-01-31T12:00:00Z",
        "correlationId": CORRELATION_ID,
    }
    assert quote["id"] == answer["quoteId"]


def test_a_quote_on_the_wire_has_its_fields_in_camel_case() -> None:
    quote = json.loads(saved(Operation.CREATE, stored_quote()).body())["quote"]

    assert " ".join(quote) == WIRE_NAMES
    assert (quote["agentId"], quote["status"]) == (str(AGENT_ID), "DRAFT")
    assert quote["startDate"] == "2026-06-01T00:00:00Z"


def test_amounts_are_numbers_with_the_digits_of_their_currency() -> None:
    dollars = saved(Operation.CREATE, stored_quote(**quote_body())).body()
    yen = saved(
        Operation.CREATE,
        stored_quote(currency="JPY", customItems=[item("customItems", price=500)]),
    ).body()

    assert b'"total":2443.50,"perPerson":1221.75' in dollars
    assert b'"taxes":120.50,"fees":35.00,"discount":50.00' in dollars
    assert b'"price":450.00' in dollars
    assert b'"total":575,"perPerson":288' in yen
    assert parse_object(dollars)["quote"]["total"] == Decimal("2443.50")


def test_a_deleted_answer_says_which_quote_and_no_more() -> None:
    answer = saved(Operation.DELETE, stored_quote(Status.CANCELLED, version=2))

    assert json.loads(answer.body()) == {
        "success": True,
        "quoteId": str(QUOTE_ID),
        "version": 2,
        "correlationId": CORRELATION_ID,
    }
    assert (answer.quote_id, answer.version) == (QUOTE_ID, 2)


def test_a_replayed_answer_is_the_first_one_byte_for_byte() -> None:
    first = saved(Operation.CREATE, stored_quote()).body()

    assert Replayed(QUOTE_ID, 1, "REQ-another1", 201, first).body() == first


@pytest.mark.parametrize("operation", [each for each in Operation if each is not Operation.CREATE])
@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize(
    "code",
    [
        ErrorCode.QUOTE_NOT_FOUND,
        ErrorCode.CLIENT_NOT_FOUND,
        ErrorCode.QUOTE_CONFLICT_VERSION,
        ErrorCode.INTERNAL_ERROR,
    ],
)
def test_a_verdict_of_the_write_keeps_its_code(
    operation: Operation, status: Status, code: ErrorCode
) -> None:
    verdict = Verdict(TAXONOMY[code].number, status.value, 5, "another", NOW)

    refusal = from_verdict(operation, verdict, QUOTE_ID, 4)

    assert refusal.code is code


@pytest.mark.parametrize("operation", [each for each in Operation if each is not Operation.CREATE])
@pytest.mark.parametrize("status", [each for each in Status if each is not Status.CANCELLED])
def test_a_verdict_on_the_status_names_the_status_that_stands(
    operation: Operation, status: Status
) -> None:
    verdict = Verdict(
        TAXONOMY[ErrorCode.QUOTE_STATE_INVALID].number, status.value, 5, "another", NOW
    )

    refusal = from_verdict(operation, verdict, QUOTE_ID, 4)

    if status in TRANSITIONS[operation]:
        assert refusal.code is ErrorCode.INTERNAL_ERROR, "the write may not refuse what is allowed"
    else:
        assert refusal.details["currentStatus"] == status.value


def test_a_verdict_of_conflict_says_what_stands_and_whose_it_is() -> None:
    number = TAXONOMY[ErrorCode.QUOTE_CONFLICT_VERSION].number

    refusal = from_verdict(
        Operation.UPDATE, Verdict(number, "DRAFT", 5, "another", NOW), QUOTE_ID, 4
    )

    assert refusal.details == {
        "quoteId": str(QUOTE_ID),
        "expectedVersion": 4,
        "actualVersion": 5,
        "lastModifiedBy": "another",
        "lastModifiedAt": NOW,
    }
