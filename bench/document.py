"""The performance page: each bench owns a part of it, and a file with its numbers beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

_REFERENCE: Final = Path(__file__).resolve().parent.parent / "docs" / "reference"
_DOCUMENT: Final = _REFERENCE / "performance.md"


def write_part(name: str, lines: Sequence[str]) -> None:
    """Replaces the part of the page that a bench owns.

    Args:
        name: of the bench, as in `bench.save`.
        lines: of Markdown.

    Raises:
        ValueError: the page has no such part.
    """
    _DOCUMENT.write_text(with_part(_DOCUMENT.read_text(), name, lines))


def with_part(text: str, name: str, lines: Sequence[str]) -> str:
    """A page whose part of that name is these lines.

    Raises:
        ValueError: the page has no such part.
    """
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    part = "\n".join([begin, *lines, end])
    changed, count = pattern.subn(lambda _: part, text)
    if not count:
        raise ValueError(f"the page has no part between {begin} and {end}")
    return changed


def write_numbers(name: str, results: Mapping[str, Any]) -> None:
    """Writes a bench's results as JSON beside the page."""
    path = _REFERENCE / _file_of(name)
    path.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")


def link_to_numbers(name: str) -> str:
    """The sentence of the page that leads to a bench's file of numbers."""
    return f"Every number, round by round: [{_file_of(name)}]({_file_of(name)})."


def _file_of(name: str) -> str:
    return f"performance-{name.rpartition('.')[2]}.json"


def measured_on(facts: Mapping[str, Any]) -> str:
    """The sentence that says what the numbers were measured on, from `measure.machine`."""
    return (
        f"Measured at commit `{facts['commit']}` on {facts['processors']} processors"
        f" ({facts['processor']}), {facts['memory_gib']} GiB, {facts['system']},"
        f" Python {facts['python']}."
    )


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    return [
        "| " + " | ".join(headings) + " |",
        "|" + "---|" * len(headings),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
