"""What the chart of errors draws, bar by bar, and what it says."""

from __future__ import annotations

import json
from typing import Any

from dashboard import error_chart, figures
from engine.errors import TAXONOMY, ErrorCode
from engine.quotes.lifecycle import Operation
from engine.rollups.selection import Filter
from engine.slo.overview import Overview
from tests.dashboard.summaries import END, WINDOW, summary

_MANY = {code: 100 - number for number, code in enumerate(TAXONOMY)}


def drawn(found: Overview) -> dict[str, Any]:
    figure: dict[str, Any] = json.loads(error_chart.draw(found))
    return figure


def words(figure: dict[str, Any]) -> list[str]:
    return [annotation["text"] for annotation in figure["layout"].get("annotations", [])]


def test_without_attempts_it_says_of_which_operation_there_are_none() -> None:
    figure = drawn(summary(wanted=Filter(Operation.EXPIRE)))

    assert figure["data"] == []
    assert words(figure) == ["No EXPIRE attempts in the last 5 minutes"]


def test_no_errors_is_said_of_a_number_of_attempts() -> None:
    figure = drawn(summary(committed=1_234))

    assert figure["data"] == []
    assert words(figure) == ["No errors among 1,234 attempts"]


def test_words_without_a_chart_stand_in_the_middle() -> None:
    """The labels of the figure before must leave them no margin."""
    layout = json.loads(figures.nothing("Nothing"))["layout"]

    assert layout["xaxis"]["automargin"] is False
    assert layout["yaxis"]["automargin"] is False


def test_errors_are_sorted_and_told_apart_by_whose_they_are() -> None:
    found = summary(
        committed=90,
        codes={
            ErrorCode.QUOTE_ALREADY_SENT: 3,
            ErrorCode.DATABASE_TIMEOUT: 2,
            ErrorCode.QUOTE_VALIDATION_FAILED: 5,
        },
    )

    ours, callers = drawn(found)["data"]

    assert (ours["name"], ours["marker"]["color"]) == ("Our failures", figures.RED)
    assert (ours["y"], ours["x"], ours["text"]) == (["DATABASE_TIMEOUT"], [2], ["2"])
    assert (callers["name"], callers["marker"]["color"]) == ("Callers' errors", figures.AMBER)
    assert callers["y"] == ["QUOTE_VALIDATION_FAILED", "QUOTE_ALREADY_SENT"]
    assert callers["customdata"] == ["5 %", "3 %"]
    # Plotly counts the rows of such a chart from below.
    assert drawn(found)["layout"]["yaxis"]["categoryarray"] == [
        "DATABASE_TIMEOUT",
        "QUOTE_ALREADY_SENT",
        "QUOTE_VALIDATION_FAILED",
    ]


def test_a_rare_failure_of_ours_is_never_left_out() -> None:
    codes = {**_MANY, ErrorCode.INTERNAL_ERROR: 1}

    figure = drawn(summary(committed=90, codes=codes))

    bars = [code for trace in figure["data"] for code in trace["y"]]
    assert ErrorCode.INTERNAL_ERROR.value in bars
    assert len(bars) == len(set(bars)) == 8
    assert sum(number for trace in figure["data"] for number in trace["x"]) == sum(codes.values())
    assert figure["layout"]["yaxis"]["categoryarray"][0] == "11 other codes"


def test_the_longest_bar_has_room_for_its_number_also_when_it_is_that_of_the_others() -> None:
    callers = [code for code in TAXONOMY if not code.value.startswith(("DATABASE", "INTERNAL"))]
    codes = dict(zip(callers, [12, 9, 9, 9, 9, 9, 9, 9, 6], strict=False))

    figure = drawn(summary(committed=90, codes=codes))

    longest = max(number for trace in figure["data"] for number in trace["x"])
    assert longest == 15
    assert figure["layout"]["xaxis"]["range"][1] > longest


def test_codes_without_a_bar_of_their_own_are_named() -> None:
    many = summary(committed=90, codes=_MANY)

    said = error_chart.without_a_bar(many)

    bars = {code for trace in drawn(many)["data"] for code in trace["y"]}
    for code, number in _MANY.items():
        assert (code.value in bars) != (f"{code.value} {number}" in said)
    assert error_chart.without_a_bar(summary(codes={ErrorCode.INTERNAL_ERROR: 1})) == ""


def test_it_is_no_higher_than_its_bars() -> None:
    one = drawn(summary(codes={ErrorCode.INTERNAL_ERROR: 1}))
    eight = drawn(summary(codes=_MANY, now=END + WINDOW))

    assert one["layout"]["height"] < 140 < eight["layout"]["height"] < 280
    least, most = one["layout"]["yaxis"]["range"]
    assert most - least == 3, "a single bar is no thicker than one of three"


def test_those_who_do_not_see_it_are_told_its_numbers() -> None:
    found = summary(
        committed=90,
        codes={ErrorCode.DATABASE_TIMEOUT: 2, ErrorCode.QUOTE_VALIDATION_FAILED: 1_500},
    )

    assert error_chart.told(found) == (
        "Errors by code: bar chart. Our failures: DATABASE_TIMEOUT 2."
        " Callers' errors: QUOTE_VALIDATION_FAILED 1,500."
    )
    assert error_chart.told(summary(committed=3)) == "Errors by code: No errors among 3 attempts."
    assert error_chart.told(summary()) == "Errors by code: No attempts in the last 5 minutes."
