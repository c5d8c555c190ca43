"""Shares, changes and moments of failures in words, and which codes are drawn."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from dashboard import runbook
from dashboard.error_codes import DRAWN_MAX, worth_drawing
from dashboard.errors_wording import bounds, share, trend, when
from engine.errors import ErrorCode
from engine.rollups.failures import Moment


class Code(NamedTuple):
    number: int
    count: int  # type: ignore[assignment]  # of attempts, not of elements
    is_ours: bool = False


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((5, 100, 0, 0), "no data before"),
        ((5, 100, 0, 100), "new"),
        ((5, 100, 5, 100), "unchanged"),
        ((10, 200, 5, 100), "unchanged"),
        ((7, 100, 5, 100), "+40 %"),
        ((3, 100, 5, 100), "\N{MINUS SIGN}40 %"),
        ((5, 100, 5, 200), "+100 %"),
        ((1_001, 100_000, 1_000, 100_000), "unchanged"),
        ((5_000, 10_000, 1, 10_000), "+499,900 %"),
    ],
)
def test_a_trend_is_the_change_of_the_share(counts: tuple[int, int, int, int], words: str) -> None:
    assert trend(*counts) == words


def test_more_than_nothing_never_reads_as_nothing() -> None:
    assert share(1, 1_000_000) == "0.01 %"
    assert share(0, 1_000_000) == "0 %"
    assert share(1, 3) == "33.34 %"
    assert share(0, 0) == bounds(0, 0) == "No data"
    assert bounds(0, 299) == "0 % to 1 %"


def test_a_day_is_called_a_day() -> None:
    instant = datetime(2026, 11, 25, 21, 4, 10, tzinfo=UTC)

    assert when(Moment(instant)) == "2026-11-25 21:04:10"
    assert when(Moment(instant.replace(hour=0), is_day=True)) == "2026-11-25, that day"


def test_a_rare_failure_of_ours_is_never_folded() -> None:
    found = [Code(number, 100 - number) for number in range(20)] + [Code(99, 1, is_ours=True)]

    drawn, folded = worth_drawing(found)

    assert len(drawn) == DRAWN_MAX - 1
    assert drawn[-1].number == 99
    assert sorted([*drawn, *folded]) == sorted(found)


def test_few_codes_are_all_drawn() -> None:
    found = [Code(number, number) for number in range(DRAWN_MAX)]

    assert worth_drawing(found) == (found[::-1], [])


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_has_a_section_in_the_runbook(code: ErrorCode) -> None:
    said = runbook.section(code)

    assert said is not None
    for word in ("Symptom", "Cause", "Action", "Verify"):
        assert f"- **{word}**: " in said
    assert "](" not in said, "a link of the documentation leads nowhere from a page"
    assert "## " not in said
    assert "$" not in said, "it would begin a formula"


def test_a_link_of_the_runbook_becomes_the_name_of_its_file() -> None:
    text = "# Runbook\n\n## INTERNAL_ERROR\n\nSee ([how](../how-to/a.md)) and [b](https://b.c).\n"

    said = runbook.section_of(text, ErrorCode.INTERNAL_ERROR)

    assert said == "See (how: `docs/how-to/a.md`) and [b](https://b.c)."
    assert runbook.section_of(text, ErrorCode.QUOTA_EXCEEDED) is None
