"""How each box is decided, read from data and held against the checklist.

A box of a checklist that no item speaks of is attested: a person's word decides it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from engine.readiness.checklist import Box, Checklist, ChecklistError

_AGE: Final = re.compile(r"(\d+) (min|h|d)")
_UNIT: Final = {
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_RANGE: Final = re.compile(r"(\S+) \.\. (\S+)")


class Kind(StrEnum):
    """Who decides."""

    AUTOMATIC = "automatic"
    DRILL = "drill"
    ATTESTED = "attested"
    DERIVED = "derived"


class Dependency(StrEnum):
    """What evidence speaks of; when it changes, the evidence is stale."""

    RELEASE = "release"
    SCHEMA = "schema"
    SETTINGS = "settings"
    REGISTRY = "registry"
    PLAN = "plan"
    WINDOW = "window"
    DOCUMENTS = "documents"
    RUNBOOKS = "runbooks"


class Gate(StrEnum):
    """What a machine has to see before people vouch for a box."""

    NONE = "none"
    LOOK = "look"
    # It is not there yet: until it is, nobody's word is enough.
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Item:
    """How a box is decided.

    Attributes:
        id: of the box.
        kind: who decides.
        probe: the name of what looks; None for a derived box, and for one of another checklist.
        depends_on: what must not change.
        age: how old evidence may get; None for no limit.
        of: the boxes that a derived one follows from.
        signatures: how many people have to vouch for it, where people do.
        gate: what a machine has to see before they do.
        is_of_each: whether everybody who is on call has to vouch for it, whoever else does.
    """

    id: str
    kind: Kind
    probe: str | None
    depends_on: frozenset[Dependency]
    age: timedelta | None
    of: tuple[str, ...]
    signatures: int = 1
    gate: Gate = Gate.NONE
    is_of_each: bool = False


def read_items(text: str, checklist: Checklist) -> Mapping[str, Item]:
    """The items of a checklist's boxes, by id, in the boxes' order.

    Args:
        text: TOML: a table for each box.
        checklist: whose boxes they are.

    Raises:
        ChecklistError: an item has no box, is not complete, or follows from itself.
    """
    tables: dict[str, Any] = tomllib.loads(text)
    boxes = {box.id: box for box in checklist.boxes}
    unknown = sorted(set(tables) - set(boxes))
    if unknown:
        raise ChecklistError(f"there is no box {', '.join(unknown)}")
    items = {
        box.id: _item(box, tables.get(box.id, {"kind": Kind.ATTESTED}), checklist)
        for box in boxes.values()
    }
    _must_end(items)
    return items


def attested_items(checklist: Checklist) -> Mapping[str, Item]:
    """The items of a checklist of which nothing is known: each box is somebody's word.

    A box with boxes under it follows from those.
    """
    return {
        box.id: _item(
            box,
            {"kind": Kind.DERIVED if checklist.children(box.id) else Kind.ATTESTED},
            checklist,
        )
        for box in checklist.boxes
    }


def _item(box: Box, table: Mapping[str, Any], checklist: Checklist) -> Item:
    try:
        kind = Kind(table["kind"])
        depends_on = frozenset(Dependency(each) for each in table.get("depends_on", ()))
    except (KeyError, ValueError) as error:
        raise ChecklistError(f"{box.id}: {error}") from None
    probe = table.get("probe")
    of = tuple(_named(table.get("of", ()), checklist, box)) if kind is Kind.DERIVED else ()
    if kind in {Kind.AUTOMATIC, Kind.DRILL} and probe is None:
        raise ChecklistError(f"{box.id}: nothing is named that looks")
    return Item(
        box.id,
        kind,
        probe,
        depends_on,
        _age(box, table.get("age")),
        of,
        _signatures(box, table),
        _gate(box, table),
        _is_of_each(box, table),
    )


def _signatures(box: Box, table: Mapping[str, Any]) -> int:
    count = table.get("signatures", 1)
    if not isinstance(count, int) or count < 1:
        raise ChecklistError(f"{box.id}: {count} is no number of people")
    return count


def _gate(box: Box, table: Mapping[str, Any]) -> Gate:
    written = table.get("gate", Gate.NONE.value)
    if written not in set(Gate):
        raise ChecklistError(f"{box.id}: {written} is no gate, but {', '.join(Gate)}")
    if written == Gate.LOOK and table.get("probe") is None:
        raise ChecklistError(f"{box.id}: nothing is named that looks")
    return Gate(written)


def _is_of_each(box: Box, table: Mapping[str, Any]) -> bool:
    people = table.get("people")
    if people not in {None, "on-call"}:
        raise ChecklistError(f"{box.id}: {people} are no people, but on-call is")
    return people is not None


def _age(box: Box, written: str | None) -> timedelta | None:
    if written is None:
        return None
    found = _AGE.fullmatch(written)
    if found is None:
        raise ChecklistError(f"{box.id}: {written} is no age, such as 5 min, 24 h or 30 d")
    return int(found[1]) * _UNIT[found[2]]


def _named(names: Sequence[str], checklist: Checklist, box: Box) -> Iterator[str]:
    """The boxes that names stand for: a box, a phase, or a range of either; children by default.

    A box that has others under it stands for itself: it follows from those.
    """
    if not names:
        children = checklist.children(box.id)
        if not children:
            raise ChecklistError(f"{box.id}: follows from nothing")
        yield from (child.id for child in children)
        return
    top = {phase.id: [each.id for each in phase.boxes if each.parent_id is None]
           for phase in checklist.phases}  # fmt: skip
    order = [each.id for each in checklist.boxes if each.parent_id is None]
    for name in names:
        between = _RANGE.fullmatch(name)
        first, last = (between[1], between[2]) if between else (name, name)
        if first in top and last in top:
            phases = [phase.id for phase in checklist.phases]
            for phase in phases[phases.index(first) : phases.index(last) + 1]:
                yield from (each for each in top[phase] if each != box.id)
        elif first in order and last in order:
            yield from order[order.index(first) : order.index(last) + 1]
        else:
            raise ChecklistError(f"{box.id}: follows from {name}, which there is not")


def _must_end(items: Mapping[str, Item]) -> None:
    """Refuses boxes that follow from each other in a circle."""
    done: set[str] = set()

    def visit(item_id: str, path: tuple[str, ...]) -> None:
        if item_id in path:
            raise ChecklistError(f"{item_id} follows from itself")
        if item_id not in done:
            for each in items[item_id].of:
                visit(each, (*path, item_id))
            done.add(item_id)

    for item_id in items:
        visit(item_id, ())
