"""The page about roles says what the tables in the code say, page by page and action by action."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest

from dashboard.navigation import PAGES, Page
from dashboard.viewer import Viewer
from engine.access.roles import Permission, Role, may

_PAGE: Final = (Path(__file__).resolve().parents[2] / "docs/reference/roles.md").read_text()
_ROW: Final = re.compile(r"^\| (.+) \|$", re.MULTILINE)


def _tables() -> list[dict[str, list[str]]]:
    """The tables of the page, each row by its first cell."""
    parts = re.split(r"^## ", _PAGE, flags=re.MULTILINE)[1:]
    return [
        {cells[0]: cells[1:] for cells in (row.split(" | ") for row in _ROW.findall(part))}
        for part in parts
    ]


def _of(page: Page, role: Role | None) -> str:
    if page.is_for(Viewer(None, role)):
        return "yes"
    return "own" if page.is_for(Viewer(UUID(int=1), role)) else "no"


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.name)
def test_every_page_is_documented_for_every_role(page: Page) -> None:
    heads = _tables()[0]["Page"]

    roles = [None if head == "no role" else Role(head) for head in heads]
    assert roles == [None, *Role]
    assert _tables()[0][page.title] == [_of(page, role) for role in roles]


@pytest.mark.parametrize("permission", Permission)
def test_every_permission_is_documented_for_every_role(permission: Permission) -> None:
    _, *heads = _tables()[1]["Permission"]
    _, *said = _tables()[1][permission.value]

    assert [Role(head) for head in heads] == list(Role)
    assert said == ["yes" if may(role, permission) else "no" for role in Role]


def test_nothing_else_is_documented() -> None:
    pages, actions = _tables()

    assert pages.keys() - {"Page"} == {page.title for page in PAGES.values()}
    assert actions.keys() - {"Permission"} == set(Permission)
