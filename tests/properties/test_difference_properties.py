"""The difference of two records is a recipe: it turns the older one into the newer."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from engine.quotes.difference import ITEM_KINDS, Difference, Fate, difference, items_of
from engine.quotes.draft import Draft, Item
from engine.quotes.pricing import Price, price_quote
from engine.quotes.record import QuoteRecord, content_of
from tests.properties.strategies import TRIED, TRIED_OFTEN, drafts, items
from tests.unit.examples import stored_quote, through_database

_QUOTE = stored_quote()


def record_of(draft: Draft) -> QuoteRecord:
    """A stored quote with what a draft says; its price matters only as far as it has one."""
    price = price_quote(draft)
    kept = (
        price
        if isinstance(price, Price)
        else price_quote(msgspec.structs.replace(draft, discount=Decimal(0)))
    )
    assert isinstance(kept, Price)
    return through_database(msgspec.structs.replace(_QUOTE, **content_of(draft, kept)))


records = drafts.map(record_of)


@st.composite
def edited(draw: DrawFn) -> tuple[QuoteRecord, QuoteRecord]:
    """A record, and the same after its lists were shuffled, thinned, doubled and touched up."""
    older = draw(records)
    changes: dict[str, Any] = {"version": draw(st.integers(1, 9))}
    for kind in ITEM_KINDS[:-1]:
        found = list(items_of(older, kind)) + draw(st.lists(items(kind, "USD"), max_size=3))
        before = draw(st.permutations(found))
        after = [
            each | draw(st.sampled_from([{}, {}, {"price": 7}, {"currency": "EUR"}]))
            for each in draw(st.permutations(before))
            if draw(st.integers(0, 4))
        ]
        older = msgspec.structs.replace(older, **{kind: before})
        changes[kind] = after + draw(st.sampled_from([[], after[:1]]))
    return older, msgspec.structs.replace(older, **changes)


def applied(older: QuoteRecord, found: Difference) -> QuoteRecord:
    """The recipe carried out, as plainly as it can be."""
    values: dict[str, Any] = {each.name: each.after for each in found.fields}
    for kind in ITEM_KINDS:
        changes = [each for each in found.items if each.kind == kind]
        touched = {each.before_at for each in changes}
        for each in changes:
            if each.before_at is not None:
                assert items_of(older, kind)[each.before_at] == each.before
        untouched = iter(
            [item for at, item in enumerate(items_of(older, kind)) if at not in touched]
        )
        put = {
            each.after_at: _made(each.before, each) for each in changes if each.after_at is not None
        }
        gone = sum(each.fate is Fate.REMOVED for each in changes)
        came = sum(each.fate is Fate.ADDED for each in changes)
        length = len(items_of(older, kind)) - gone + came
        made = [put[at] if at in put else next(untouched) for at in range(length)]
        values[kind] = made if kind != "insurance" else made[0] if made else None
    return msgspec.structs.replace(older, **values)


def _made(before: Item | None, change: Any) -> Item:
    if before is None:
        return dict(change.after)
    made = dict(before)
    for each in change.fields:
        if each.after is None:
            made.pop(each.name, None)
        else:
            made[each.name] = each.after
    return made


@TRIED
@given(records, records)
def test_applied_to_the_older_of_two_unrelated_records_it_gives_the_newer(
    older: QuoteRecord, newer: QuoteRecord
) -> None:
    assert applied(older, difference(older, newer)) == newer


@TRIED_OFTEN
@given(edited())
def test_applied_to_a_record_it_gives_what_was_made_of_it(
    pair: tuple[QuoteRecord, QuoteRecord],
) -> None:
    older, newer = pair

    assert applied(older, difference(older, newer)) == newer


@TRIED
@given(records)
def test_a_record_does_not_differ_from_itself(record: QuoteRecord) -> None:
    assert difference(record, msgspec.structs.replace(record)).is_empty


@TRIED_OFTEN
@given(edited())
def test_nothing_is_named_that_did_not_change(pair: tuple[QuoteRecord, QuoteRecord]) -> None:
    found = difference(*pair)

    assert all(each.before != each.after for each in found.fields)
    for each in found.items:
        assert (each.before_at is None) == (each.before is None) == (each.fate is Fate.ADDED)
        assert (each.after_at is None) == (each.after is None) == (each.fate is Fate.REMOVED)
        assert bool(each.fields) == (each.fate in {Fate.CHANGED, Fate.MOVED_AND_CHANGED})
        assert all(field.before != field.after for field in each.fields)


@TRIED_OFTEN
@given(edited())
def test_the_way_back_names_the_same_items_with_their_fates_turned_round(
    pair: tuple[QuoteRecord, QuoteRecord],
) -> None:
    older, newer = pair

    there, back = difference(older, newer), difference(newer, older)

    assert len(there.fields) == len(back.fields)
    assert applied(newer, back) == older
    for kind in ITEM_KINDS:
        assert balance(there, kind) == -balance(back, kind)


def balance(found: Difference, kind: str) -> int:
    """How many items more there are of a kind."""
    return sum(
        {Fate.ADDED: 1, Fate.REMOVED: -1}.get(each.fate, 0)
        for each in found.items
        if each.kind == kind
    )


@TRIED
@given(records, st.data())
def test_a_list_that_was_only_reordered_has_moves_and_nothing_else(
    record: QuoteRecord, data: st.DataObject
) -> None:
    shuffled = msgspec.structs.replace(
        record,
        **{kind: data.draw(st.permutations(items_of(record, kind))) for kind in ITEM_KINDS[:-1]},
    )

    found = difference(record, shuffled)

    assert not found.fields
    assert {each.fate for each in found.items} <= {Fate.MOVED}
