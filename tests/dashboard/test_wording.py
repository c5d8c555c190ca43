"""Numbers in words: cut and not rounded, nothing green without proof, unknown called unknown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from dashboard import wording
from dashboard.wording import Freshness, Words
from engine.attempts.summary import ErrorCount
from engine.errors import ErrorCode
from tests.dashboard.summaries import END, before_agent, summary

_FRESH = Freshness()
_AWAY = Freshness(END + timedelta(seconds=2), "The database has not answered")
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
        (4_349, "4.3 ms"),
        (99_999, "99.9 ms"),
        (100_999, "100 ms"),
        (499_999, "499 ms"),
        (500_000, "500 ms"),
        (1_234_567, "1,234 ms"),
    ],
)
def test_milliseconds_are_cut_so_that_only_the_limit_reads_as_the_limit(
    microseconds: int, expected: str
) -> None:
    assert wording.milliseconds(microseconds) == expected


def test_counts_agree_with_their_noun() -> None:
    assert wording.counted(0, "attempt") == "0 attempts"
    assert wording.counted(1, "attempt") == "1 attempt"
    assert wording.counted(1_234, "attempt") == "1,234 attempts"


def test_rates_below_ten_have_a_digit_more() -> None:
    assert wording.per_second(1, timedelta(minutes=5)) == "0.0/s"
    assert wording.per_second(300, timedelta(minutes=5)) == "1.0/s"
    assert wording.per_second(11_700, timedelta(minutes=5)) == "39/s"


def test_a_code_that_a_newer_release_wrote_keeps_its_number() -> None:
    assert wording.code_name(5) == ErrorCode.QUOTE_PERSISTENCE_FAILED.value
    assert wording.code_name(99) == "code 99"


def test_an_id_is_shortened_to_the_end_that_differs() -> None:
    assert wording.short_id(UUID("01900000-0000-7000-8000-0123456789ab")) == "…456789ab"
    assert wording.short_id(None) == ""


# --- time ---


def test_an_instant_is_told_in_utc_and_in_the_viewers_zone() -> None:
    assert wording.clock_time(END) == "12:00:10 UTC"
    assert wording.clock_time(END, _KOLKATA) == "12:00:10 UTC (17:30:10 Asia/Kolkata)"
    assert wording.table_time(END.replace(microsecond=7_999), _KOLKATA) == "17:30:10.007"


def test_a_zone_is_told_only_while_it_differs_from_utc() -> None:
    winter, summer = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)

    assert wording.zone_of("Asia/Kolkata", winter) == _KOLKATA
    assert wording.zone_of("Europe/Lisbon", winter) is None
    assert wording.zone_of("Europe/Lisbon", summer) == ZoneInfo("Europe/Lisbon")
    assert wording.zone_of("UTC", winter) is None


@pytest.mark.parametrize("name", [None, "", "Mars/Olympus", "../../etc/passwd", "/etc", "\0"])
def test_a_zone_that_nobody_knows_is_none(name: str | None) -> None:
    assert wording.zone_of(name, END) is None


# --- the row under the title ---


def test_badges_of_a_quiet_window() -> None:
    assert wording.badges(summary(), _FRESH, 2, 0) == (
        Words("Live, every 2 s", "blue"),
        Words("No attempts", "gray"),
    )


def test_badges_tell_our_failures_from_the_callers_errors() -> None:
    found = summary(
        committed=95,
        codes={
            ErrorCode.DATABASE_TIMEOUT: 1,
            ErrorCode.QUOTE_ALREADY_SENT: 2,
            ErrorCode.QUOTE_CONFLICT_VERSION: 2,
        },
    )

    assert wording.badges(found, _FRESH, 10, 0) == (
        Words("Live, every 10 s", "blue"),
        Words("1 failure of ours, service rate 99 %", "red"),
        Words("4 errors of callers", "orange"),
    )


def test_badges_without_errors_are_neither_red_nor_green() -> None:
    colours = {badge.colour for badge in wording.badges(summary(committed=5), _FRESH, None, 0)}

    assert colours == {"gray"}


def test_badges_say_what_is_not_in_the_numbers() -> None:
    found = wording.badges(summary(committed=5, other_sources=1_200), _FRESH, None, 3)

    assert Words("3 attempts not in the ledger yet", "orange") in found
    assert Words("1,200 not live, not counted", "gray") in found


def test_a_stale_page_is_not_live() -> None:
    assert wording.badges(None, _AWAY, 2, 0) == (Words("Stale", "orange"),)


# --- lines ---


def test_the_outage_line_says_since_when_and_how_old_the_numbers_are() -> None:
    assert wording.outage(_AWAY, summary(), None) == (
        "The database has not answered since 12:00:12 UTC."
        " The numbers below are those of 12:00:10 UTC."
    )
    assert wording.outage(_AWAY, None, _KOLKATA) == (
        "The database has not answered since 12:00:12 UTC (17:30:12 Asia/Kolkata)."
        " No numbers were read before that."
    )
    assert wording.outage(_FRESH, None, None) == ""


def test_refusals_before_an_agent_was_known_stand_apart() -> None:
    found = summary(committed=10, tallies=(before_agent(12),))

    assert found.attempts == 0
    assert wording.refused_before_agent(found.errors_before_agent) == (
        "12 refused before an agent was known, in no rate: AUTHENTICATION_FAILED 12"
    )
    assert wording.refused_before_agent(()) == ""


def test_codes_of_refusals_are_listed_with_their_numbers() -> None:
    errors = [ErrorCount(8, is_ours=False, count=1_000), ErrorCount(11, is_ours=False, count=2)]

    assert wording.refused_before_agent(errors).endswith(
        "AUTHENTICATION_FAILED 1,000, AGENT_NOT_FOUND 2"
    )
