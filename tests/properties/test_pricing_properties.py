"""What holds for the price of every quote."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from engine.errors import ErrorCode, Refusal
from engine.quotes.draft import ITEM_LISTS, Draft, Item
from engine.quotes.money import MINOR_DIGITS, fits_minor
from engine.quotes.pricing import POLICIES, Price, price_quote
from engine.saving.answer import Refused
from tests.properties.strategies import TRIED, TRIED_OFTEN, amounts, drafts
from tests.unit.examples import CORRELATION_ID, NOW


def travelers_of(draft: Draft) -> int:
    return draft.adults + draft.children + draft.infants


def minor(currency: str) -> Decimal:
    return Decimal(1).scaleb(-MINOR_DIGITS[currency])


def components(price: Price) -> dict[str, Decimal]:
    return {name: part for name, part in price._asdict().items() if isinstance(part, Decimal)}


class Model:
    """The pricing rules once more, in fractions and minor units, without a Decimal context."""

    def __init__(self, draft: Draft) -> None:
        self.scale: int = 10 ** MINOR_DIGITS[draft.currency]
        self.travelers = travelers_of(draft)
        base = markup = 0
        for kind, items in draft.items_by_kind():
            for item in items:
                one = self.rounded(self.base_of(item))
                base += one
                markup += self.rounded(self.markup_of(kind, Fraction(one, self.scale)))
        agent = self.rounded(
            Fraction(base, self.scale) * Fraction(draft.agent_markup_percent) / 100
        )
        extra = [
            self.rounded(Fraction(each)) for each in (draft.taxes, draft.fees, -draft.discount)
        ]
        total = base + markup + agent + sum(extra)
        self.parts = (base, markup, base + markup, agent, total)
        self.per_person = self.rounded(Fraction(total, self.scale) / self.travelers)

    def rounded(self, amount: Fraction) -> int:
        """Half up, for amounts that are not negative."""
        return math.floor(amount * self.scale + Fraction(1, 2))

    def base_of(self, item: Item) -> Fraction:
        price = Fraction(item["price"])
        if item["priceType"] == "per_person":
            return price * (item.get("priceAppliesTo") or self.travelers)
        return price * item["nights"] if item["priceType"] == "per_night" else price

    @staticmethod
    def markup_of(kind: str, base: Fraction) -> Fraction:
        if base == 0 or kind not in {"flights", "transfers"}:
            return Fraction(0)
        if kind == "flights":
            return min(max(base * 7 / 100, Fraction(22)), Fraction(200))
        return max(base * 35 / 100, Fraction(35))


@TRIED_OFTEN
@given(drafts)
def test_a_price_is_that_of_the_model_or_refused_for_a_negative_total(draft: Draft) -> None:
    model = Model(draft)

    price = price_quote(draft)

    if isinstance(price, Refusal):
        assert model.parts[-1] < 0
        assert price.code is ErrorCode.PRICING_VALIDATION_FAILED
        assert Refused(price, CORRELATION_ID, NOW).body()
        return
    named = (
        price.base_price,
        price.product_markup,
        price.subtotal,
        price.agent_markup,
        price.total,
    )
    assert [part * model.scale for part in named] == list(model.parts)
    assert price.per_person * model.scale == model.per_person


@TRIED
@given(drafts)
def test_the_parts_add_up_have_the_currencys_digits_and_are_not_negative(draft: Draft) -> None:
    price = price_quote(draft)
    assume(isinstance(price, Price))
    assert isinstance(price, Price)

    assert price.subtotal == price.base_price + price.product_markup
    assert price.total == (
        price.subtotal + price.agent_markup + price.taxes + price.fees - price.discount
    )
    for name, part in components(price).items():
        assert part >= 0, name
        assert not part.is_signed(), name
        assert fits_minor(part, draft.currency), name
        assert -part.as_tuple().exponent == MINOR_DIGITS[draft.currency], name  # type: ignore[operator]
    assert price.pricing_policy in POLICIES


@TRIED
@given(drafts)
def test_the_shares_of_all_travellers_make_the_total_within_rounding(draft: Draft) -> None:
    price = price_quote(draft)
    assume(isinstance(price, Price))
    assert isinstance(price, Price)

    off = abs(price.per_person * travelers_of(draft) - price.total)

    assert off <= travelers_of(draft) * minor(draft.currency) / 2


@TRIED
@given(drafts, st.data())
def test_the_order_of_items_does_not_matter(draft: Draft, data: DataObject) -> None:
    shuffled = {kind: data.draw(st.permutations(getattr(draft, kind))) for kind in ITEM_LISTS}

    assert price_quote(msgspec.structs.replace(draft, **shuffled)) == price_quote(draft)


@TRIED
@given(drafts, st.data())
def test_a_dearer_item_never_makes_a_quote_cheaper(draft: Draft, data: DataObject) -> None:
    draft = msgspec.structs.replace(draft, discount=Decimal(0))
    places = [(kind, place) for kind, items in draft.items_by_kind() for place in range(len(items))]
    assume(places)
    kind, place = data.draw(st.sampled_from(places))
    more = data.draw(amounts(draft.currency))
    assume(more)
    before = price_quote(draft)

    dearer = list(dict(draft.items_by_kind())[kind])
    dearer[place] = dearer[place] | {"price": dearer[place]["price"] + more}
    changed: dict[str, Any] = {kind: dearer[0] if kind == "insurance" else dearer}
    after = price_quote(msgspec.structs.replace(draft, **changed))

    assert isinstance(before, Price)
    assert isinstance(after, Price)
    assert after.base_price >= before.base_price
    assert after.product_markup >= before.product_markup
    assert after.total >= before.total


@TRIED
@given(drafts)
def test_every_flight_and_transfer_is_marked_up_within_its_bounds(draft: Draft) -> None:
    for kind, least, most in (("flights", 22, 200), ("transfers", 35, None)):
        for item in getattr(draft, kind):
            alone: dict[str, Any] = {each: [] for each in ITEM_LISTS} | {kind: [item]}
            alone |= {"insurance": None, "discount": Decimal(0)}
            price = price_quote(msgspec.structs.replace(draft, **alone))
            assert isinstance(price, Price)

            if price.base_price == 0:
                assert price.product_markup == 0
            else:
                assert price.product_markup >= least
                assert most is None or price.product_markup <= most


@TRIED
@given(drafts)
def test_pricing_leaves_the_draft_as_it_was(draft: Draft) -> None:
    before = msgspec.json.encode(draft)

    price_quote(draft)

    assert msgspec.json.encode(draft) == before
