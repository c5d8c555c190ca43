"""A checklist, read from Markdown: its phases, its boxes, and an id for each that stays.

The Markdown is the contract: its wording, order and nesting are kept, and it is written back byte
for byte but for the boxes. A checklist has this shape:

    ## Pre-Deployment Checklist        a group; its first word names its boxes: PRE
    ### Phase 2: Database Migration    a phase by number: PRE-2
    - [ ] Run the migration            PRE-2.1
      - [ ] of staging                 PRE-2.1.1
    ### Production Ready               a phase without a number is named by its last word: READY
    - [ ] Monitoring operational       READY-1

Headings of a deeper level divide a phase for the eye only. What stands in code fences, and what is
no box, belongs to nobody and is kept as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

# What ends a text is taken off afterwards: a pattern that leaves it out looks at every stretch of
# spaces again and again, for hours in a file of our size.
_HEADING: Final = re.compile(r"(#{1,6})\s+(.*)")
# What opens one has no more of its own signs after it: else it is code within a line.
_FENCE: Final = re.compile(r"\s*(`{3,}(?=[^`]*$)|~{3,})")
_BOX: Final = re.compile(r"(?P<indent>[ \t]*)[-*+] \[(?P<mark>[ xX])\] (?P<text>.*)")
# What is drawn as a box, be it of another list or in a quotation.
_LIKE_A_BOX: Final = re.compile(r"[ \t>]*([-*+]|\d{1,9}[.)])[ \t]+\[[ \txX]\]([ \t]|$)")
_NUMBERED: Final = re.compile(r"Phase\s+(\d+)\s*:\s*(.*)", re.IGNORECASE)
_WINDOW: Final = re.compile(
    r"\((?:(\d+)\s*[-\u2013]\s*(\d+)|after\s+(\d+))\s+(minute|hour|day)s?\)", re.IGNORECASE
)
_UNIT: Final = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
_TAB: Final = 4
# A name is part of the id of each of its boxes; who assesses a box goes down to those under it.
_NAME_MAX: Final = 40
_DEPTH_MAX: Final = 10
# Nobody watches a release for longer; an instant so far after its deployment may not exist.
_WINDOW_MAX: Final = timedelta(days=366)
_DIGITS_MAX: Final = 9
_GROUP_LEVEL, _PHASE_LEVEL = 2, 3


class ChecklistError(ValueError):
    """A Markdown text is no checklist; its message says why, with the line."""


@dataclass(frozen=True, slots=True)
class Box:
    """One line that can be ticked.

    Attributes:
        id: PRE-2.1, PRE-2.1.1, READY-4.
        text: its words, as they are written.
        is_ticked: whether the Markdown has it ticked, which proves nothing.
        parent_id: the box that it stands under; None at the top of its phase.
        line: counted from 0.
        mark: the column of the character between the brackets.
    """

    id: str
    text: str
    is_ticked: bool
    parent_id: str | None
    line: int
    mark: int


@dataclass(frozen=True, slots=True)
class Window:
    """When a phase runs, from the moment of the deployment.

    Attributes:
        opens: how long after it.
        closes: None when it does not.
    """

    opens: timedelta
    closes: timedelta | None


@dataclass(frozen=True, slots=True)
class Phase:
    """Boxes that are signed together.

    Attributes:
        id: PRE-2, READY.
        group: the heading above, as written.
        title: without number, window and decoration.
        window: when it runs after a deployment; None when it says nothing of that.
        boxes: in their order, each before those under it.
    """

    id: str
    group: str
    title: str
    window: Window | None
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class Checklist:
    """A checklist as it was written.

    Attributes:
        title: its first heading; empty without one.
        phases: in their order.
        markdown: the text itself.
    """

    title: str
    phases: tuple[Phase, ...]
    markdown: str

    @property
    def boxes(self) -> Iterator[Box]:
        """All boxes, in their order."""
        for phase in self.phases:
            yield from phase.boxes

    def phase_of(self, box_id: str) -> Phase:
        """The phase that a box is of.

        Raises:
            KeyError: there is no such box.
        """
        for phase in self.phases:
            if any(box.id == box_id for box in phase.boxes):
                return phase
        raise KeyError(box_id)

    def children(self, box_id: str) -> tuple[Box, ...]:
        """The boxes right under one."""
        return tuple(box for box in self.boxes if box.parent_id == box_id)


def read_checklist(markdown: str) -> Checklist:
    """Reads a checklist.

    Raises:
        ChecklistError: it has no boxes, a box outside of a phase, two phases of one name, a
            box that stands deeper than one level under the one above, or too deep, a name that is
            too long, or a phase that ends after more than a year.
    """
    reader = _Reader()
    for number, line in _outside_of_code(markdown):
        reader.line(number, line)
    phases = tuple(phase for phase in reader.phases() if phase.boxes)
    if not phases:
        raise ChecklistError("there is no box (- [ ] …) under a heading of the third level")
    ids = [phase.id for phase in phases]
    twice = next((each for each in ids if ids.count(each) > 1 or not each), None)
    if twice is not None:
        raise ChecklistError(f"two phases would have the name {twice or 'of no word at all'}")
    return Checklist(reader.title, phases, markdown)


def refuse_what_is_overlooked(markdown: str) -> None:
    """Refuses a text of which somebody would see more boxes than are read.

    Raises:
        ChecklistError: a line is drawn as a box, and is none of ours.
    """
    for number, line in _outside_of_code(markdown):
        if _LIKE_A_BOX.match(line) and not _BOX.fullmatch(line):
            raise ChecklistError(
                f"line {number + 1}: a box is written as - [ ], and a word after it"
            )


def _outside_of_code(markdown: str) -> Iterator[tuple[int, str]]:
    """The lines that stand in no code fence, with their numbers from 0."""
    fence = ""
    for number, line in enumerate(markdown.splitlines()):
        signs = line.strip()
        if fence:
            if len(signs) >= len(fence) and set(signs) == set(fence):
                fence = ""
        elif found := _FENCE.match(line):
            fence = found[1]
        else:
            yield number, line


class _Reader:
    """Reads line by line; keeps where it is."""

    def __init__(self) -> None:
        self.title = ""
        self._group = ""
        self._found: list[tuple[str, str, str, Window | None, list[Box]]] = []
        self._boxes: list[Box] | None = None
        self._phase_id = ""
        self._above: list[tuple[int, str]] = []
        self._counts: dict[str, int] = {}

    def line(self, number: int, line: str) -> None:
        """Takes one line that is not code."""
        heading = _HEADING.fullmatch(line)
        if heading is not None:
            self._heading(number, len(heading[1]), heading[2].rstrip())
            return
        box = _BOX.fullmatch(line)
        if box is not None:
            self._box(number, box)

    def phases(self) -> Iterator[Phase]:
        """What was read."""
        for phase_id, group, title, window, boxes in self._found:
            yield Phase(phase_id, group, title, window, tuple(boxes))

    def _heading(self, number: int, level: int, text: str) -> None:
        if level > _PHASE_LEVEL:
            return
        if level < _PHASE_LEVEL:
            self.title = self.title or text
            self._group = text if level == _GROUP_LEVEL else ""
            self._boxes = None
            return
        phase_id, title = _named(self._group, text)
        if len(phase_id) > _NAME_MAX:
            raise ChecklistError(
                f"line {number + 1}: the phase would have a name of more than {_NAME_MAX}"
                " characters"
            )
        self._boxes, self._phase_id, self._above = [], phase_id, []
        self._found.append((phase_id, self._group, title, _window(number, text), self._boxes))
        self._counts = {}

    def _box(self, number: int, box: re.Match[str]) -> None:
        if self._boxes is None:
            raise ChecklistError(f"line {number + 1}: a box outside of any phase")
        indent = len(box["indent"].expandtabs(_TAB))
        while self._above and self._above[-1][0] >= indent:
            self._above.pop()
        if indent and not self._above:
            raise ChecklistError(f"line {number + 1}: a box that stands under none")
        if len(self._above) >= _DEPTH_MAX:
            raise ChecklistError(
                f"line {number + 1}: boxes stand under {_DEPTH_MAX} others at most"
            )
        parent_id = self._above[-1][1] if self._above else None
        counted = parent_id or self._phase_id
        self._counts[counted] = self._counts.get(counted, 0) + 1
        separator = "." if parent_id or any(letter.isdigit() for letter in counted) else "-"
        box_id = f"{counted}{separator}{self._counts[counted]}"
        self._boxes.append(
            Box(
                box_id,
                box["text"].rstrip(),
                box["mark"] != " ",
                parent_id,
                number,
                box.start("mark"),
            )
        )
        self._above.append((indent, box_id))


def _named(group: str, text: str) -> tuple[str, str]:
    """A phase's id and title."""
    plain = _plain(text)
    numbered = _NUMBERED.fullmatch(plain)
    if numbered is not None:
        prefix = re.split(r"[\s-]", _plain(group), maxsplit=1)[0].upper() or "PHASE"
        return f"{prefix}-{numbered[1]}", numbered[2]
    words = re.findall(r"\w+", plain)
    return (words[-1].upper() if words else ""), plain


def _plain(text: str) -> str:
    """A heading without its window and the signs that decorate it."""
    without = _WINDOW.sub("", text)
    return re.sub(r"[^\w\s&/,:()'.+-]", "", without).strip()


def _window(number: int, text: str) -> Window | None:
    found = _WINDOW.search(text)
    if found is None:
        return None
    unit = _UNIT[found[4].lower()]
    if found[3] is not None:
        return Window(_span(number, found[3], unit), None)
    return Window(_span(number, found[1], unit), _span(number, found[2], unit))


def _span(number: int, count: str, unit: timedelta) -> timedelta:
    if len(count) > _DIGITS_MAX or int(count) * unit > _WINDOW_MAX:
        raise ChecklistError(
            f"line {number + 1}: a phase ends {_WINDOW_MAX.days} days after the deployment at most"
        )
    return int(count) * unit
