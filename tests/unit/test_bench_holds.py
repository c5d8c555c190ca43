"""The benches' lines of verdict."""

from __future__ import annotations

import pytest

from bench.holds import Hold, Verdict, markdown, worst


@pytest.mark.parametrize(
    ("found", "verdict"), [(4.9, Verdict.MET), (5.0, Verdict.MET), (5.1, Verdict.MISSED)]
)
def test_a_hold_is_kept_up_to_its_limit(found: float, verdict: Verdict) -> None:
    assert Hold("look-up", found, 5.0, "ms").verdict is verdict


def test_what_was_not_measured_is_neither_kept_nor_missed() -> None:
    hold = Hold("look-up", None, 5.0, "ms")

    assert hold.verdict is Verdict.UNKNOWN
    assert hold.line() == "not measured: look-up: no data, hold ≤ 5 ms"


def test_a_line_says_the_number_its_case_and_the_limit() -> None:
    hold = worst("headline", [("5 min", 1.25), ("90 d", 61.26), ("7 d", 9.0)], 50.0, "ms")

    assert hold.line() == "missed: headline: 61.3 ms (90 d), hold ≤ 50 ms"


def test_the_worst_of_no_cases_was_not_measured() -> None:
    assert worst("headline", [], 50.0).verdict is Verdict.UNKNOWN


def test_a_large_number_is_not_cut_to_its_first_digits() -> None:
    assert Hold("headline", 12_345.6, 50.0, "ms").found_in_words == "12,346 ms"


def test_only_what_is_missed_stands_out_on_the_page() -> None:
    lines = markdown([Hold("a", 1, 2), Hold("b", 3, 2), Hold("c", None, 2)])

    assert lines[2:] == [
        "| a | 1 | ≤ 2 | met |",
        "| b | 3 | ≤ 2 | **missed** |",
        "| c | no data | ≤ 2 | not measured |",
    ]
