"""The chart of errors by code, from a summary to a serialised Plotly figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from dashboard import figures, plot, status, wording
from dashboard.error_codes import worth_drawing
from engine.slo.overview import ErrorCount, Overview

TITLE: Final = "Errors by code"
# A chart lower than this has no room for its legend.
_ROWS_ROOM: Final = 3
# Pixels for each row, and for what stands above them.
_ROW_HEIGHT: Final = 28
_HEAD_HEIGHT: Final = 44
# Beyond the longest bar, as a factor, for its number.
_ROOM_FOR_NUMBER: Final = 1.12
_GROUPS: Final = (
    ("Our failures", figures.RED, True),
    ("Callers' errors", figures.AMBER, False),
)


class _Row(NamedTuple):
    name: str
    attempts: int
    is_ours: bool


def draw(summary: Overview) -> str:
    """Attempts by error code, ours and the callers'."""
    if not summary.attempts:
        return figures.nothing(wording.no_attempts(summary.wanted, summary.length))
    if not summary.errors:
        return figures.nothing(_no_errors(summary))
    rows = _rows(summary.errors)
    # Hardly higher than its rows: a phone would show a screen of nothing below a single bar.
    room = max(len(rows), _ROWS_ROOM)
    traces = [
        _bars(name, colour, bars, summary.attempts)
        for name, colour, is_ours in _GROUPS
        if (bars := [row for row in rows if row.is_ours is is_ours])
    ]
    longest = max(row.attempts for row in rows)
    layout = figures.layout(
        _HEAD_HEIGHT + _ROW_HEIGHT * room,
        barmode="stack",
        bargap=0.35,
        legend={"traceorder": "normal"},
        xaxis={"visible": False, "range": [0, longest * _ROOM_FOR_NUMBER]},
        yaxis={
            "categoryorder": "array",
            # Plotly counts the rows of such a chart from below.
            "categoryarray": [row.name for row in reversed(rows)],
            # A few bars stand at the top and stay slim, instead of filling the height.
            "range": [len(rows) - 0.5 - room, len(rows) - 0.5],
            "ticklabelstandoff": figures.STANDOFF,
        },
    )
    return plot.serialised(traces, layout)


def without_a_bar(summary: Overview) -> str:
    """Names the codes that share the last bar."""
    _, folded = worth_drawing(summary.errors)
    return f"Other codes: {status.codes(folded)}" if folded else ""


def told(summary: Overview) -> str:
    """The chart for those who do not see it."""
    if not summary.attempts:
        return f"{TITLE}: {wording.no_attempts(summary.wanted, summary.length)}."
    if not summary.errors:
        return f"{TITLE}: {_no_errors(summary)}."
    groups = [
        f"{name}: {status.codes(found)}."
        for name, _, is_ours in _GROUPS
        if (found := [error for error in summary.errors if error.is_ours is is_ours])
    ]
    return f"{TITLE}: bar chart. {' '.join(groups)}"


def _no_errors(summary: Overview) -> str:
    return f"No errors among {wording.counted(summary.attempts, 'attempt')}"


def _rows(found: Sequence[ErrorCount]) -> list[_Row]:
    """What is drawn, from above."""
    drawn, folded = worth_drawing(found)
    rows = [_Row(wording.code_name(each.error_code), each.count, each.is_ours) for each in drawn]
    if folded:
        total = sum(error.count for error in folded)
        rows.append(_Row(wording.counted(len(folded), "other code"), total, is_ours=False))
    return rows


def _bars(name: str, colour: str, rows: Sequence[_Row], attempts: int) -> plot.Trace:
    return {
        "type": "bar",
        "x": [row.attempts for row in rows],
        "y": [row.name for row in rows],
        "name": name,
        "orientation": "h",
        "marker": {"color": colour},
        "text": [wording.count(row.attempts) for row in rows],
        "textposition": "outside",
        "cliponaxis": False,
        "customdata": [wording.percent_at_least(row.attempts / attempts) for row in rows],
        "hovertemplate": "%{y}: %{x:,} (%{customdata} of attempts)<extra></extra>",
    }
