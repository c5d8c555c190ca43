"""The reference of readiness has every box as it is decided, and every state and kind of record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from engine.readiness.assessment import State
from engine.readiness.checklist import Checklist, read_checklist
from engine.readiness.export import MEANINGS
from engine.readiness.items import Item, Kind, read_items
from engine.readiness.path import ActionKind
from engine.readiness.records import RecordKind
from engine.readiness.releases import own_checklist, own_items
from engine.readiness.verifier import LATE, RECORD_FIELDS

_DOCS = Path(__file__).resolve().parent.parent.parent / "docs" / "reference"
_PAGE = (_DOCS / "readiness.md").read_text()
_RECORDS = (_DOCS / "readiness-records.md").read_text()


def rows() -> Iterator[str]:
    """The table of boxes, line by line."""
    checklist: Checklist = read_checklist(own_checklist())
    items = read_items(own_items(), checklist)
    for phase in checklist.phases:
        for box in phase.boxes:
            yield f"| {box.id} | {box.text} | {_decided(items[box.id])} |"


def _decided(item: Item) -> str:
    if item.kind is Kind.DERIVED:
        return f"derived | {', '.join(item.of)} | "
    until = sorted(each.value for each in item.depends_on)
    if item.age is not None:
        until.append(_words(item.age))
    two = "" if item.signatures == 1 else f", {item.signatures} people"
    two = ", each on call" if item.is_of_each else two
    return f"{item.kind.value}{two} | `{item.probe}` | {', '.join(until)}"


def _words(age: timedelta) -> str:
    minutes = int(age.total_seconds()) // 60
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"


def test_every_box_is_in_the_table_as_it_is_decided() -> None:
    boxes = ("| PRE-", "| POST-", "| READY-", "| STABLE-")
    whole = _PAGE.partition("\n## Boxes\n")[2]
    table = [line for line in whole.splitlines() if line.startswith(boxes)]

    assert table == list(rows())


@pytest.mark.parametrize("state", State)
def test_every_state_is_documented_as_commands_explain_it(state: State) -> None:
    assert f"| {state.value} | {MEANINGS[state]} |" in _PAGE


@pytest.mark.parametrize("kind", ActionKind)
def test_every_step_of_a_path_is_documented(kind: ActionKind) -> None:
    assert f"| {kind.value} | " in _PAGE


@pytest.mark.parametrize("kind", RecordKind)
def test_every_kind_of_record_is_documented(kind: RecordKind) -> None:
    assert f"| `{kind.value}` | " in _RECORDS


def test_the_fields_of_a_digest_are_documented_in_their_order() -> None:
    assert ", ".join(f"`{name}`" for name in RECORD_FIELDS) in _RECORDS
    assert f"{int(LATE.total_seconds()) // 60} minutes" in _RECORDS
