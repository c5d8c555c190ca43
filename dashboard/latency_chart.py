"""The chart of one percentile over time, a line for each operation, as a serialised figure."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import Any, Final

from dashboard import figures, plot, wording
from dashboard.latency_tables import NAMES
from engine.quotes.lifecycle import Operation
from engine.rollups.grid import Tier, Window
from engine.rollups.histogram import TOLD_SHARES, percentiles_us
from engine.rollups.latency import Latency
from engine.rollups.series import Bucket
from engine.slo.objectives import LIMITS

TITLE: Final = "Percentile over time"
_HEIGHT: Final = 300
_MILLI: Final = 1_000
# Above the highest value or target, as a factor: room for the words on the target.
_HEADROOM: Final = 2.0
_ALL: Final = "All operations"
_TARGETS_US: Final = {"P95": LIMITS.p95_us, "P99": LIMITS.p99_us}
_EACH: Final = {
    Tier.TEN_SECONDS: "10 s",
    Tier.MINUTE: "minute",
    Tier.HOUR: "hour",
    Tier.DAY: "day",
}
_LABELS: Final = {
    Tier.TEN_SECONDS: "%H:%M\n%-d %b %Y, UTC",
    Tier.MINUTE: "%H:%M\n%-d %b %Y, UTC",
    Tier.HOUR: "%H:%M\n%-d %b, UTC",
    Tier.DAY: "%-d %b\n%Y, UTC",
}


def title(latency: Latency) -> str:
    """What the chart shows, and how long each of its points is."""
    return f"{TITLE}, per {_EACH[latency.tier]}"


def time_axis(window: Window, tier: Tier) -> dict[str, Any]:
    """The layout of an axis of time, for figures of this page."""
    return {
        "range": [window.start, window.end],
        "tickformat": _LABELS[tier],
        "tickangle": 0,
        # Few enough for a phone.
        "nticks": 5,
        "ticklabelstandoff": figures.STANDOFF,
    }


def draw(latency: Latency, name: str) -> str:
    """One percentile over time; times without attempts stay blank.

    The scale is logarithmic, so that operations a hundred times apart can be read in one chart.

    Args:
        latency: what is drawn.
        name: of the percentile, one of `NAMES`.
    """
    traces: list[plot.Trace] = []
    labels: list[dict[str, Any]] = []
    span = Window(latency.course[0].start, latency.present.window.end)
    drawn: list[float] = []
    for label, course, width in _lines(latency):
        values = _values(course, name)
        known = [each for each in values if each is not None]
        drawn += known
        traces.append(_line(label, latency.tier, course, values, width))
    target_us = _TARGETS_US.get(name)
    if target_us is not None:
        drawn.append(target_us / _MILLI)
        traces.append(_target(span, target_us))
        labels.append(_target_label(name, target_us))
    lowest = log10(min(drawn, default=1.0))
    highest = log10(max(drawn, default=1.0) * _HEADROOM)
    powers = range(floor(lowest), ceil(highest) + 1)
    places = [step * 10.0**power for power in powers for step in _steps(lowest, highest)]
    layout = figures.layout(
        _HEIGHT,
        annotations=labels,
        hovermode="x unified",
        xaxis={
            **time_axis(span, latency.tier),
            "unifiedhovertitle": {"text": "%{x|%-d %b %Y %H:%M:%S} UTC"},
            "spikecolor": figures.SLATE,
            "spikethickness": 1,
        },
        yaxis={
            "type": "log",
            "range": [lowest - 0.1, highest],
            "tickvals": places,
            "ticktext": [f"{place:,g} ms" for place in places],
            "ticklabelstandoff": figures.STANDOFF,
        },
    )
    return plot.serialised(traces, layout)


def told(latency: Latency, name: str) -> str:
    """The chart for those who do not see it."""
    found = percentiles_us(latency.present.counts.histogram, [_share(name)])
    course = [
        (value, bucket.start)
        for value, bucket in zip(_values(latency.course, name), latency.course, strict=True)
        if value is not None
    ]
    peak = ""
    if course:
        highest, since = max(course)
        peak = (
            f" It is highest from {since:%Y-%m-%d %H:%M:%S} UTC,"
            f" with {wording.milliseconds(int(highest * _MILLI))}."
        )
    in_all = "no data" if found is None else wording.milliseconds(int(found[0]))
    return (
        f"{name} of durations over time: line chart, a line for each operation."
        f" {wording.window_words(latency.length)} in all: {in_all}.{peak}"
    )


def _lines(latency: Latency) -> list[tuple[str, Sequence[Bucket], float]]:
    """Name, course and width of each line.

    Every operation has its place, with or without attempts: so each keeps its colour.
    """
    wanted = latency.wanted.operation
    lines: list[tuple[str, Sequence[Bucket], float]] = [
        (_ALL, latency.course if wanted is None else (), 3)
    ]
    for operation in Operation:
        course = latency.course if operation is wanted else latency.courses.get(operation, ())
        lines.append((operation.name, course, 1.5))
    return lines


def _share(name: str) -> float:
    return TOLD_SHARES[NAMES.index(name)]


def _values(course: Sequence[Bucket], name: str) -> list[float | None]:
    """The percentile of each part of a course, in milliseconds."""
    found = [percentiles_us(bucket.counts.histogram, [_share(name)]) for bucket in course]
    return [None if each is None else each[0] / _MILLI for each in found]


def _line(
    label: str, tier: Tier, course: Sequence[Bucket], values: list[float | None], width: float
) -> plot.Trace:
    words = [
        ""
        if value is None
        else f"{wording.milliseconds(int(value * _MILLI))},"
        f" {wording.counted(bucket.counts.timed, 'attempt')}"
        for value, bucket in zip(values, course, strict=True)
    ]
    return {
        "type": "scatter",
        # A point stands in the middle of the time that it is about.
        "x": [bucket.start + tier.length / 2 for bucket in course],
        "y": values,
        "name": label,
        "mode": "lines+markers",
        "marker": {"size": 4},
        "line": {"width": width},
        "connectgaps": False,
        "showlegend": bool(course),
        "customdata": words,
        "hovertemplate": f"{label} %{{customdata}}<extra></extra>",
    }


def _target(span: Window, target_us: int) -> plot.Trace:
    return {
        "type": "scatter",
        "x": [span.start, span.end],
        "y": [target_us / _MILLI] * 2,
        "mode": "lines",
        "line": {"color": figures.SLATE, "width": 1.5, "dash": "dash"},
        "showlegend": False,
        "hoverinfo": "skip",
    }


def _target_label(name: str, target_us: int) -> dict[str, Any]:
    return {
        "text": f"Target {name} {wording.limit(target_us)}",
        "x": 0,
        "xref": "paper",
        "xanchor": "left",
        # On a logarithmic axis places are told by their logarithm.
        "y": log10(target_us / _MILLI),
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": 11},
    }


def _steps(lowest: float, highest: float) -> tuple[int, ...]:
    """Which multiples of a power of ten the axis names: more where it has few powers."""
    return (1, 2, 5) if highest - lowest < 2 else (1,)  # noqa: PLR2004  # decades
