"""Which pages somebody has: one table, read by the menu, by every page and by every link.

Pure functions. A page that somebody does not have is not registered for them; since a session that
is still open goes on asking, each page asks again by itself, see `entry`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dashboard.viewer import Viewer
from engine.access.roles import Permission

_FIRST: Final = ""
_ACCESS: Final = "Access"


@dataclass(frozen=True, slots=True)
class Page:
    """A page, and who has it.

    Attributes:
        name: of its file, and in its address.
        title: in the menu.
        question: that it answers.
        permission: what opens it; None for a page that everybody has.
        is_for_agents: whether an agent has it without that, for what is the agent's own.
        section: of the menu; empty for its first level.
        is_in_menu: whether it stands there; the others are reached by links.
    """

    name: str
    title: str
    question: str
    permission: Permission | None
    is_for_agents: bool = False
    section: str = _FIRST
    is_in_menu: bool = True

    def is_for(self, viewer: Viewer) -> bool:
        """Whether somebody has it."""
        if self.permission is None or viewer.may(self.permission):
            return True
        return self.is_for_agents and viewer.own_agent_id is not None


_SEE, _READ, _MANAGE = Permission.SEE_NUMBERS, Permission.READ_LEDGER, Permission.MANAGE_ACCESS

# In the menu's order.
PAGES: Final[Mapping[str, Page]] = {
    each.name: each
    for each in (
        Page("overview", "Overview", "How are saves doing right now?", _SEE),
        Page("lookup", "Lookup", "What became of this save?", _READ, is_for_agents=True),
        Page("latency", "Latency", "How long do saves take, and where does the time go?", _SEE),
        Page("errors", "Errors", "What goes wrong, how often, and for whom?", _SEE),
        Page("alerts", "Alerts", "What is wrong now, since when, how bad, and what do I do?", _SEE),
        Page("attempts", "Attempts", "Which attempts is a number made of?", _READ),
        Page("readiness", "Readiness", "May this release go on, and what is left to do?", _SEE),
        # Without an address it has nothing to show.
        Page(
            "quote",
            "Quote",
            "What does a quote say, and how did it come to that?",
            _READ,
            is_for_agents=True,
            is_in_menu=False,
        ),
        Page(
            "limits",
            "Limits",
            "What is limited, and how near is anybody to it?",
            _READ,
            section=_ACCESS,
        ),
        Page("people", "People", "Who may do what?", _MANAGE, section=_ACCESS),
        Page("audit", "Audit trail", "Who did what?", _MANAGE, section=_ACCESS),
        Page("account", "Account", "Who am I here?", None, section=_ACCESS),
    )
}
_FOLDER: Final = Path(__file__).resolve().parent.parent / "pages"
# The script of each, by which links lead to it.
PATHS: Final[Mapping[str, Path]] = {name: _FOLDER / f"{name}.py" for name in PAGES}
# A menu of one entry only hides that.
_ENTRIES_MIN: Final = 2


def pages(viewer: Viewer) -> tuple[Page, ...]:
    """The pages that somebody has, in the menu's order; whoever it is has one."""
    return tuple(each for each in PAGES.values() if each.is_for(viewer))


def has(viewer: Viewer, name: str) -> bool:
    """Whether somebody has a page; a link to one that they do not have is not drawn."""
    return PAGES[name].is_for(viewer)


def closed(viewer: Viewer) -> tuple[Page, ...]:
    """The pages that somebody does not have: at their addresses stands a refusal, see `entry`."""
    return tuple(each for each in PAGES.values() if not each.is_for(viewer))


def first(viewer: Viewer) -> Page:
    """Where somebody begins. Streamlit serves it at `/` alone; its own address leads there."""
    begin = PAGES["overview"]
    return begin if begin.is_for(viewer) else PAGES["account"]


def sections(viewer: Viewer) -> Mapping[str, Sequence[Page]]:
    """The pages that somebody has, by section of the menu."""
    found = pages(viewer)
    menus = dict.fromkeys(each.section for each in found)
    by_section = {name: [each for each in found if each.section == name] for name in menus}
    return dict(_flattened(by_section))


def _flattened(by_section: Mapping[str, list[Page]]) -> Iterator[tuple[str, list[Page]]]:
    lonely = [
        each
        for name, found in by_section.items()
        if name != _FIRST and len(found) < _ENTRIES_MIN
        for each in found
    ]
    first_level = [*by_section.get(_FIRST, []), *lonely]
    if first_level:
        yield _FIRST, first_level
    for name, found in by_section.items():
        if name != _FIRST and len(found) >= _ENTRIES_MIN:
            yield name, found
