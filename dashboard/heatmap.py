"""The heatmap of durations: which cells there are, how they are drawn, and which were chosen.

A column is a span of time, a row a band of durations. Both have edges that the ledger has, too: a
cell counts exactly the attempts that its selection finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from math import log10
from typing import Final

from dashboard import figures, plot, wording
from dashboard.latency_chart import time_axis
from dashboard.plot import Rectangle
from engine.rollups import parts
from engine.rollups.bands import BANDS, Band, count_by_band
from engine.rollups.grid import EPOCH, Tier, Window
from engine.rollups.histogram import merged
from engine.rollups.latency import Latency
from engine.rollups.selection import Filter, Selection

TITLE: Final = "Attempts by duration"
_HEIGHT: Final = 380
_MILLI: Final = 1_000
# Cells must be wide enough to be hit with a pointer.
_MOST_COLUMNS: Final = 100
_WIDTHS: Final = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(days=1),
)
# Where a band without an end ends on the screen: the ledger's durations have 31 bits.
_ENDLESS_US: Final = 2**31
# Counts that the colour bar names, and names of round durations on the axis.
_NAMED_COUNTS: Final = tuple(step * 10**power for power in range(9) for step in (1, 3))
_NAMED_STEPS: Final = {"1", "2", "5"}

_LENGTHS: Final[dict[int, str]] = {
    60: "minute",
    300: "5 minutes",
    3_600: "hour",
    7_200: "2 hours",
    86_400: "day",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A span of time.

    Attributes:
        window: which.
        by_band: how many attempts are in which band, by its number.
    """

    window: Window
    by_band: dict[int, int]


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of a heatmap.

    Attributes:
        wanted: which attempts are looked at.
        columns: oldest first, without gaps; at least one.
        bands: from the shortest duration that occurs to the longest; empty if there is none.
    """

    wanted: Filter
    columns: tuple[Column, ...]
    bands: tuple[Band, ...]

    def count(self, columns: Sequence[Column], bands: Sequence[Band]) -> int:
        """How many attempts are in these cells."""
        return sum(column.by_band.get(band.number, 0) for column in columns for band in bands)

    def selection(self, columns: Sequence[Column], bands: Sequence[Band]) -> Selection:
        """The attempts in these cells.

        Args:
            columns: neighbours, at least one.
            bands: neighbours, at least one; all of them for any duration.
        """
        window = Window(columns[0].window.start, columns[-1].window.end)
        if tuple(bands) == self.bands:
            return Selection(window, self.wanted, part=parts.TIMED)
        return Selection(
            window, self.wanted, at_least_us=bands[0].at_least_us, below_us=bands[-1].below_us
        )

    def chosen(self, rectangle: Rectangle) -> tuple[tuple[Column, ...], tuple[Band, ...]]:
        """The cells that a rectangle of the chart touches; none where it lies beside them.

        Args:
            rectangle: in the chart's coordinates, as the browser reports them.
        """
        start, end = (_instant(each) for each in rectangle.x)
        low, high = rectangle.y
        if start is None or end is None:
            return (), ()
        columns = tuple(
            each for each in self.columns if each.window.start <= end and start < each.window.end
        )
        bands = tuple(each for each in self.bands if _place(each) <= high and low < _top(each))
        return columns, bands


def cells(latency: Latency) -> Cells:
    """The heatmap's cells of a reading."""
    width = _width(latency)
    columns = []
    for _, group in groupby(latency.course, lambda bucket: (bucket.start - EPOCH) // width):
        buckets = list(group)
        window = Window(buckets[0].start, buckets[-1].start + latency.tier.length)
        histogram = merged(bucket.counts.histogram for bucket in buckets)
        columns.append(Column(window, count_by_band(histogram)))
    found = [number for column in columns for number in column.by_band]
    bands = BANDS[min(found) : max(found) + 1] if found else ()
    return Cells(latency.wanted, tuple(columns), bands)


def _width(latency: Latency) -> timedelta:
    """How long a column is; the first and the last may be parts of one."""
    return next(
        each
        for each in _WIDTHS
        if each >= latency.tier.length
        and (each * _MOST_COLUMNS >= latency.length or each is _WIDTHS[-1])
    )


def title(latency: Latency) -> str:
    """What the chart shows, and how long its columns are."""
    seconds = int(_width(latency).total_seconds())
    return f"{TITLE}, per {_LENGTHS.get(seconds, f'{seconds} s')}"


def draw(latency: Latency) -> str:
    """How many attempts took how long, over time.

    Colours are those of the theme, on a logarithmic scale: one slow attempt has to be seen beside a
    column of thousands. Cells without attempts stay blank.

    Args:
        latency: what is drawn; with at least one duration.
    """
    found = cells(latency)
    counts = [[column.by_band.get(band.number) for column in found.columns] for band in found.bands]
    most = max(count for row in counts for count in row if count is not None)
    ticks = [count for count in _NAMED_COUNTS if count <= most]
    trace: plot.Trace = {
        "type": "heatmap",
        "x": [*(each.window.start for each in found.columns), found.columns[-1].window.end],
        "y": [*map(_place, found.bands), _top(found.bands[-1])],
        "z": [
            [None if count is None else round(log10(count), 3) for count in row] for row in counts
        ],
        "zmin": 0,
        "zmax": max(log10(most), 1),
        # Which is the theme's: see plot.js.
        "autocolorscale": True,
        "xgap": 1,
        "ygap": 1,
        "hoverongaps": False,
        "customdata": [
            [
                None if count is None else _words(column.window, band, count)
                for column, count in zip(found.columns, row, strict=True)
            ]
            for band, row in zip(found.bands, counts, strict=True)
        ],
        "hovertemplate": "%{customdata}<extra></extra>",
        "colorbar": {
            "title": {"text": "Attempts", "side": "right"},
            "tickvals": [log10(each) for each in ticks],
            "ticktext": [wording.count(each) for each in ticks],
            "thickness": 10,
            "outlinewidth": 0,
        },
    }
    named = [band for band in found.bands if _is_named(band)]
    layout = figures.layout(
        _HEIGHT,
        dragmode="select",
        selectdirection="any",
        showlegend=False,
        xaxis=time_axis(
            Window(found.columns[0].window.start, found.columns[-1].window.end), latency.tier
        ),
        yaxis={
            "range": [_place(found.bands[0]), _top(found.bands[-1])],
            "tickvals": [_place(band) for band in named],
            "ticktext": [edge(band) for band in named],
            "ticklabelstandoff": figures.STANDOFF,
            "showgrid": False,
            "zeroline": False,
        },
    )
    return plot.serialised([trace], layout)


def told(latency: Latency) -> str:
    """The chart for those who do not see it."""
    found = cells(latency)
    by_band = {band: found.count(found.columns, [band]) for band in found.bands}
    fullest = max(by_band, key=by_band.__getitem__)
    return (
        f"Heatmap of durations over time: {wording.counted(sum(by_band.values()), 'attempt')}"
        f" between {edge(found.bands[0])} and {top(found.bands[-1])},"
        f" most of them, {wording.count(by_band[fullest])}, {band_words(fullest)}."
        " The lists below the chart choose cells without a pointer."
    )


def edge(band: Band) -> str:
    """The round duration that a band begins near."""
    return _round(band.nominal_us)


def top(band: Band) -> str:
    """The round duration that a band ends near."""
    return _round(BANDS[band.number + 1].nominal_us) if band is not BANDS[-1] else "any length"


def band_words(band: Band) -> str:
    """About 10 ms to 15 ms."""
    if band is BANDS[-1]:
        return f"about {edge(band)} or longer"
    return f"about {edge(band)} to {top(band)}"


def column_words(window: Window) -> str:
    """25 Nov 12:03:10 to 12:03:20 UTC; whole days and minutes are told without what is zero."""
    length = window.end - window.start
    if length >= Tier.DAY.length:
        return f"{window.start:%-d %b %Y}, UTC"
    form = "%H:%M:%S" if length < Tier.MINUTE.length else "%H:%M"
    return f"{window.start:%-d %b {form}} to {window.end:{form}} UTC"


def _words(window: Window, band: Band, count: int) -> str:
    """A cell under the pointer, with its exact edges."""
    shortest = f"{band.at_least_us / _MILLI:,.3f}"
    longest = "any" if band.below_us is None else f"{(band.below_us - 1) / _MILLI:,.3f}"
    return (
        f"<b>{wording.counted(count, 'attempt')}</b><br>{column_words(window)}"
        f"<br>{shortest} to {longest} ms"
    )


def _round(us: int) -> str:
    return f"{us / _MILLI:,g} ms"


def _is_named(band: Band) -> bool:
    """Whether the axis names it: 1, 2 and 5 of each power of ten, not 1.5."""
    return str(band.nominal_us).rstrip("0") in _NAMED_STEPS


def height(us: int) -> float:
    """Where a duration stands on the axis: by the logarithm of its milliseconds."""
    return log10(us / _MILLI)


def _place(band: Band) -> float:
    return height(band.at_least_us)


def _top(band: Band) -> float:
    return height(_ENDLESS_US if band.below_us is None else band.below_us)


def _instant(said: str) -> datetime | None:
    """An instant on the chart's axis, which is in UTC and does not say so; None if it is none."""
    with suppress(ValueError):
        return datetime.fromisoformat(said.strip()).replace(tzinfo=UTC)
    return None
