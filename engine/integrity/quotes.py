"""The rules that a quote shows by itself: DI-1, 3, 4, 5, 7, 8, 9 and 12, in one scan.

Most stand as constraints on the table, too. They are looked at all the same: a constraint that was
dropped, or never validated, says nothing about the rows.
"""

from __future__ import annotations

from typing import Final

from engine.integrity.relations import Judgment, Relation
from engine.integrity.rules import RULES

_VERSION: Final = Judgment(
    RULES["DI-1"],
    "the version is below 1",
    "version >= 1",
    "agent_id, id AS quote_id, version",
)

_DELETION: Final = Judgment(
    RULES["DI-3"],
    "cancelled and not deleted, or deleted and not cancelled",
    "(status = 'CANCELLED') = (deleted_at IS NOT NULL)",
    "agent_id, id AS quote_id, status, deleted_at",
)

# Whoever it was is an account's id or system:…; an empty text names nobody.
_MODIFIER: Final = Judgment(
    RULES["DI-4"],
    "it does not say who changed it last, or when",
    """
    last_modified_by <> ''
    AND last_modified_at IS NOT NULL
    """,
    """
    agent_id, id AS quote_id, version, last_modified_by <> '' AS has_modifier, last_modified_at
    """,
)

# Exactly: every part is rounded before it is added.
_TOTAL: Final = Judgment(
    RULES["DI-5"],
    "the parts of the price do not add up",
    """
    subtotal = base_price + product_markup
    AND total = subtotal + agent_markup + taxes + fees - discount
    """,
    """
    agent_id, id AS quote_id, version, base_price, product_markup, subtotal, agent_markup, taxes,
    fees, discount, total
    """,
)

_TRAVELERS: Final = Judgment(
    RULES["DI-7"],
    "the travellers do not add up, or are too few or too many",
    """
    adults >= 1
    AND children >= 0
    AND infants >= 0
    AND travelers = adults + children + infants
    AND travelers <= %(travelers_max)s
    """,
    "agent_id, id AS quote_id, version, adults, children, infants, travelers",
)

# A day that was begun counts whole. The table's constraint knows nothing of the duration.
_DATES: Final = Judgment(
    RULES["DI-8"],
    "the trip's dates and its duration do not fit together",
    """
    end_date > start_date
    AND duration_days <= %(trip_days_max)s
    AND duration_days
        = ceil((extract(epoch FROM end_date) - extract(epoch FROM start_date)) / 86400)
    """,
    "agent_id, id AS quote_id, version, start_date, end_date, duration_days",
)

# For PostgreSQL NaN is greater than every number, so that a mere >= 0 lets it through.
_AMOUNTS: Final = Judgment(
    RULES["DI-9"],
    "the currency, the markup or an amount is out of bounds",
    """
    currency = ANY (%(currencies)s)
    AND agent_markup_percent BETWEEN 0 AND 100
    AND least(
        base_price, product_markup, subtotal, agent_markup, taxes, fees, discount, total, per_person
    ) >= 0
    AND greatest(
        base_price, product_markup, subtotal, agent_markup, taxes, fees, discount, total, per_person
    ) < 'Infinity'
    """,
    """
    agent_id, id AS quote_id, version, currency, agent_markup_percent, base_price, product_markup,
    subtotal, agent_markup, taxes, fees, discount, total, per_person
    """,
)

# All items in one value, so that one path finds those that are wrong. What is no list, or has no
# price, is not for this rule: it cannot be priced, which is DI-6.
_ITEMS: Final = """
    jsonb_build_array(
        flights, hotels, activities, transfers, car_rentals, custom_items, insurance
    )
"""
_WRONG_ITEMS: Final = "$[*][*] ? (@.price < 0 || @.currency != $currency)"
_OF_THE_QUOTE: Final = "jsonb_build_object('currency', currency), true"

_ITEM_AMOUNTS: Final = Judgment(
    RULES["DI-9"],
    "an item's price is negative, or its currency is not the quote's",
    f"NOT jsonb_path_exists({_ITEMS}, '{_WRONG_ITEMS}', {_OF_THE_QUOTE})",
    # As texts: a number of JSON would lose its digits on the way.
    f"""
    agent_id, id AS quote_id, version, currency,
    jsonb_path_query_array({_ITEMS}, '{_WRONG_ITEMS}.price', {_OF_THE_QUOTE})::text
        AS item_prices,
    jsonb_path_query_array({_ITEMS}, '{_WRONG_ITEMS}.currency', {_OF_THE_QUOTE})::text
        AS item_currencies
    """,
)

# A status that is not in this list is in no order, and so breaks the rule.
_INSTANTS: Final = Judgment(
    RULES["DI-12"],
    "it does not say since when it has its status",
    """
    CASE status
        WHEN 'DRAFT' THEN true
        WHEN 'CANCELLED' THEN true
        WHEN 'SENT' THEN sent_at IS NOT NULL
        WHEN 'EXPIRED' THEN sent_at IS NOT NULL
        WHEN 'ACCEPTED' THEN sent_at IS NOT NULL AND accepted_at IS NOT NULL
        WHEN 'REJECTED' THEN sent_at IS NOT NULL AND rejected_at IS NOT NULL
    END
    """,
    "agent_id, id AS quote_id, version, status, sent_at, accepted_at, rejected_at",
)

QUOTES: Final = Relation(
    "quote",
    (
        _VERSION,
        _DELETION,
        _MODIFIER,
        _TOTAL,
        _TRAVELERS,
        _DATES,
        _AMOUNTS,
        _ITEM_AMOUNTS,
        _INSTANTS,
    ),
    workers=1,
)
