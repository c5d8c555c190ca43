"""What the chart of durations draws, trace by trace, and what it says."""

from __future__ import annotations

import json
from datetime import timedelta
from math import log10
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dashboard import duration_chart
from engine.quotes.lifecycle import Operation
from engine.rollups.selection import Filter
from engine.slo.overview import Overview, Percentiles
from tests.dashboard.summaries import END, WINDOW, summary

_FAST = Percentiles(4_000, 9_000, 12_390)
_SLOW = Percentiles(150_000, 210_000, 480_000)
_KOLKATA = ZoneInfo("Asia/Kolkata")


def drawn(found: Overview, zone: ZoneInfo | None = None) -> dict[str, Any]:
    figure: dict[str, Any] = json.loads(duration_chart.draw(found, zone))
    return figure


def words(figure: dict[str, Any]) -> list[str]:
    return [annotation["text"] for annotation in figure["layout"].get("annotations", [])]


def test_percentiles_are_drawn_in_milliseconds_in_the_middle_of_their_bucket() -> None:
    figure = drawn(summary(committed=9, buckets=[(4, _FAST), (5, _SLOW)]))

    assert [trace.get("name") for trace in figure["data"]][:4] == ["P50", "P95", "P99", "Attempts"]
    assert [trace["y"] for trace in figure["data"]][:4] == [
        [4.0, 150.0],
        [9.0, 210.0],
        [12.39, 480.0],
        [4, 5],
    ]
    assert figure["data"][0]["x"] == ["2026-03-01T11:59:55+00:00", "2026-03-01T12:00:05+00:00"]


def test_a_duration_is_told_as_the_cards_tell_it() -> None:
    figure = drawn(summary(committed=9, buckets=[(9, _FAST)]))

    assert figure["data"][2]["customdata"] == ["12.3 ms"]
    assert figure["data"][2]["hovertemplate"].startswith("P99 %{customdata}<")


def test_one_pointer_tells_all_that_is_known_of_an_instant() -> None:
    layout = drawn(summary(committed=9, buckets=[(9, _FAST)]))["layout"]

    assert layout["hovermode"] == "x unified"
    assert layout["hoversubplots"] == "axis"


def test_the_newest_bucket_stands_in_the_middle_of_what_is_known_of_it() -> None:
    figure = drawn(
        summary(committed=9, buckets=[(4, _FAST), (5, _FAST)], now=END - timedelta(seconds=6))
    )

    assert figure["data"][0]["x"][1] == "2026-03-01T12:00:02+00:00"
    assert figure["data"][3]["width"] == [8_000, 3_200]


def test_a_time_without_attempts_breaks_the_lines() -> None:
    figure = drawn(summary(committed=9, buckets=[(4, _FAST), (0, None), (5, _FAST)]))

    for trace in figure["data"][:3]:
        assert trace["y"][1] is None
        assert trace["connectgaps"] is False
    assert figure["data"][3]["y"] == [4, 0, 5]


def test_the_time_axis_is_the_window_however_little_is_known_of_it() -> None:
    figure = drawn(summary(committed=9, buckets=[(9, _FAST)]))

    start, end = figure["layout"]["xaxis"]["range"]
    assert start == (END - WINDOW).isoformat()
    assert end == END.isoformat()
    assert "%Y, UTC" in figure["layout"]["xaxis"]["tickformat"]


def test_a_bucket_that_is_not_over_says_so() -> None:
    figure = drawn(summary(committed=9, buckets=[(1, _FAST), (8, _FAST)]))

    assert figure["data"][3]["customdata"] == [
        "1 attempt from 11:59:50 UTC",
        "8 attempts from 12:00:00 UTC, so far",
    ]
    faint = figure["data"][3]["marker"]["opacity"]
    assert faint[1] < faint[0]


def test_an_instant_is_told_in_the_viewers_zone_too() -> None:
    found = summary(committed=9, buckets=[(9, _FAST)])

    (said,) = drawn(found, _KOLKATA)["data"][3]["customdata"]

    assert said.startswith("9 attempts from 12:00:00 UTC (17:30:00 Asia/Kolkata)")
    assert drawn(found)["data"][3]["customdata"] != [said], "each zone has a figure of its own"


@pytest.mark.parametrize("highest_us", [5_000, 900_000, 10_050_612])
def test_targets_and_curves_are_in_sight_together_however_far_apart(highest_us: int) -> None:
    """One attempt of ten seconds must not press the others to the floor."""
    figure = drawn(summary(committed=9, buckets=[(9, Percentiles(700, 2_000, highest_us))]))

    axis = figure["layout"]["yaxis"]
    assert axis["type"] == "log"
    least, most = axis["range"]
    assert least <= log10(0.7)
    assert most > log10(max(highest_us / 1_000, 1_000))
    assert [trace["y"][0] for trace in figure["data"][4:]] == [500.0, 1_000.0]
    assert words(figure)[:2] == ["Target P95 500 ms", "Target P99 1,000 ms"]
    assert {"1 ms", "10 ms", "100 ms", "1,000 ms"} <= set(axis["ticktext"])


def test_a_duration_of_nothing_has_a_place_on_the_scale() -> None:
    figure = drawn(summary(committed=9, buckets=[(9, Percentiles(0, 0, 0))]))

    assert figure["data"][0]["y"] == [0.001]
    assert figure["data"][0]["customdata"] == ["0.0 ms"]


def test_attempts_of_the_bucket_that_the_window_cuts_off_leave_an_empty_frame() -> None:
    figure = drawn(summary(committed=9, buckets=[(0, None)]))

    assert [trace["y"] for trace in figure["data"][:3]] == [[None]] * 3
    assert "1,000 ms" in figure["layout"]["yaxis"]["ticktext"]


def test_a_marker_on_the_edge_is_drawn_whole() -> None:
    figure = drawn(summary(committed=9, buckets=[(9, _FAST)]))

    assert {trace["cliponaxis"] for trace in figure["data"][:3]} == {False}


def test_without_attempts_it_says_of_which_operation_there_are_none() -> None:
    figure = drawn(summary(wanted=Filter(Operation.EXPIRE)))

    assert figure["data"] == []
    assert words(figure) == ["No EXPIRE attempts in the last 5 minutes"]


def test_those_who_do_not_see_it_are_told_its_numbers() -> None:
    found = summary(committed=1_234, buckets=[(4, _SLOW), (5, _FAST)])

    assert duration_chart.told(found) == (
        "Duration, per 10 s: line chart. Last 5 minutes in all: P50 20.1 ms, P95 20.1 ms,"
        " P99 20.1 ms, of 1,234 attempts. The highest P99 is 480.0 ms, from 11:59:50 UTC."
        " Targets: P95 500 ms, P99 1,000 ms."
    )
    assert duration_chart.told(summary()) == ("Duration: No attempts in the last 5 minutes.")
