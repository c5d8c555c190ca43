"""The tables of a quote's page as data frames: stored text stands in cells and is only text."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import pandas as pd

from dashboard import quote_words, wording
from engine.integrity.one_quote import QuoteCheck
from engine.integrity.rules import RULES
from engine.quotes.difference import ITEM_KINDS, PLAIN_FIELDS, Difference, items_of
from engine.quotes.record import QuoteRecord

VERDICT: Final = "Verdict"
LOOKED_AT: Final = "Looked at"
WRONG: Final = "Wrong"
_UNITS: Final = (
    (timedelta(days=1), "day"),
    (timedelta(hours=1), "hour"),
    (timedelta(minutes=1), "minute"),
    (timedelta(seconds=1), "second"),
)
_FACTS: Final = (
    "quote_number",
    "id",
    "agent_id",
    "client_id",
    "trip_name",
    "destination",
    "start_date",
    "end_date",
    "duration_days",
    "adults",
    "children",
    "infants",
    "travelers",
    "currency",
    *quote_words.COMPONENTS,
    "agent_markup_percent",
    "pricing_policy",
    "created_at",
    "sent_at",
    "accepted_at",
    "rejected_at",
    "expires_at",
    "deleted_at",
    "last_modified_at",
)


def facts(quote: QuoteRecord) -> pd.DataFrame:
    """The quote as it stands, a fact a row."""
    rows = [(quote_words.title(name), _said(quote, name)) for name in _FACTS]
    rows += [(quote_words.title(kind), _count(items_of(quote, kind))) for kind in ITEM_KINDS]
    rows.append(("Last modified by", quote_words.who(quote.last_modified_by)))
    return pd.DataFrame(rows, columns=["Fact", "Value"])


def fields(
    older: QuoteRecord, newer: QuoteRecord, found: Difference, *, is_all_shown: bool
) -> pd.DataFrame:
    """What differs in the fields that are no items, one a row; with the others if asked for."""
    by_name = {each.name: each for each in found.fields}
    names = [
        name
        for name in PLAIN_FIELDS
        if name not in quote_words.BOOKKEEPING and (is_all_shown or name in by_name)
    ]
    return pd.DataFrame(
        {
            "Field": [quote_words.title(name) for name in names],
            "Older": [_said(older, name) for name in names],
            "Newer": [_said(newer, name) for name in names],
            "Difference": [
                ""
                if name not in by_name
                else _difference(by_name[name].before, by_name[name].after)
                for name in names
            ],
        }
    )


def items(older: QuoteRecord, found: Difference, *, is_all_shown: bool) -> pd.DataFrame:
    """What became of items: a row for each, or one for each field that it says otherwise."""
    rows: list[tuple[str, str, str, str, str, str, str]] = []
    for kind in ITEM_KINDS:
        changes = [each for each in found.items if each.kind == kind]
        for each in changes:
            name = quote_words.item_name(each.after or each.before, kind)
            head = (quote_words.title(kind), name, quote_words.place(each), each.fate.value)
            if each.fields:
                rows += [
                    (
                        *head,
                        quote_words.title(field.name),
                        quote_words.value(field.name, field.before),
                        quote_words.value(field.name, field.after),
                    )
                    for field in each.fields
                ]
            else:
                whole = [
                    "" if item is None else quote_words.value("", item)
                    for item in (each.before, each.after)
                ]
                rows.append((*head, "whole item", whole[0], whole[1]))
        if is_all_shown:
            rows += _untouched(older, kind, {each.before_at for each in changes})
    return pd.DataFrame(
        rows, columns=["List", "Item", "Place", "What became of it", "Field", "Older", "Newer"]
    )


def rules(found: QuoteCheck) -> pd.DataFrame:
    """The integrity rules with their verdicts, one a row."""
    results = {result.rule.id: result for result in found.results}
    known = [(rule, results.get(id_)) for id_, rule in RULES.items()]
    return pd.DataFrame(
        {
            "Rule": [rule.id for rule, _ in known],
            VERDICT: [[quote_words.rule_verdict(result).text] for _, result in known],
            "What holds": [rule.statement for rule, _ in known],
            LOOKED_AT: ["" if result is None else f"{result.checked:,}" for _, result in known],
            WRONG: ["" if result is None else f"{result.violations:,}" for _, result in known],
            "Not looked at": [found.remarks.get(rule.id, "") for rule, _ in known],
        }
    )


def _untouched(
    older: QuoteRecord, kind: str, touched: set[int | None]
) -> list[tuple[str, str, str, str, str, str, str]]:
    """Items that say the same in both; where they stand in the older one."""
    return [
        (
            quote_words.title(kind),
            quote_words.item_name(item, kind),
            str(at + 1),
            "unchanged",
            "whole item",
            quote_words.value("", item),
            quote_words.value("", item),
        )
        for at, item in enumerate(items_of(older, kind))
        if at not in touched
    ]


def _said(quote: QuoteRecord, name: str) -> str:
    said = getattr(quote, name)
    if name in quote_words.COMPONENTS:
        return quote_words.amount(said, quote.currency)
    return quote_words.value(name, said)


def _count(items: object) -> str:
    """How many items; what is stored may be no list, which is a fault that the rules tell of."""
    return wording.count(len(items)) if isinstance(items, list) else quote_words.UNREADABLE.text


def _difference(before: object, after: object) -> str:
    """+35.00, -1, 2 days later; only of what can be counted."""
    match before, after:
        case bool(), bool():
            return ""
        case (Decimal() | int(), Decimal() | int()):
            return (
                f"{after - before:+,f}"
                if isinstance(after - before, Decimal)
                else (f"{after - before:+,d}")
            )
        case datetime(), datetime():
            return _later(after - before)
        case _:
            return ""


def _later(span: timedelta) -> str:
    """2 days later, 1.5 hours earlier, 150 ms later: in the largest unit that it fills."""
    length = abs(span)
    direction = "later" if span > timedelta() else "earlier"
    for unit, name in _UNITS:
        if length >= unit:
            number = f"{length / unit:,.1f}".removesuffix(".0")
            return f"{number} {name}{'' if number == '1' else 's'} {direction}"
    return f"{length / timedelta(milliseconds=1):,.0f} ms {direction}"
