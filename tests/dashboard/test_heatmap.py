"""The heatmap's cells: which there are, what is drawn of them, and which a pointer means."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from dashboard import heatmap
from dashboard.plot import Rectangle
from engine.rollups import parts
from engine.rollups.counts import NOTHING, Counts
from engine.rollups.grid import charted_tier, starts, window_until
from engine.rollups.histogram import bucket_of
from engine.rollups.latency import Latency, Spell
from engine.rollups.selection import Filter
from engine.rollups.series import Bucket

NOW = datetime(2026, 3, 14, 12, 0, 7, tzinfo=UTC)
_LENGTHS = [
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(hours=24),
    timedelta(days=7),
    timedelta(days=30),
    timedelta(days=90),
]


def timed(*durations_us: int) -> Counts:
    histogram: dict[int, int] = {}
    for us in durations_us:
        histogram[bucket_of(us)] = histogram.get(bucket_of(us), 0) + 1
    return Counts(attempts=len(durations_us), timed=len(durations_us), histogram=histogram)


def reading(
    length: timedelta, counts: Callable[[int], Counts] = lambda _number: NOTHING
) -> Latency:
    """A reading whose nth part counts so."""
    window = window_until(NOW, length)
    tier = charted_tier(window, NOW)
    course = [Bucket(start, counts(number)) for number, start in enumerate(starts(window, tier))]
    spell = Spell(window, NOTHING, {})
    return Latency(NOW, length, Filter(), spell, spell, tier, course, {})


def pointed(column: heatmap.Column, at_us: int) -> Rectangle:
    """A click into a cell, as the browser tells it."""
    middle = column.window.start + column.window.length / 2
    return dragged(middle, middle, at_us, at_us)


def dragged(start: datetime, end: datetime, low_us: int, high_us: int) -> Rectangle:
    said = (f"{start:%Y-%m-%d %H:%M:%S}", f"{end:%Y-%m-%d %H:%M:%S}")
    return Rectangle(said, (heatmap.height(low_us), heatmap.height(high_us)))


@pytest.mark.parametrize("length", _LENGTHS)
def test_columns_follow_each_other_and_can_be_hit(length: timedelta) -> None:
    found = reading(length)

    columns = heatmap.cells(found).columns

    assert 20 <= len(columns) <= 101
    assert columns[0].window.start == found.course[0].start
    assert columns[-1].window.end == found.course[-1].start + found.tier.length
    for column, following in pairwise(columns):
        assert column.window.end == following.window.start


@pytest.mark.parametrize("length", _LENGTHS)
def test_no_attempt_is_lost_between_cells(length: timedelta) -> None:
    found = reading(length, lambda number: timed(900, 12_000 + 900 * number, 3_000_000))

    cells = heatmap.cells(found)

    assert cells.count(cells.columns, cells.bands) == 3 * len(found.course)


def test_a_window_without_durations_has_no_bands() -> None:
    assert heatmap.cells(reading(timedelta(minutes=5))).bands == ()


def test_a_click_means_the_cell_under_it() -> None:
    cells = heatmap.cells(reading(timedelta(minutes=5), lambda _: timed(900, 12_000, 900_000)))

    columns, bands = cells.chosen(pointed(cells.columns[3], 12_000))

    assert columns == (cells.columns[3],)
    (band,) = bands
    assert band.below_us is not None
    assert band.at_least_us <= 12_000 < band.below_us
    selection = cells.selection(columns, bands)
    assert selection.window == cells.columns[3].window
    assert (selection.at_least_us, selection.below_us) == (band.at_least_us, band.below_us)
    assert cells.count(columns, bands) == 1


def test_a_box_means_every_cell_that_it_touches() -> None:
    cells = heatmap.cells(reading(timedelta(minutes=5), lambda _: timed(900, 12_000, 900_000)))
    start = cells.columns[2].window.end - timedelta(seconds=1)
    end = cells.columns[4].window.start + timedelta(seconds=1)

    columns, bands = cells.chosen(dragged(start, end, 11_000, 800_000))

    assert columns == cells.columns[2:5]
    assert cells.count(columns, bands) == 6
    selection = cells.selection(columns, bands)
    assert selection.at_least_us == bands[0].at_least_us <= 11_000
    assert selection.below_us == bands[-1].below_us
    assert selection.below_us is not None
    assert selection.below_us > 800_000


def test_a_box_over_everything_means_whatever_has_a_duration() -> None:
    cells = heatmap.cells(reading(timedelta(minutes=5), lambda _: timed(900, 12_000)))

    selection = cells.selection(cells.columns, cells.bands)

    assert selection.part is parts.TIMED
    assert selection.at_least_us is selection.below_us is None


@pytest.mark.parametrize(
    "rectangle",
    [
        Rectangle(("yesterday", "today"), (0, 1)),
        Rectangle(("2026-03-13 12:00:00", "2026-03-13 12:01:00"), (0, 1)),
        Rectangle(("2026-03-14 11:59:00", "2026-03-14 11:59:30"), (8, 9)),
        Rectangle(("2026-03-14 11:59:00", "2026-03-14 11:59:30"), (float("nan"), float("nan"))),
    ],
)
def test_what_lies_beside_the_cells_means_none(rectangle: Rectangle) -> None:
    cells = heatmap.cells(reading(timedelta(minutes=5), lambda _: timed(900, 12_000)))

    columns, bands = cells.chosen(rectangle)

    assert not (columns and bands)


def test_cells_without_attempts_stay_blank_and_others_say_what_is_in_them() -> None:
    found = reading(timedelta(minutes=5), lambda number: timed(12_000) if number == 3 else NOTHING)

    figure: dict[str, Any] = json.loads(heatmap.draw(found))

    (trace,) = figure["data"]
    assert trace["z"] == [[0.0 if number == 3 else None for number in range(len(found.course))]]
    assert trace["customdata"][0][2] is None
    assert trace["customdata"][0][3].startswith("<b>1 attempt</b><br>14 Mar 11:55:30 to 11:55:40")
    # Both edges of every cell are drawn, so that a cell is as wide as the time it is about.
    assert len(trace["x"]) == len(found.course) + 1
    assert len(trace["y"]) == 2
