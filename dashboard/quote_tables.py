"""The tables of a quote's page as data frames: stored text stands in cells and is only text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum
from typing import Final
from zoneinfo import ZoneInfo

import pandas as pd

from dashboard import quote_address, quote_words, wording
from dashboard.quote_address import Asked
from dashboard.quote_reads import Timeline, TimelineEntry
from engine.attempts.of_quote import Attempts
from engine.attempts.outcome import Outcome
from engine.integrity.one_quote import QuoteCheck
from engine.integrity.rules import RULES
from engine.quotes.difference import ITEM_KINDS, PLAIN_FIELDS, Difference, items_of
from engine.quotes.lifecycle import Operation
from engine.quotes.record import QuoteRecord

VERSION: Final = "Version"
BY: Final = "By"
CHANGED: Final = "What changed"
PRICE: Final = "Price"
CORRELATION_ID: Final = "Correlation id"
COMPARE: Final = "Compare"
VERDICT: Final = "Verdict"
STARTED: Final = "Started, UTC"
_WHEN: Final = "When, UTC"
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


def timeline(shown: Timeline, asked: Asked, zone: ZoneInfo | None) -> pd.DataFrame:
    """Versions, newest first, one a row.

    Args:
        shown: what is known of them.
        asked: the page's address, for the links.
        zone: the viewer's; None where that is UTC.
    """
    entries = shown.entries
    columns: dict[str, list[object]] = {
        VERSION: [each.version.version for each in entries],
        _WHEN: [_instant(each.version.modified_at) for each in entries],
        CHANGED: [each.changed for each in entries],
        "Total": [quote_words.amount(each.price.get("total"), each.currency) for each in entries],
        "Recomputed": [_recomputed(each, "total") for each in entries],
        PRICE: [[_verdict(each)] for each in entries],
        CORRELATION_ID: [quote_words.cut(each.version.correlation_id or "") for each in entries],
        COMPARE: [
            ""
            if each.before is None
            else quote_address.href(asked.compared(each.before, each.version.version))
            for each in entries
        ],
        BY: [quote_words.who(each.version.modified_by) for each in entries],
        "Operation": [each.version.operation for each in entries],
        "Attempt": [_made_by(each) for each in entries],
    }
    if zone is not None:
        columns[f"When, {zone.key}"] = [
            _instant(each.version.modified_at, zone) for each in entries
        ]
    return pd.DataFrame(columns)


def prices(shown: Timeline) -> pd.DataFrame:
    """Each component that does not follow from the items, one a row."""
    rows = [
        (
            each.version.version,
            quote_words.title(name),
            quote_words.amount(each.price.get(name), each.currency),
            _recomputed(each, name),
        )
        for each in shown.entries
        if each.disagreement is not None
        for name in quote_words.COMPONENTS
        if f"{name}_repriced" in each.disagreement
    ]
    rows += [
        (each.version.version, "all", quote_words.NOTHING, str(each.disagreement["problem"]))
        for each in shown.entries
        if each.disagreement is not None
        and not any(name.endswith("_repriced") for name in each.disagreement)
    ]
    return pd.DataFrame(rows, columns=[VERSION, "Component", "Stored", "Recomputed"])


def attempts(
    found: Attempts, stood_at: Sequence[tuple[datetime, int]], zone: ZoneInfo | None
) -> pd.DataFrame:
    """Attempts that made no version, newest first, one a row.

    Args:
        found: the attempts.
        stood_at: since when the quote has had which version, newest first, as far as that is shown.
        zone: the viewer's; None where that is UTC.
    """
    shown = found.attempts
    columns: dict[str, list[object]] = {
        STARTED: [_instant(each.started_at) for each in shown],
        "Outcome": [_name(Outcome, each.outcome).lower() for each in shown],
        "Code": [
            "" if each.error_code is None else wording.code_name(each.error_code) for each in shown
        ],
        CORRELATION_ID: [quote_words.cut(each.correlation_id) for each in shown],
        "Operation": [_name(Operation, each.operation) for each in shown],
        "From version": [each.expected_version for each in shown],
        "Quote was at": [
            each.actual_version or _version_at(each.started_at, stood_at) for each in shown
        ],
        "HTTP status": [each.http_status for each in shown],
        "Duration, ms": [
            wording.tenths(each.duration_us) if each.duration_us else None for each in shown
        ],
        "Retries": [each.retries for each in shown],
    }
    if zone is not None:
        columns[f"Started, {zone.key}"] = [_instant(each.started_at, zone) for each in shown]
    return pd.DataFrame(columns)


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
            "Looked at": [None if result is None else result.checked for _, result in known],
            "Wrong": [None if result is None else result.violations for _, result in known],
            "Not looked at": [found.remarks.get(rule.id, "") for rule, _ in known],
        }
    )


def versions_since(shown: Timeline) -> list[tuple[datetime, int]]:
    """Since when the quote has had which version, newest first."""
    return [(each.version.modified_at, each.version.version) for each in shown.entries]


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


def _instant(moment: datetime, zone: ZoneInfo | None = None) -> str:
    """In full, midnight too: a column is easier to read when all its texts are as long."""
    return f"{moment.astimezone(zone or UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def _recomputed(entry: TimelineEntry, component: str) -> str:
    if not entry.is_readable:
        return quote_words.UNREADABLE.text
    said = quote_words.recomputed(component, entry.price, entry.disagreement)
    return "not possible" if said is None else quote_words.amount(said, entry.currency)


def _verdict(entry: TimelineEntry) -> str:
    return quote_words.price_verdict(
        is_readable=entry.is_readable, disagreement=entry.disagreement
    ).text


def _made_by(entry: TimelineEntry) -> str:
    """committed, 12.3 ms: what the ledger says of the attempt that made a version."""
    if entry.version.attempt_id is None:
        return "none: found by a migration"
    if entry.attempt is None:
        return "not in the ledger any more"
    outcome = _name(Outcome, entry.attempt.outcome).lower()
    took = entry.attempt.duration_us
    return f"{outcome}, {wording.milliseconds(took)}" if took else outcome


def _name(words: type[IntEnum], number: int) -> str:
    """A number of the ledger as a word; one that a newer release wrote keeps its number."""
    try:
        return words(number).name
    except ValueError:
        return str(number)


def _version_at(moment: datetime, stood_at: Sequence[tuple[datetime, int]]) -> int | None:
    """The version that the quote had at an instant, as far as that is shown."""
    return next((version for since, version in stood_at if since <= moment), None)


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
            return f"{(after - before).total_seconds() / 86_400:+,.4g} days"
        case _:
            return ""
