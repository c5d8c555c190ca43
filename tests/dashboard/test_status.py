"""What is said of the numbers as a whole: how old they are, and what is not in them."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from dashboard import status
from dashboard.status import Freshness
from dashboard.wording import Words
from engine.errors import ErrorCode
from engine.quotes.lifecycle import Operation
from engine.rollups.selection import Filter
from engine.slo.coverage import Coverage, LogCoverage
from engine.slo.overview import ErrorCount, Rolling
from tests.dashboard.summaries import END, counts, summary

_AWAY = Freshness(END + timedelta(seconds=2), "the database has not answered")
_KOLKATA = ZoneInfo("Asia/Kolkata")


def test_a_quiet_window_is_live_and_no_more() -> None:
    assert status.badges(summary(), 2, 0) == (Words("Live, every 2 s", "blue"),)


def test_callers_errors_are_counted_apart_from_our_failures() -> None:
    found = summary(
        committed=95,
        codes={
            ErrorCode.DATABASE_TIMEOUT: 1,
            ErrorCode.QUOTE_ALREADY_SENT: 2,
            ErrorCode.QUOTE_CONFLICT_VERSION: 2,
        },
    )

    assert status.badges(found, 10, 0) == (
        Words("Live, every 10 s", "blue"),
        Words("Callers' errors: 4", "orange"),
    )


def test_badges_without_errors_have_no_colour() -> None:
    assert {badge.colour for badge in status.badges(summary(committed=5), None, 0)} == {"gray"}


def test_badges_say_what_is_not_in_the_numbers() -> None:
    found = status.badges(summary(committed=5, others=1_200), None, 3)

    assert Words("3 attempts not in the ledger yet", "orange") in found
    assert Words("1,200 of other traffic, not counted", "gray") in found


def test_what_should_never_be_is_told_in_colour() -> None:
    found = status.badges(summary(committed=5, coverage=Coverage(9, 2, 0), strays=1), 2, 0)

    assert Words("2 requests without a ledger row", "red") in found
    assert Words("1 attempt in the default partition", "orange") in found


def test_requests_without_a_log_line_are_told_and_why_where_that_is_known() -> None:
    log = LogCoverage(requests=9, missing=1, lost=2)
    found = status.badges(summary(committed=5, coverage=Coverage(9, 0, 0, log)), 2, 0)

    assert Words("1 request without a log line", "red") in found
    assert Words("2 log lines could not be written: saveguard logs says why", "orange") in found


def test_a_roller_that_is_behind_is_told_only_while_it_has_something_to_do() -> None:
    def said(rolling: Rolling) -> tuple[Words, ...]:
        return status.badges(summary(rolling=rolling), 2, 0)[1:]

    assert said(Rolling(END - timedelta(seconds=44), 5_000)) == ()
    assert said(Rolling(END - timedelta(hours=1), 0)) == ()
    assert said(Rolling(END - timedelta(minutes=1), 5)) == (
        Words("The roller has not run since 11:59:10 UTC: exact, but slower", "orange"),
    )
    assert said(Rolling(None, 5)) == (
        Words("The roller has not run yet: exact, but slower", "orange"),
    )


def test_a_live_page_leaves_out_the_date_and_one_that_stands_still_does_not() -> None:
    assert status.as_of(summary(), None, END) == "Last 5 minutes, exact as of 12:00:10 UTC"
    assert (
        status.as_of(summary(), None, None) == "Last 5 minutes, exact as of 2026-03-01 12:00:10 UTC"
    )


def test_the_outage_line_says_since_when_and_how_old_the_numbers_are() -> None:
    assert status.outage(_AWAY, summary().now, None, END) == (
        "Stale: the database has not answered since 12:00:12 UTC."
        " The numbers below are those of 12:00:10 UTC."
    )
    assert status.outage(_AWAY, None, _KOLKATA, END) == (
        "Stale: the database has not answered since 12:00:12 UTC (17:30:12 Asia/Kolkata)."
        " No numbers were read before that."
    )
    assert status.outage(Freshness(), None, None, END) == ""


def test_the_outage_line_says_what_waits_for_the_ledger() -> None:
    said = status.outage(_AWAY, summary().now, None, END, waiting=3)

    assert said.endswith(" 3 attempts not in the ledger yet.")


def test_an_outage_since_yesterday_says_so() -> None:
    said = status.outage(_AWAY, summary().now, None, END + timedelta(days=1))

    assert "since 2026-03-01 12:00:12 UTC." in said
    assert "those of 2026-03-01 12:00:10 UTC." in said


def test_refusals_before_an_agent_was_known_stand_apart() -> None:
    refused = counts(codes={ErrorCode.AUTHENTICATION_FAILED: 12})
    found = summary(committed=10, before_agent=refused)

    assert found.attempts == 10
    assert status.refused_before_agent(found.errors_before_agent) == (
        "12 refused before an agent was known, in no rate: AUTHENTICATION_FAILED 12"
    )
    assert status.refused_before_agent(()) == ""


def test_codes_are_listed_with_their_numbers() -> None:
    errors = [ErrorCount(8, is_ours=False, count=1_000), ErrorCount(11, is_ours=False, count=2)]

    assert status.codes(errors) == "AUTHENTICATION_FAILED 1,000, AGENT_NOT_FOUND 2"


def test_an_empty_ledger_says_what_to_do_and_a_quiet_one_does_not() -> None:
    empty = status.nothing_in_window(summary(is_ledger_empty=True))
    quiet = status.nothing_in_window(summary(wanted=Filter(Operation.EXPIRE)))

    assert empty.startswith("The ledger is empty.")
    assert "saveguard replay FILE --via http" in empty
    assert quiet == "No EXPIRE attempts in the last 5 minutes."
    assert status.nothing_in_window(None) == "Nothing could be read yet."
