"""Whatever a caller sends, reading it ends in a value, and its refusal can be answered."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ErrorCode, Refusal
from engine.payload import encode, parse_object
from engine.quotes.draft import Draft
from engine.quotes.lifecycle import Operation
from engine.quotes.pricing import Price, price_quote, totals_refusal
from engine.quotes.record import QuoteRecord, content_of, stored_draft, stored_price
from engine.quotes.shape import ITEM_NAMES, QUOTE_FIELDS, SHAPE_CODES
from engine.quotes.validation import Change, merge, read_change, read_draft
from engine.saving.answer import Refused
from engine.saving.decision import Plan, plan_change, plan_creation
from engine.saving.request import Creation, Edit, Move, read_request
from tests.properties.strategies import (
    TRIED,
    TRIED_OFTEN,
    Json,
    bodies,
    drafts,
    odd_bodies,
    some_fields,
    spoiled_bodies,
    wire_of,
)
from tests.unit.examples import (
    AGENT_ID,
    CORRELATION_ID,
    NOW,
    QUOTE_ID,
    request_of,
    through_database,
)

any_body = st.one_of(odd_bodies, spoiled_bodies())
versions = st.one_of(st.none(), st.integers(-1, 5))


def assert_answerable(refusal: Refusal) -> None:
    """A refusal is JSON on the wire, small enough to be read, and names what it is about."""
    body = Refused(refusal, CORRELATION_ID, NOW).body()
    told = json.loads(body)
    assert told["errorCode"] == refusal.code
    assert len(body) < 64_000
    assert len(refusal.message) < 600
    for each in told["details"].get("errors", []):
        assert set(each) == {"field", "message", "code"}


def record_of(draft: Draft) -> QuoteRecord | None:
    """A draft as a stored quote, None when it has no price."""
    unclaimed = msgspec.structs.replace(draft, claimed_total=None, claimed_subtotal=None)
    plan = plan_creation(
        Creation(unclaimed),
        agent_id=AGENT_ID,
        quote_id=QUOTE_ID,
        quote_number="QT-2026-000001",
        modified_by="somebody",
        now=NOW,
    )
    return through_database(plan.record) if isinstance(plan, Plan) else None


@TRIED_OFTEN
@given(any_body)
def test_reading_any_body_ends_in_a_draft_or_an_answerable_refusal(body: Json) -> None:
    read = read_draft(body)

    if isinstance(read, Refusal):
        assert read.code in {ErrorCode.QUOTE_VALIDATION_FAILED, ErrorCode.CURRENCY_INVALID}
        assert read.details["errors"]
        assert_answerable(read)
    else:
        priced = price_quote(read)
        if isinstance(priced, Price):
            priced = totals_refusal(read, priced) or priced
        if isinstance(priced, Refusal):
            assert_answerable(priced)


@TRIED
@given(any_body, drafts)
def test_reading_any_change_ends_in_a_draft_or_an_answerable_refusal(
    body: Json, stored: Draft
) -> None:
    read = read_change(body)

    if isinstance(read, Refusal):
        assert {each["code"] for each in read.details["errors"]} & SHAPE_CODES
        assert_answerable(read)
        return
    assert not {each.code for each in read.violations} & SHAPE_CODES
    merged = merge(stored, read)
    if isinstance(merged, Refusal):
        assert_answerable(merged)
    else:
        assert isinstance(price_quote(merged), Price | Refusal)


@TRIED_OFTEN
@given(
    st.sampled_from(Operation),
    any_body,
    versions,
    st.one_of(st.none(), st.text(max_size=300), st.sampled_from(["*", '"3"', 'W/"3"', '"0"'])),
    st.one_of(st.none(), st.text(max_size=20), st.sampled_from(["3", "0", "9" * 11])),
    st.one_of(st.none(), st.text(max_size=300)),
)
def test_reading_any_request_ends_in_an_intent_or_an_answerable_refusal(
    operation: Operation,
    body: Json,
    version: int | None,
    if_match: str | None,
    query_version: str | None,
    key: str | None,
) -> None:
    given_version = {} if version is None else {"version": version}
    request = request_of(
        operation,
        body | given_version,
        if_match=if_match,
        query_version=query_version,
        idempotency_key=key,
    )

    intent = read_request(request)

    if isinstance(intent, Refusal):
        assert_answerable(intent)
    else:
        assert isinstance(intent, Creation) is (operation is Operation.CREATE)
        assert isinstance(intent, Edit) is (operation is Operation.UPDATE)
        if isinstance(intent, Move):
            assert msgspec.json.encode(intent.detail)


@TRIED
@given(bodies())
def test_a_valid_body_stays_as_it_came(body: Json) -> None:
    before = copy.deepcopy(body)

    read_draft(body)
    read_change(body)

    assert repr(body) == repr(before)


@TRIED_OFTEN
@given(drafts)
def test_a_draft_goes_over_the_wire_and_comes_back_equal(draft: Draft) -> None:
    sent = encode(wire_of(draft))

    assert read_draft(parse_object(sent)) == draft


@TRIED
@given(drafts)
def test_a_draft_validated_again_is_the_same(draft: Draft) -> None:
    assert merge(draft, Change({})) == draft


@TRIED_OFTEN
@given(drafts)
def test_a_stored_quote_gives_its_draft_and_its_price_again(draft: Draft) -> None:
    record = record_of(draft)
    if record is None:
        return

    again = merge(stored_draft(record), Change({}))

    assert isinstance(again, Draft)
    assert again == msgspec.structs.replace(draft, claimed_total=None, claimed_subtotal=None)
    assert price_quote(again) == stored_price(record)


@TRIED
@given(drafts, st.sampled_from(sorted({*QUOTE_FIELDS, *ITEM_NAMES})))
def test_naming_a_field_with_what_it_holds_changes_nothing_but_the_version(
    draft: Draft, name: str
) -> None:
    record = record_of(draft)
    if record is None:
        return
    attribute = {**ITEM_NAMES, **{key: field.attribute for key, field in QUOTE_FIELDS.items()}}
    before = copy.deepcopy(record)
    value: Any = getattr(stored_draft(record), attribute[name], None)
    sent = parse_object(encode({name: value}))
    change = read_change(sent)
    assert isinstance(change, Change)

    plan = plan_change(
        Operation.UPDATE, Edit(change, record.version), record, modified_by="another", now=NOW
    )

    assert isinstance(plan, Plan)
    expected = content_of(stored_draft(record), stored_price(record))
    assert {field: getattr(plan.record, field) for field in expected} == expected
    assert plan.record.version == record.version + 1
    assert repr(record) == repr(before)


@TRIED_OFTEN
@given(drafts, st.one_of(some_fields(), spoiled_bodies()))
def test_a_change_never_touches_the_quote_that_was_read(draft: Draft, body: Json) -> None:
    record = record_of(draft)
    change = read_change(body)
    if record is None or isinstance(change, Refusal):
        return
    before = copy.deepcopy(record)

    plan_change(Operation.UPDATE, Edit(change, 1), record, modified_by="another", now=NOW)

    assert repr(record) == repr(before)


@TRIED
@given(drafts)
def test_amounts_of_a_draft_are_decimals_in_its_currencys_digits(draft: Draft) -> None:
    prices = [item["price"] for _, items in draft.items_by_kind() for item in items]

    for amount in (draft.taxes, draft.fees, draft.discount, *prices):
        assert type(amount) is Decimal
        assert (amount.as_tuple().exponent, amount.is_signed()) == (
            0 if draft.currency == "JPY" else -2,
            False,
        )
