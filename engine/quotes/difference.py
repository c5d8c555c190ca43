"""What differs between two versions of a quote: fields, and the items of each list.

Pure functions over two stored records. Amounts are compared as numbers and instants as instants;
an item is followed by what it says, so that one put in front of others does not change them all.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from engine.quotes.draft import ITEM_LISTS, Item
from engine.quotes.record import COLUMNS, QuoteRecord

# The one item that is no list stands with the lists, as one of at most one.
ITEM_KINDS: Final = (*ITEM_LISTS, "insurance")
PLAIN_FIELDS: Final = tuple(name for name in COLUMNS if name not in ITEM_KINDS)
# What an item of a kind is called by; two that are called alike are taken for the same one.
CALLED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "flights": ("airline", "flightNumber"),
    "hotels": ("name",),
    "activities": ("name",),
    "transfers": ("provider", "vehicleType"),
    "car_rentals": ("company", "carType"),
    "custom_items": ("name",),
    "insurance": (),
}
# Items that are not called alike are one and the same when they share half of what they say.
_ALIKE: Final = 0.5
# How much the name counts, and the place in the list, among items that could all be the same one.
_CALLED_ALIKE: Final = 1.0
_NEARNESS: Final = 0.01


class Fate(StrEnum):
    """What became of an item."""

    ADDED = "added"
    REMOVED = "removed"
    MOVED = "moved"
    CHANGED = "changed"
    MOVED_AND_CHANGED = "moved and changed"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field that says something else.

    Attributes:
        name: a column of the quote, or a field of an item.
        before: what the older one says; None for nothing.
        after: what the newer one says, likewise.
    """

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class ItemChange:
    """What became of one item.

    Attributes:
        kind: the list that it is in, or `insurance`.
        fate: what became of it.
        before_at: its place in the older list, from 0; None of one that was added.
        after_at: its place in the newer list; None of one that was removed.
        before: the item as it was.
        after: the item as it is.
        fields: what it says otherwise; empty unless it changed.
    """

    kind: str
    fate: Fate
    before_at: int | None
    after_at: int | None
    before: Item | None
    after: Item | None
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """What is to be done to the older record to make it the newer one.

    Items that are not named kept what they say and their order among each other.

    Attributes:
        fields: columns that are no items, in the order of the table.
        items: list by list; in each, those that were removed stand first.
    """

    fields: tuple[FieldChange, ...] = ()
    items: tuple[ItemChange, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether both records say the same."""
        return not self.fields and not self.items


def difference(older: QuoteRecord, newer: QuoteRecord) -> Difference:
    """What differs between two records of one quote."""
    return Difference(
        tuple(
            FieldChange(name, before, after)
            for name in PLAIN_FIELDS
            if not _says_the_same(before := getattr(older, name), after := getattr(newer, name))
        ),
        tuple(
            change
            for kind in ITEM_KINDS
            for change in _items_changed(kind, items_of(older, kind), items_of(newer, kind))
        ),
    )


def items_of(record: QuoteRecord, kind: str) -> Sequence[Item]:
    """The items of a kind; insurance as a list of at most one."""
    found = getattr(record, kind)
    if kind == "insurance":
        return [] if found is None else [found]
    items: list[Item] = found
    return items


def _items_changed(kind: str, older: Sequence[Item], newer: Sequence[Item]) -> Iterator[ItemChange]:
    pairs = _paired(kind, older, newer)
    stayed = _longest_in_order(pairs)
    for place, item in enumerate(older):
        if place not in pairs:
            yield ItemChange(kind, Fate.REMOVED, place, None, item, None)
    came_from = {after_at: before_at for before_at, after_at in pairs.items()}
    for place, item in enumerate(newer):
        before_at = came_from.get(place)
        if before_at is None:
            yield ItemChange(kind, Fate.ADDED, None, place, None, item)
            continue
        before = older[before_at]
        fields = _fields_changed(before, item)
        fate = _fate(has_moved=before_at not in stayed, has_changed=bool(fields))
        if fate is not None:
            yield ItemChange(kind, fate, before_at, place, before, item, fields)


def _fate(*, has_moved: bool, has_changed: bool) -> Fate | None:
    if has_moved:
        return Fate.MOVED_AND_CHANGED if has_changed else Fate.MOVED
    return Fate.CHANGED if has_changed else None


def _fields_changed(before: Item, after: Item) -> tuple[FieldChange, ...]:
    """Field by field; one that is null and one that is not there say the same, which is nothing."""
    return tuple(
        FieldChange(name, before.get(name), after.get(name))
        for name in dict.fromkeys((*before, *after))
        if not _says_the_same(before.get(name), after.get(name))
    )


def _paired(kind: str, older: Sequence[Item], newer: Sequence[Item]) -> dict[int, int]:
    """Place in the older list → place in the newer one, for items that are the same ones."""
    before, after = [_said(item) for item in older], [_said(item) for item in newer]
    pairs = {at: at for at in range(min(len(older), len(newer))) if before[at] == after[at]}
    free: defaultdict[frozenset[Hashable], list[int]] = defaultdict(list)
    for at in range(len(newer) - 1, -1, -1):
        if at not in pairs:
            free[after[at]].append(at)
    for at, said in enumerate(before):
        if at not in pairs and free[said]:
            pairs[at] = free[said].pop()
    taken = set(pairs.values())
    likely = sorted(
        (-likeness, before_at, after_at)
        for before_at in range(len(older))
        if before_at not in pairs
        for after_at in range(len(newer))
        if after_at not in taken
        if (likeness := _likeness(kind, before, after, before_at, after_at)) > 0
    )
    for _, before_at, after_at in likely:
        if before_at not in pairs and after_at not in taken:
            pairs[before_at] = after_at
            taken.add(after_at)
    return pairs


def _likeness(
    kind: str,
    before: Sequence[frozenset[tuple[str, Hashable]]],
    after: Sequence[frozenset[tuple[str, Hashable]]],
    before_at: int,
    after_at: int,
) -> float:
    """How likely two items are the same one; 0 when they are not."""
    ours, theirs = before[before_at], after[after_at]
    shared = ours & theirs
    share = 2 * len(shared) / max(len(ours) + len(theirs), 1)
    names = {name for name, _ in shared}
    called_by = CALLED_BY[kind]
    is_called_alike = called_by[:1] == () or called_by[0] in names
    if not is_called_alike and share < _ALIKE:
        return 0
    alike = sum(name in names for name in called_by) * _CALLED_ALIKE
    return 1 + alike + share + _NEARNESS / (1 + abs(before_at - after_at))


def _longest_in_order(pairs: Mapping[int, int]) -> set[int]:
    """The older places of the most items that kept their order; the others have moved."""
    ends: list[int] = []
    last: list[int] = []
    previous: dict[int, int | None] = {}
    for before_at in sorted(pairs):
        length = bisect_left(ends, pairs[before_at])
        previous[before_at] = last[length - 1] if length else None
        ends[length : length + 1] = [pairs[before_at]]
        last[length : length + 1] = [before_at]
    stayed: set[int] = set()
    at = last[-1] if last else None
    while at is not None:
        stayed.add(at)
        at = previous[at]
    return stayed


def _said(item: Item) -> frozenset[tuple[str, Hashable]]:
    """All that an item says, to be compared with others."""
    return frozenset(
        (name, _comparable(value)) for name, value in item.items() if value is not None
    )


def _says_the_same(before: object, after: object) -> bool:
    return bool(_comparable(before) == _comparable(after))


def _comparable(value: Any) -> Hashable:  # noqa: ANN401  # JSON, or a column
    """The same for values that mean the same: 200 and 200.00 are one number, and true is none."""
    match value:
        case dict():
            return ("object", frozenset((key, _comparable(part)) for key, part in value.items()))
        case list():
            return ("list", *map(_comparable, value))
        case bool():
            return ("flag", value)
        case _:
            hashable: Hashable = value
            return hashable
