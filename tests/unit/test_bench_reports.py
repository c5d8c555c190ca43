"""What the benches make of their results."""

from __future__ import annotations

from typing import Any

import pytest

from bench import answer_report, metrics_report, soak_report, viewers_report
from bench.database_time import statement_name
from bench.document import markdown_table, with_part
from bench.holds import Hold, Verdict
from bench.ledgers import size_name


@pytest.mark.parametrize(
    ("rows", "name"),
    [(100_000_000, "100m"), (250_000, "250k"), (1_500_000, "1500k"), (1234, "1234")],
)
def test_a_size_is_a_short_name(rows: int, name: str) -> None:
    assert size_name(rows) == name


def test_a_statement_is_called_by_its_first_words() -> None:
    assert statement_name("SELECT\n    1") == "SELECT 1"
    assert len(statement_name("SELECT " + "attempt, " * 50)) == 60


def test_a_bench_replaces_its_own_part_of_the_page() -> None:
    page = "a\n<!-- x -->\nold\n<!-- end of x -->\nb\n<!-- y -->\nkept\n<!-- end of y -->\n"

    changed = with_part(page, "x", ["", r"new \1", ""])

    assert changed == (
        "a\n<!-- x -->\n\nnew \\1\n\n<!-- end of x -->\nb\n<!-- y -->\nkept\n<!-- end of y -->\n"
    )
    with pytest.raises(ValueError, match="no part"):
        with_part(page, "z", [])


def test_a_table_has_a_line_for_each_row() -> None:
    assert markdown_table(["a", "b"], [["1", "2"]]) == ["| a | b |", "|---|---|", "| 1 | 2 |"]


def _asked(window: str, small: float, large: float) -> dict[str, Any]:
    def found(took: float) -> dict[str, Any]:
        statements = {"SELECT r.bucket": took * 0.7, "SELECT 1": took * 0.3}
        return {"database_ms": took, "wall_ms": took, "statements_ms": statements}

    return {
        "question": "headline",
        "window": window,
        "is_headline": True,
        "sizes": {"1m": found(small), "100m": found(large)},
    }


def test_the_worst_window_decides_about_the_headline_numbers() -> None:
    results = {
        "sizes": [1_000_000, 100_000_000],
        "questions": [_asked("5 min", 1.0, 3.5), _asked("90 d", 40.0, 60.0)],
    }

    times, database, *others = metrics_report.holds(results)

    assert (times.found, times.where, times.verdict) == (3.5, "5 min", Verdict.MISSED)
    assert (database.found, database.where, database.verdict) == (60.0, "90 d", Verdict.MISSED)
    assert {hold.verdict for hold in others} == {Verdict.UNKNOWN}
    assert metrics_report.slow(results) == [
        "headline, 90 d, 100M attempts: 60.0 ms; most of it, 42.0 ms, for: SELECT r.bucket"
    ]


def test_one_size_alone_proves_no_ratio() -> None:
    case = _asked("5 min", 1.0, 3.5)
    results = {"sizes": [100_000_000], "questions": [case]}

    times, database, *_ = metrics_report.holds(results)

    assert times.verdict is Verdict.UNKNOWN
    assert database.verdict is Verdict.MET


def _run(page: str, viewers: int, cpu_ms: float | None, statements: float) -> dict[str, Any]:
    return {
        "page": page,
        "viewers": viewers,
        "refreshes_itself": True,
        "cpu_ms_per_refresh": cpu_ms,
        "statements_of_viewers": statements,
        "failures": 0,
        "exceptions": 0,
    }


def _viewers_holds(*runs: dict[str, Any]) -> list[Hold]:
    return viewers_report.holds({"pages": ["overview"], "runs": runs})


def test_each_number_of_viewers_is_judged_by_itself() -> None:
    alone, many, statements, failed = _viewers_holds(
        _run("overview", 1, 18.0, 3.0),
        _run("overview", 100, 8.0, 6.6),
        _run(viewers_report.YARDSTICK, 1, 4.0, 0.0),
        _run(viewers_report.YARDSTICK, 100, 4.0, 0.0),
    )

    assert (alone.found, alone.where, alone.verdict) == (4.5, "overview", Verdict.MISSED)
    assert (many.found, many.where, many.verdict) == (2.0, "overview", Verdict.MET)
    assert statements.found == pytest.approx(2.2)
    assert statements.verdict is Verdict.MISSED
    assert failed.verdict is Verdict.MET


def test_a_page_that_nobody_could_refresh_was_not_measured() -> None:
    cpu, statements, _ = _viewers_holds(
        _run("overview", 1, None, 0.0), _run(viewers_report.YARDSTICK, 1, 4.0, 0.0)
    )

    assert cpu.verdict is Verdict.UNKNOWN
    assert statements.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("minutes", "whole", "last_half", "verdict"),
    [
        (30, -2.0, 9.0, Verdict.MET),
        (30, 9.0, -2.0, Verdict.MET),
        (30, 9.0, 8.0, Verdict.MISSED),
        (2, 9.0, 9.0, Verdict.UNKNOWN),
    ],
)
def test_memory_grows_when_it_still_does_at_the_end_and_was_watched_long_enough(
    minutes: float, whole: float, last_half: float, verdict: Verdict
) -> None:
    slopes = {
        name: {"estimate": 10.0, "at_least": at_least, "at_most": 11.0}
        for name, at_least in (("after warm-up", whole), ("of the last half", last_half))
    }

    growth, _ = soak_report.holds({"minutes": minutes, "slopes_mb_per_hour": slopes, "failed": 0})

    assert growth.verdict is verdict


def _answers(*milliseconds: float) -> dict[str, Any]:
    return {
        "runs": [
            {
                "kind": "whole id" if number % 2 else "log line",
                "answer_ms": each,
                "page_ms": each + 100,
                "yardstick_answer_ms": 10.0,
                "yardstick_page_ms": 12.0,
            }
            for number, each in enumerate(milliseconds)
        ]
    }


def test_an_answer_is_held_by_its_median_and_by_the_slowest_in_twenty() -> None:
    holds = answer_report.holds(_answers(*range(200, 220)))

    assert [(hold.found, hold.verdict) for hold in holds] == [
        (210, Verdict.MET),
        (219, Verdict.MET),
        (310, Verdict.MISSED),
        (319, Verdict.MISSED),
    ]
    assert {hold.verdict for hold in answer_report.holds(_answers())} == {Verdict.UNKNOWN}


def test_answers_are_told_by_kind_and_in_all_beside_the_yardstick() -> None:
    assert answer_report.rows(_answers(100.0, 200.0, 102.0)) == [
        ["log line", "2", "102", "102", "202", "202", "10", "10"],
        ["whole id", "1", "200", "200", "300", "300", "10", "10"],
        ["all", "3", "102", "200", "202", "300", "10", "10"],
    ]
