"""A checklist written back as the Markdown that it was, with its boxes as they stand now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.readiness.checklist import Checklist

_MARKUP: Final = re.compile(r"[\\`*_~\[\]<>|&!$]")
# What is a link without any brackets (GitHub Flavored Markdown, 6.9): https://… and www.…
_ADDRESS: Final = re.compile(r"((?<=\w)(?=://)|\bwww(?=\.))([:.])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mark:
    """How a box stands.

    Attributes:
        is_ticked: whether it is proved; nothing else is a tick.
        note: one line of why, for its footnote; empty for none.
    """

    is_ticked: bool
    note: str = ""


def render(checklist: Checklist, marks: Mapping[str, Mark]) -> str:
    """The Markdown, byte for byte, but for the boxes and the footnotes.

    Args:
        checklist: as it was read.
        marks: by the id of a box; a box without one is not ticked, whatever the text said.
    """
    lines = checklist.markdown.splitlines(keepends=True)
    notes = []
    for box in checklist.boxes:
        mark = marks.get(box.id, Mark(is_ticked=False))
        line = lines[box.line]
        content = line.rstrip("\r\n")
        ending = line[len(content) :]
        tick = "x" if mark.is_ticked else " "
        reference = ""
        if mark.note:
            reference = f"[^{box.id}]"
            notes.append(f"[^{box.id}]: {_as_words(mark.note)}")
        lines[box.line] = content[: box.mark] + tick + content[box.mark + 1 :] + reference + ending
    text = "".join(lines)
    if not notes:
        return text
    return text + ("\n" if text.endswith("\n") else "\n\n") + "\n".join(notes) + "\n"


def _as_words(note: str) -> str:
    """A note as one line that Markdown shows as it is: no link, no HTML, nothing set off."""
    printable = "".join(each if each.isprintable() else " " for each in note)
    return _ADDRESS.sub(r"\1\\\2", _MARKUP.sub(r"\\\g<0>", " ".join(printable.split())))
