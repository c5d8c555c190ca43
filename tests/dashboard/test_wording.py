"""Numbers, instants and names in words: cut and not rounded, and never more than is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from dashboard import wording
from engine.errors import ErrorCode
from engine.quotes.lifecycle import Operation
from engine.rollups.selection import Filter
from tests.dashboard.summaries import END, WINDOW

_KOLKATA = ZoneInfo("Asia/Kolkata")


# --- numbers ---


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.5, "50 %"),
        (0.29, "29 %"),
        (0.985, "98.50 %"),
        (0.98429, "98.42 %"),
        (0.999999, "99.99 %"),
        (0.000049, "0 %"),
    ],
)
def test_percent(share: float, expected: str) -> None:
    assert wording.percent(share) == expected


def test_nearly_all_never_reads_as_all() -> None:
    assert wording.percent(9_999_999 / 10_000_000) == "99.99 %"


@pytest.mark.parametrize(
    ("microseconds", "expected"),
    [
        (0, "0.0 ms"),
        (8_099, "8.0 ms"),
        (99_999, "99.9 ms"),
        (100_999, "100.9 ms"),
        (499_999, "499.9 ms"),
        (500_000, "500.0 ms"),
        (10_050_699, "10,050.6 ms"),
    ],
)
def test_milliseconds_are_cut_so_that_only_the_limit_reads_as_the_limit(
    microseconds: int, expected: str
) -> None:
    assert wording.milliseconds(microseconds) == expected
    assert f"{wording.tenths(microseconds):,.1f} ms" == expected


def test_a_limit_is_a_round_number() -> None:
    assert wording.limit(500_000) == "500 ms"
    assert wording.limit(1_000_000) == "1,000 ms"


def test_counts_agree_with_their_noun() -> None:
    assert wording.counted(0, "attempt") == "0 attempts"
    assert wording.counted(1, "attempt") == "1 attempt"
    assert wording.counted(1_234, "attempt") == "1,234 attempts"


def test_rates_below_ten_have_a_digit_more() -> None:
    assert wording.rate(300, WINDOW) == "1.0/s"
    assert wording.rate(11_700, WINDOW) == "39/s"


def test_a_few_attempts_do_not_read_as_none() -> None:
    assert wording.rate(1, WINDOW) == "0.2 a minute"
    assert wording.rate(8, WINDOW) == "1.6 a minute"
    assert wording.rate(30, WINDOW) == "0.1/s"


def test_a_code_that_a_newer_release_wrote_keeps_its_number() -> None:
    assert wording.code_name(5) == ErrorCode.QUOTE_PERSISTENCE_FAILED.value
    assert wording.code_name(99) == "code 99"


def test_an_id_is_shortened_to_the_end_that_differs() -> None:
    assert wording.short_id(UUID("01900000-0000-7000-8000-0123456789ab")) == "…456789ab"
    assert wording.short_id(None) == ""


# --- time ---


def test_an_instant_of_today_is_told_in_utc_and_in_the_viewers_zone() -> None:
    assert wording.clock_time(END, None, END) == "12:00:10 UTC"
    assert wording.clock_time(END, _KOLKATA, END) == "12:00:10 UTC (17:30:10 Asia/Kolkata)"
    assert wording.table_time(END.replace(microsecond=7_999), _KOLKATA) == "17:30:10.007"


def test_the_date_is_told_where_the_two_clocks_show_different_days() -> None:
    evening = END.replace(hour=18, minute=30)

    assert wording.clock_time(evening, _KOLKATA, evening) == (
        "2026-03-01 18:30:10 UTC (2026-03-02 00:00:10 Asia/Kolkata)"
    )


def test_the_date_is_told_of_another_day_and_where_the_words_may_be_read_on_one() -> None:
    assert wording.clock_time(END, None, END + timedelta(days=1)) == "2026-03-01 12:00:10 UTC"
    assert wording.clock_time(END, None, None) == "2026-03-01 12:00:10 UTC"


def test_whoever_filters_is_told_of_which_operation_there_are_none() -> None:
    assert wording.no_attempts(Filter(), WINDOW) == "No attempts in the last 5 minutes"
    assert wording.no_attempts(Filter(Operation.EXPIRE), WINDOW) == (
        "No EXPIRE attempts in the last 5 minutes"
    )


def test_an_installation_is_named_as_it_is_whatever_markdown_would_make_of_it() -> None:
    said = wording.installation("_eu_", "1.0+x")

    assert said.replace("\\", "") == "Saveguard · _eu_ · 1.0+x"
    assert "\\_eu\\_" in said


def test_a_zone_is_told_only_while_it_differs_from_utc() -> None:
    winter, summer = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)

    assert wording.zone_of("Asia/Kolkata", winter) == _KOLKATA
    assert wording.zone_of("Europe/Lisbon", winter) is None
    assert wording.zone_of("Europe/Lisbon", summer) == ZoneInfo("Europe/Lisbon")
    assert wording.zone_of("UTC", winter) is None


@pytest.mark.parametrize("name", [None, "", "Mars/Olympus", "../../etc/passwd", "/etc", "\0"])
def test_a_zone_that_nobody_knows_is_none(name: str | None) -> None:
    assert wording.zone_of(name, END) is None
