"""A quote, its versions and what differs between them, in words.

Pure functions. What they return may hold stored text and is for `st.text` and tables only. Neither
notes nor e-mail addresses are in it: whoever looks for a fault does not need to read them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from dashboard.wording import Words, counted, inside
from engine.integrity.rules import RuleResult
from engine.quotes.difference import (
    CALLED_BY,
    ITEM_KINDS,
    Difference,
    Fate,
    ItemChange,
    difference,
    items_of,
)
from engine.quotes.draft import Item
from engine.quotes.pricing import Price
from engine.quotes.record import QuoteRecord
from engine.quotes.shape import parse_uuid
from engine.quotes.versions import Version

NOTHING: Final = "none"
# They change with every version, and stand above what is compared.
BOOKKEEPING: Final = frozenset({"version", "last_modified_by", "last_modified_at"})
# Prose that is written for or about the client.
NOTES: Final = frozenset({"important_info", "custom_notes", "agent_notes"})
COMPONENTS: Final = Price._fields[:-1]

HOLDS: Final = Words("holds", "green")
BROKEN: Final = Words("BROKEN", "red")
NOTHING_TO_CHECK: Final = Words("nothing to check", "gray")
NOT_ASKED: Final = Words("not of one quote", "gray")
VERDICTS: Final = (HOLDS, BROKEN, NOTHING_TO_CHECK, NOT_ASKED)
FOLLOWS: Final = Words("follows", "green")
DIFFERS: Final = Words("DIFFERS", "red")
UNREADABLE: Final = Words("unreadable", "orange")
PRICES: Final = (FOLLOWS, DIFFERS, UNREADABLE)

_LONGEST: Final = 400
# Parts of the system, and what a migration wrote where it knew nobody.
_SYSTEM: Final = re.compile(r"system:[a-z-]{1,40}|unknown")
# Control characters, and those that set the direction of the text behind them.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_SINGULAR: Final = {
    "flights": "flight",
    "hotels": "hotel",
    "activities": "activity",
    "transfers": "transfer",
    "car_rentals": "car rental",
    "custom_items": "custom item",
    "insurance": "insurance",
}
_PLURAL: Final = {"activities": "activities", "insurance": "insurances"}
_DONE: Final = {
    "CREATE": "Created",
    "UPDATE": "Updated",
    "DELETE": "Deleted",
    "SEND": "Sent",
    "ACCEPT": "Accepted",
    "REJECT": "Rejected",
    "EXPIRE": "Expired",
}
# What is told with its values where there is room for a line: short, and nobody's prose.
_TOLD_WITH_VALUES: Final = (
    "status",
    "start_date",
    "end_date",
    "adults",
    "children",
    "infants",
    "currency",
    "agent_markup_percent",
    "taxes",
    "fees",
    "discount",
    "total",
)
# They follow from others that are told.
_DERIVED: Final = frozenset(
    {
        "duration_days",
        "travelers",
        "base_price",
        "product_markup",
        "subtotal",
        "agent_markup",
        "per_person",
        "sent_at",
        "accepted_at",
        "rejected_at",
        "deleted_at",
        "expires_at",
    }
)


# --- names and values ---


def title(name: str) -> str:
    """agent_markup_percent → Agent markup percent, priceType → Price type."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    words = spaced.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def value(name: str, said: object) -> str:
    """What a field says, as a text: amounts with their digits, instants in UTC."""
    if said is None or said in ("", []):
        return NOTHING
    if name in NOTES:
        return f"{counted(len(str(said)), 'character')}, not shown"
    if isinstance(said, list):
        return cut("; ".join(value("", part) for part in said))
    if isinstance(said, dict):
        return cut("; ".join(f"{key}: {value(key, part)}" for key, part in said.items()))
    return _one_value(said)


def _one_value(said: object) -> str:
    match said:
        case bool():
            return "yes" if said else "no"
        case Decimal():
            return f"{said:,f}"
        case int():
            return f"{said:,}"
        case datetime():
            return instant(said)
        case _:
            return cut(str(said))


def amount(said: object, currency: str) -> str:
    """2443.50 → 2,443.50 USD; what is no number as it stands."""
    if isinstance(said, Decimal | int):
        return f"{Decimal(said):,f} {cut(currency)}".rstrip()
    return value("", said)


def cut(text: str) -> str:
    """The beginning of a text of any length, as `legible` has it."""
    shown = legible(text[:_LONGEST])
    return shown if len(text) <= _LONGEST else f"{shown}… ({len(text):,} characters)"


def legible(text: str) -> str:
    """A text in which what would turn it round or hide a part of it is spelled out."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def instant(moment: datetime, zone: ZoneInfo | None = None) -> str:
    """2026-11-25 21:04:10.123, in UTC unless a zone is given; midnight as the bare date."""
    local = moment.astimezone(zone or UTC)
    if zone is None and local.time() == local.min.time():
        return f"{local:%Y-%m-%d}"
    return f"{local:%Y-%m-%d %H:%M:%S.%f}"[:-3]


def who(modified_by: str | None) -> str:
    """Who made a version: an account's id or a part of the system; never a name or an address."""
    if not modified_by:
        return "nobody is named"
    account = parse_uuid(modified_by)
    if account is not None:
        return f"account {account}"
    if _SYSTEM.fullmatch(modified_by):
        return modified_by
    return "a name or address, not shown"


