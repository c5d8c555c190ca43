"""The picture of what ran beside an attempt on its quote: who was faster, and by how much."""

from __future__ import annotations

import html
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from dashboard import figures, plot
from engine.attempts.story import Neighbour, Story
from engine.attempts.words import ended_at, printable

TITLE: Final = "Beside it on the same quote"
# What is further apart did not run side by side, and would make a line of every bar.
_WITHIN: Final = timedelta(seconds=10)
_ROW_HEIGHT: Final = 34
_FRAME_HEIGHT: Final = 56
_ID_MAX: Final = 32
_ROOM: Final = 0.2
_COLOURS: Final = {"committed": "#15803D", "replayed": "#2563EB"}


class Run(NamedTuple):
    """An attempt as a bar.

    Attributes:
        name: its correlation id, shortened.
        started_at: where it begins.
        length_ms: how long it is.
        outcome: how it ended.
        is_told: whether it is the one that the story is of.
    """

    name: str
    started_at: datetime
    length_ms: float
    outcome: str
    is_told: bool


def runs(story: Story) -> list[Run]:
    """The attempt and those beside it, oldest first; empty when it was alone."""
    start, end = story.key.started_at, ended_at(story.row)
    beside = [
        each
        for each in story.on_quote
        if each.started_at <= end + _WITHIN and _ended(each) >= start - _WITHIN
    ]
    if not beside:
        return []
    row = story.row
    told = Run(
        _name(row["correlation_id"]), start, row["duration_us"] / 1000, row["outcome"], is_told=True
    )
    found = [
        told,
        *(
            Run(
                _name(each.correlation_id),
                each.started_at,
                each.duration_us / 1000,
                each.outcome,
                is_told=False,
            )
            for each in beside
        ),
    ]
    return sorted(found, key=lambda each: each.started_at)


def draw(found: list[Run]) -> str:
    """The figure, serialised; a bar for each attempt, from its start to its end."""
    origin = next(each.started_at for each in found if each.is_told)
    names = [f"{number + 1}. {_label(each)}" for number, each in enumerate(found)]
    bars: plot.Trace = {
        "type": "bar",
        "orientation": "h",
        "y": names,
        "base": [_since(each.started_at, origin) for each in found],
        "x": [each.length_ms for each in found],
        "marker": {"color": [_colour(each) for each in found]},
        "text": [each.outcome for each in found],
        "textposition": "auto",
        "hovertemplate": "%{y}<br>%{base:.1f} ms, for %{x:.1f} ms<extra></extra>",
    }
    first, last = _since(found[0].started_at, origin), max(_ends(each, origin) for each in found)
    # Words on a bar stand behind it when it is too short for them.
    room = (last - first) * _ROOM
    layout = figures.layout(
        _FRAME_HEIGHT + _ROW_HEIGHT * len(found),
        showlegend=False,
        bargap=0.35,
        xaxis={
            "title": {"text": "ms since it was received"},
            "zeroline": True,
            "range": [first - room / 2, last + room],
        },
        yaxis={"autorange": "reversed"},
    )
    return plot.serialised([bars], layout)


def told(found: list[Run]) -> str:
    """The picture for those who do not see it."""
    origin = next(each.started_at for each in found if each.is_told)
    parts = [
        f"{'this attempt' if each.is_told else each.name}: {each.outcome},"
        f" from {_since(each.started_at, origin):,.1f} ms for {each.length_ms:,.1f} ms"
        for each in found
    ]
    return f"{TITLE}: {'; '.join(parts)}."


def _ended(neighbour: Neighbour) -> datetime:
    return neighbour.started_at + timedelta(microseconds=neighbour.duration_us)


def _name(correlation_id: str) -> str:
    plain = printable(correlation_id)
    return plain if len(plain) <= _ID_MAX else f"{plain[:_ID_MAX]}…"


def _label(run: Run) -> str:
    """Plotly reads a part of HTML in its labels."""
    return "this attempt" if run.is_told else html.escape(run.name)


def _since(instant: datetime, origin: datetime) -> float:
    return (instant - origin) / timedelta(milliseconds=1)


def _ends(run: Run, origin: datetime) -> float:
    return _since(run.started_at, origin) + run.length_ms


def _colour(run: Run) -> str:
    if run.outcome in _COLOURS:
        return _COLOURS[run.outcome]
    return figures.RED if run.outcome in {"failed", "indeterminate"} else figures.AMBER
