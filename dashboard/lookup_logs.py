"""The log lines of an attempt on the lookup page, and whether they say what the ledger says."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import pandas as pd
import streamlit as st

from dashboard import engine_in_process, wording
from dashboard.panels import ROW_HEIGHT
from engine.attempts import line_words
from engine.attempts.lines import CANONICAL, FIELDS, differences
from engine.attempts.story import Story
from engine.attempts.words import Row, printable
from engine.log_search import Found, Logged, naming

TITLE: Final = "In the log"
# Read within a blink, and it goes on from when the attempt began.
_BYTES_MAX: Final = 64 * 1024 * 1024
_LINES_MAX: Final = 1000
# A request that is logged more often than this is looked at in a terminal.
_SHOWN_MAX: Final = 50
_VALUE_MAX: Final = 120
_KEPT_S: Final = 5.0
_FOUND_MAX: Final = 32
_WHEN_WIDTH: Final = 190
_SAID_WIDTH: Final = 800


@dataclass(frozen=True, slots=True)
class Lines:
    """What the log files of this host have of an attempt.

    Attributes:
        own: its canonical lines; several where a process was killed right after the first.
        others: with its correlation id or its own.
        is_cut: whether there may be more.
    """

    own: tuple[Logged, ...]
    others: tuple[Logged, ...]
    is_cut: bool


def section(story: Story) -> None:
    """Draws the lines of an attempt."""
    directory = engine_in_process.runtime().lines.file.directory
    _draw(find(directory, story.row), story.row)


def find(directory: Path, row: Row) -> Lines:
    """Looks for the lines of an attempt.

    Args:
        directory: of the log files.
        row: of the view `ledger`, by column.
    """
    attempt = str(row["id"])
    period = engine_in_process.runtime().clock.monotonic() // _KEPT_S
    found = _named(directory, attempt, row["correlation_id"], row["started_at"], period)
    own = tuple(each for each in found.lines if _is_canonical(each, attempt))
    others = tuple(each for each in found.lines if not _is_canonical(each, attempt))
    return Lines(own, others, found.is_cut)


# A viewer who clicks about, and others who look at the same, need not have it read again; but
# not longer than a period.
@functools.lru_cache(maxsize=_FOUND_MAX)
def _named(
    directory: Path, attempt: str, correlation_id: str, since: datetime, _period: float
) -> Found:
    return naming(
        directory,
        {attempt, correlation_id},
        since=since,
        bytes_max=_BYTES_MAX,
        lines_max=_LINES_MAX,
    )


def verdict(lines: Lines, row: Row) -> str:
    """What the log says of the attempt, and whether that is what the ledger says; words of ours."""
    if not lines.own:
        more = " Not all files were looked through." if lines.is_cut else ""
        return (
            "There is no log line of this attempt on this host. A line stays on the host of the"
            " instance that is named in the facts and goes with age, or with its file; older"
            " releases wrote none."
            f"{more}"
        )
    off = list(told_apart(lines, row))
    if off:
        fields = wording.counted(len(off), "field")
        return f"The log and the ledger differ in {fields}:"
    twice = "" if len(lines.own) == 1 else f" It is there {len(lines.own)} times, see below."
    return f"The log line says what the ledger says, in all {len(FIELDS)} fields.{twice}"


def told_apart(lines: Lines, row: Row) -> Iterator[str]:
    """Each field in which a line and the ledger differ, once."""
    found = {each for line in lines.own for each in differences(line.fields, row)}
    for field, here, there in sorted(found):
        yield f"{field}: {_cut(here)} in the log, {_cut(there)} in the ledger"


def table(lines: Lines) -> pd.DataFrame:
    """The lines, oldest first: the attempt's own, and as many others as fit."""
    room = max(_SHOWN_MAX - len(lines.own), 0)
    shown = sorted([*lines.own, *lines.others[:room]], key=lambda each: each.at)
    return pd.DataFrame(
        {
            "Written": [line_words.when(each.at) for each in shown],
            "Line": [line_words.event(each.fields) for each in shown],
            "What it says": [line_words.told(each.fields) for each in shown],
        }
    )


def _draw(lines: Lines, row: Row) -> None:
    st.header(TITLE, anchor=False)
    with st.container(key="log-lines"):
        off = list(told_apart(lines, row))
        if off:
            st.badge("Log and ledger differ", color="red", icon=":material/difference:")
        st.caption(verdict(lines, row))
        if off:
            st.code("\n".join(off), language=None)
        if len(lines.own) > 1:
            st.caption(
                "A process that is killed right after its line leaves it to be written again"
            )
        shown = table(lines)
        if shown.empty:
            return
        st.dataframe(
            shown,
            hide_index=True,
            row_height=ROW_HEIGHT,
            height="content",
            key="log",
            alt="Log lines with its ids",
            column_config={
                "Written": st.column_config.TextColumn(width=_WHEN_WIDTH),
                "Line": st.column_config.TextColumn(width=_WHEN_WIDTH),
                "What it says": st.column_config.TextColumn(width=_SAID_WIDTH),
            },
        )
        more = len(lines.own) + len(lines.others) - len(shown)
        if more or lines.is_cut:
            st.caption("There are more: saveguard logs finds them all")
        if lines.own:
            with st.expander("As it was written", icon=":material/data_object:", key="log-raw"):
                st.code("\n".join(each.raw for each in lines.own), language="json", wrap_lines=True)


def _is_canonical(line: Logged, attempt: str) -> bool:
    event = line.fields.get("event")
    is_canonical = isinstance(event, str) and event in CANONICAL
    return is_canonical and line.fields.get("id") == attempt


def _cut(value: str) -> str:
    text = printable(value)
    return text if len(text) <= _VALUE_MAX else f"{text[:_VALUE_MAX]}…"
