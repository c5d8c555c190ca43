"""What the charts draw, trace by trace."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from dashboard import charts
from engine.attempts.summary import Percentiles, Summary
from engine.errors import TAXONOMY, ErrorCode
from tests.dashboard.summaries import END, WINDOW, summary

_FAST = Percentiles(4_000, 9_000, 12_345)
_SLOW = Percentiles(150_000, 210_000, 480_000)


def durations(found: Summary) -> dict[str, Any]:
    figure: dict[str, Any] = json.loads(charts.durations(found))
    return figure


def errors(found: Summary) -> dict[str, Any]:
    figure: dict[str, Any] = json.loads(charts.errors(found))
    return figure


def words(figure: dict[str, Any]) -> list[str]:
    return [annotation["text"] for annotation in figure["layout"].get("annotations", [])]


def test_percentiles_are_drawn_in_milliseconds_in_the_middle_of_their_bucket() -> None:
    found = summary(committed=9, buckets=[(4, _FAST), (5, _SLOW)])

    figure = durations(found)

    assert [trace["name"] for trace in figure["data"]][:4] == ["P50", "P95", "P99", "Attempts"]
    assert [trace["y"] for trace in figure["data"]][:4] == [
        [4.0, 150.0],
        [9.0, 210.0],
        [12.3, 480.0],
        [4, 5],
    ]
    assert figure["data"][0]["x"] == ["2026-03-01T11:59:55+00:00", "2026-03-01T12:00:05+00:00"]


def test_the_newest_bucket_stands_in_the_middle_of_what_is_known_of_it() -> None:
    figure = durations(
        summary(committed=9, buckets=[(4, _FAST), (5, _FAST)], end=END - timedelta(seconds=6))
    )

    assert figure["data"][0]["x"][1] == "2026-03-01T12:00:02+00:00"
    assert figure["data"][3]["width"] == [8_000, 3_200]


def test_a_time_without_attempts_breaks_the_lines() -> None:
    figure = durations(summary(committed=9, buckets=[(4, _FAST), (0, None), (5, _FAST)]))

    for trace in figure["data"][:3]:
        assert trace["y"][1] is None
        assert trace["connectgaps"] is False
    assert figure["data"][3]["y"] == [4, 0, 5]


def test_the_time_axis_is_the_window_however_little_is_known_of_it() -> None:
    figure = durations(summary(committed=9, buckets=[(9, _FAST)]))

    start, end = figure["layout"]["xaxis"]["range"]
    assert start == (END - WINDOW).isoformat()
    assert end == END.isoformat()


def test_a_bucket_that_is_not_over_says_so() -> None:
    figure = durations(summary(committed=9, buckets=[(1, _FAST), (8, _FAST)]))

    assert figure["data"][0]["customdata"] == [
        "1 attempt from 11:59:50 UTC",
        "8 attempts from 12:00:00 UTC, so far",
    ]
    faint = figure["data"][3]["marker"]["opacity"]
    assert faint[1] < faint[0]


@pytest.mark.parametrize(
    ("highest_us", "drawn", "told"),
    [
        (20_000, [], "Targets above this scale: P95 500 ms, P99 1,000 ms"),
        (199_900, [], "Targets above this scale: P95 500 ms, P99 1,000 ms"),
        (200_000, ["Target P95 500 ms"], "Target above this scale: P99 1,000 ms"),
        (400_000, ["Target P95 500 ms", "Target P99 1,000 ms"], ""),
    ],
)
def test_targets_are_drawn_where_the_scale_reaches_them_and_told_where_not(
    highest_us: int, drawn: list[str], told: str
) -> None:
    found = summary(committed=9, buckets=[(9, Percentiles(1, 1, highest_us))])

    assert [trace["name"] for trace in durations(found)["data"][4:]] == drawn
    assert charts.targets_out_of_sight(found) == told


def test_without_attempts_both_charts_say_so_and_draw_nothing() -> None:
    for figure in (durations(summary()), errors(summary())):
        assert figure["data"] == []
        assert words(figure) == ["No attempts in this window"]
    assert charts.targets_out_of_sight(summary()) == ""


def test_no_errors_is_said_of_a_number_of_attempts() -> None:
    figure = errors(summary(committed=1_234))

    assert figure["data"] == []
    assert words(figure) == ["No errors among 1,234 attempts"]


def test_errors_are_sorted_and_told_apart_by_whose_they_are() -> None:
    found = summary(
        committed=90,
        codes={
            ErrorCode.QUOTE_ALREADY_SENT: 3,
            ErrorCode.DATABASE_TIMEOUT: 2,
            ErrorCode.QUOTE_VALIDATION_FAILED: 5,
        },
    )

    ours, callers = errors(found)["data"]

    assert (ours["name"], ours["marker"]["color"]) == ("Our failures", charts.RED)
    assert (ours["y"], ours["x"], ours["text"]) == (["DATABASE_TIMEOUT"], [2], ["2"])
    assert (callers["name"], callers["marker"]["color"]) == ("Callers' errors", charts.AMBER)
    assert callers["y"] == ["QUOTE_VALIDATION_FAILED", "QUOTE_ALREADY_SENT"]
    assert callers["customdata"] == ["5 %", "3 %"]
    # Plotly counts the rows of such a chart from below.
    assert errors(found)["layout"]["yaxis"]["categoryarray"] == [
        "DATABASE_TIMEOUT",
        "QUOTE_ALREADY_SENT",
        "QUOTE_VALIDATION_FAILED",
    ]


def test_a_rare_failure_of_ours_is_never_left_out() -> None:
    codes = {code: 100 - number for number, code in enumerate(TAXONOMY)}
    codes[ErrorCode.INTERNAL_ERROR] = 1

    figure = errors(summary(committed=90, codes=codes))

    drawn = [code for trace in figure["data"] for code in trace["y"]]
    assert ErrorCode.INTERNAL_ERROR.value in drawn
    assert len(drawn) == len(set(drawn)) == 8
    assert sum(number for trace in figure["data"] for number in trace["x"]) == sum(codes.values())
    assert figure["layout"]["yaxis"]["categoryarray"][0] == "11 other codes"


def test_a_chart_is_redrawn_for_new_numbers_and_for_another_operation_only() -> None:
    found = summary(committed=5)

    assert charts.errors(found) is charts.errors(summary(committed=5))
    assert charts.errors(found) != charts.errors(summary(committed=6, end=END + WINDOW))
