"""What a quote costs: one pure function over its items, travellers and percentages.

Every component is rounded half up to the currency's minor unit and sums are sums of rounded
components, so the parts that a caller sees always add up to the total that it sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from engine.errors import ErrorCode, Refusal
from engine.quotes.draft import Draft, Item
from engine.quotes.money import TOLERANCE, round_to_minor

# The amounts that can come out negative, as callers know them.
_WIRE_NAMES = {"total": "total", "per_person": "perPerson"}
_ZERO = Decimal(0)
_HUNDRED = Decimal(100)


class MarkupRule(NamedTuple):
    """The product markup of one kind of item: a share of its base, kept within bounds."""

    percent: Decimal
    at_least: Decimal
    at_most: Decimal | None


class PricingPolicy(NamedTuple):
    """A named set of markup rules; its id is stored on every quote that it priced."""

    id: str
    markups: Mapping[str, MarkupRule]


STANDARD_2026 = PricingPolicy(
    "standard-2026",
    MappingProxyType(
        {
            "flights": MarkupRule(Decimal(7), Decimal(22), Decimal(200)),
            "transfers": MarkupRule(Decimal(35), Decimal(35), None),
        }
    ),
)
POLICIES: Mapping[str, PricingPolicy] = MappingProxyType({STANDARD_2026.id: STANDARD_2026})


class Price(NamedTuple):
    """The components of a quote's price, each in the currency's minor digits."""

    base_price: Decimal
    product_markup: Decimal
    subtotal: Decimal
    agent_markup: Decimal
    taxes: Decimal
    fees: Decimal
    discount: Decimal
    total: Decimal
    per_person: Decimal
    pricing_policy: str


def price_quote(draft: Draft, policy: PricingPolicy = STANDARD_2026) -> Price | Refusal:
    """Prices a valid draft.

    Args:
        draft: what the caller wants, validated.
        policy: the markup rules.

    Returns:
        The price, or PRICING_VALIDATION_FAILED when a component or the total is negative.
    """
    currency = draft.currency
    travelers = draft.adults + draft.children + draft.infants
    base = markup = round_to_minor(_ZERO, currency)
    for kind, items in draft.items_by_kind():
        rule = policy.markups.get(kind)
        for item in items:
            item_base = round_to_minor(_item_base(item, travelers), currency)
            base += item_base
            if rule is not None and item_base:
                markup += round_to_minor(_item_markup(item_base, rule), currency)
    subtotal = base + markup
    agent_markup = round_to_minor(base * draft.agent_markup_percent / _HUNDRED, currency)
    taxes = round_to_minor(draft.taxes, currency)
    fees = round_to_minor(draft.fees, currency)
    discount = round_to_minor(draft.discount, currency)
    total = subtotal + agent_markup + taxes + fees - discount
    price = Price(
        base, markup, subtotal, agent_markup, taxes, fees, discount, total,
        round_to_minor(total / travelers, currency), policy.id,
    )  # fmt: skip
    return _broken_invariant(price) or price


def totals_refusal(draft: Draft, price: Price) -> Refusal | None:
    """ITEMS_INCONSISTENT when a total that the caller sent is not ours, else None."""
    for name, claimed, ours in (
        ("total", draft.claimed_total, price.total),
        ("subtotal", draft.claimed_subtotal, price.subtotal),
    ):
        if claimed is not None and abs(claimed - ours) > TOLERANCE:
            return Refusal(
                ErrorCode.ITEMS_INCONSISTENT,
                f"The {name} sent does not follow from the items; recompute and send again.",
                {"field": name, "expectedTotal": claimed, "calculatedTotal": ours},
            )
    return None


def _item_base(item: Item, travelers: int) -> Decimal:
    price: Decimal = item["price"]
    match item["priceType"]:
        case "per_person":
            return price * (item.get("priceAppliesTo") or travelers)
        case "per_night":
            nights: int = item["nights"]
            return price * nights
        case _:
            return price


def _item_markup(base: Decimal, rule: MarkupRule) -> Decimal:
    markup = max(base * rule.percent / _HUNDRED, rule.at_least)
    return markup if rule.at_most is None else min(markup, rule.at_most)


def _broken_invariant(price: Price) -> Refusal | None:
    negative = [
        name for name, amount in price._asdict().items()
        if isinstance(amount, Decimal) and amount < 0
    ]  # fmt: skip
    if not negative:
        return None
    return Refusal(
        ErrorCode.PRICING_VALIDATION_FAILED,
        "The quote would have a negative amount; lower the discount or fix the items.",
        {"negative": [_WIRE_NAMES[name] for name in negative], "calculatedTotal": price.total},
    )