# --- versions ---


def changed(each: Version, before: Version | None, *, is_first: bool) -> str:
    """What a version changed.

    Args:
        each: the version.
        before: the one before it, if it was read.
        is_first: whether there is none before it.
    """
    record, was = each.record, None if before is None else before.record
    if record is None:
        return "The stored snapshot cannot be read as a quote."
    if is_first:
        verb = "Found by a migration" if each.attempt_id is None else _done(each.operation)
        return f"{verb}: {_contents(record)}."
    if was is None:
        named = ", ".join(title(name) for name in each.changed_fields)
        return f"{_done(each.operation)}; not compared. Named: {cut(named) or NOTHING}."
    said = "; ".join(_differences(difference(was, record), was.currency, record.currency))
    return cut(f"{_done(each.operation)}: {said}.") if said else f"{_done(each.operation)}."


def _done(operation: str) -> str:
    return _DONE.get(operation, operation)


def _contents(record: QuoteRecord) -> str:
    """2 flights, 1 hotel, 2,443.50 USD in all."""
    counts = [(kind, len(items_of(record, kind))) for kind in ITEM_KINDS]
    items = [_some(count, kind) for kind, count in counts if count]
    return ", ".join([*(items or ["no items"]), f"{amount(record.total, record.currency)} in all"])


def _some(count: int, kind: str) -> str:
    if count == 1:
        return f"1 {_SINGULAR[kind]}"
    return f"{count} {_PLURAL.get(kind, f'{_SINGULAR[kind]}s')}"


def _differences(found: Difference, was: str, now: str) -> Iterator[str]:
    """What differs, the most telling first."""
    by_name = {each.name: each for each in found.fields if each.name not in BOOKKEEPING}
    for kind in ITEM_KINDS:
        fates = Counter(each.fate for each in found.items if each.kind == kind)
        if fates:
            told = ", ".join(f"{fates[fate]} {fate}" for fate in Fate if fates[fate])
            yield f"{_PLURAL.get(kind, f'{_SINGULAR[kind]}s')}: {told}"
    for name in _TOLD_WITH_VALUES:
        if name not in by_name:
            continue
        change = by_name.pop(name)
        if name == "total":
            yield f"total {amount(change.before, was)} → {amount(change.after, now)}"
        else:
            yield (
                f"{inside(title(name))} {value(name, change.before)} → {value(name, change.after)}"
            )
    others = [inside(title(name)) for name in by_name if name not in _DERIVED]
    if others:
        yield f"{', '.join(others)} changed"


# --- two versions ---


def item_name(item: Item | None, kind: str) -> str:
    """Hotel do Chiado; TAP TP123."""
    names = [str(item[name]) for name in CALLED_BY[kind] if item and item.get(name)]
    return cut(" ".join(names)) or _SINGULAR[kind]


def place(change: ItemChange) -> str:
    """2 → 1, counted from 1; only what there is."""
    before, after = (
        "" if at is None else str(at + 1) for at in (change.before_at, change.after_at)
    )
    if change.fate is Fate.CHANGED and before == after:
        return before
    return f"{before} → {after}".strip()


def unread(names: Sequence[str]) -> str:
    """Which parameters of the address could not be read; empty if all could."""
    if not names:
        return ""
    told = {
        "quote": "quote (a UUID)",
        "agent": "agent (a UUID)",
        "older": "older (a version's number)",
        "newer": "newer (a version's number)",
    }
    listed = ", ".join(told.get(name, name) for name in names)
    return f"Not understood in this address, and left out: {listed}."


def no_such_version(older: int, newer: int, missing: Sequence[int]) -> str:
    """Why two versions cannot be compared."""
    gone = " and ".join(str(each) for each in missing)
    which = "versions" if len(missing) > 1 else "version"
    return (
        f"Versions {older} and {newer} cannot be compared: this quote has no readable {which}"
        f" {gone}."
    )


# --- price and rules ---


def price_verdict(*, is_readable: bool, disagreement: Mapping[str, Any] | None) -> Words:
    """Whether a stored price follows from its items."""
    if not is_readable:
        return UNREADABLE
    return FOLLOWS if disagreement is None else DIFFERS


def recomputed(
    component: str, price: Mapping[str, Any], disagreement: Mapping[str, Any] | None
) -> object:
    """A component as the items give it; None where they give none."""
    if disagreement is None:
        return price.get(component)
    if not any(name.endswith("_repriced") for name in disagreement):
        return None
    return disagreement.get(f"{component}_repriced", price.get(component))


def rule_verdict(result: RuleResult | None) -> Words:
    """What became of a rule; one that had nothing to look at is not said to hold."""
    if result is None:
        return NOT_ASKED
    if result.violations:
        return BROKEN
    return HOLDS if result.checked else NOTHING_TO_CHECK


def rules_summary(results: Sequence[RuleResult]) -> Words:
    """All rules in one sentence."""
    broken = [result.rule.id for result in results if result.violations]
    if broken:
        return Words(f"Broken: {', '.join(broken)}", "red")
    held = sum(bool(result.checked) for result in results)
    return Words(f"{counted(held, 'rule')} checked, none broken", "green")
