"""The page of attempts as a viewer gets it: which these are, how many, and the rows themselves."""

# ruff: noqa: S608 - statements are put together from constants of this file

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard import addresses, attempt_reads
from dashboard.long_reads import BusyError
from engine.access.roles import Role
from engine.attempts.outcome import UNKNOWN_AGENT
from engine.attempts.outcome import Path as SavePath
from engine.clock import FrozenClock
from engine.errors import ErrorCode
from engine.quotes.lifecycle import Operation
from engine.rollups import listing, parts, receipt, rows
from engine.rollups.counts import Traffic
from engine.rollups.grid import Window
from engine.rollups.roller import roll
from engine.rollups.selection import Filter, Selection
from engine.runtime import Runtime
from engine.slo.objectives import LIMITS, PARTS
from tests.dashboard.attempts import CLOCK, END, START, add, attempt, mixed_attempts
from tests.dashboard.viewers import OPERATOR, account_of, actor

_WINDOW: Final = Window(
    END.replace(second=0, microsecond=0) - timedelta(minutes=5),
    END.replace(second=0, microsecond=0),
)
_NUMBERS: Final = ("By rollups and tail", "Counted from the rows")


def opened(page: AppTest, selection: Selection | None = None, /, **more: str) -> AppTest:
    """The page at the address of a selection; nothing on it may have broken."""
    page.switch_page("../pages/attempts.py")
    said = {} if selection is None else addresses.attempts(selection)
    for name, value in (said | more).items():
        page.query_params[name] = value
    return again(page)


def again(page: AppTest) -> AppTest:
    page.run()
    assert not page.exception
    return page


def numbers(page: AppTest) -> list[str]:
    metrics = {metric.label: metric.value for metric in page.metric}
    return [metrics[label] for label in _NUMBERS]


def words(page: AppTest) -> str:
    elements = [*page.header, *page.caption, *page.markdown, *page.error, *page.warning]
    return "\n".join(element.value for element in elements)


def listed(page: AppTest) -> list[str]:
    """Correlation ids of the rows that are shown."""
    return [each for table in page.dataframe for each in table.value["Correlation id"]]


def said(page: AppTest) -> dict[str, str]:
    """What the address says now."""
    found: dict[str, str | list[str]] = dict(page.query_params)
    return {name: each if isinstance(each, str) else each[-1] for name, each in found.items()}


@pytest.mark.usefixtures("engine")
def test_nothing_in_the_ledger_is_neither_good_nor_bad(page: AppTest) -> None:
    opened(page, Selection(_WINDOW, Filter()))

    assert numbers(page) == ["0", "0"]
    assert "No such attempts" in words(page)
    assert "green" not in words(page)
    assert not page.dataframe


# The same questions put plainly to the view that people read.
_PLAINLY: Final = {
    parts.ALL: "true",
    parts.UNSUCCESSFUL: "outcome NOT IN ('committed', 'replayed')",
    parts.SERVICE_FAILURES: "outcome IN ('failed', 'indeterminate')",
    parts.CRITICAL_ERRORS: "severity = 'CRITICAL' AND error_code <> 'QUOTE_ALREADY_SENT'",
    parts.RETRIED: "retries > 0 AND error_code IS DISTINCT FROM 'DATABASE_TRANSACTION_ABORTED'",
}
_NOBODY: Final = f"(agent_id = '{UNKNOWN_AGENT}' AND outcome = 'rejected')"
_TRAFFIC_PLAINLY: Final = {
    None: "true",
    Traffic.LIVE: f"source = 'live' AND NOT {_NOBODY}",
    Traffic.DRILL: "source = 'drill'",
    Traffic.UNKNOWN_CALLER: f"source = 'live' AND {_NOBODY}",
}


@pytest.mark.parametrize("count", [1, 40, 600])
def test_the_page_tells_both_numbers_and_that_they_agree(
    page: AppTest, connection: psycopg.Connection[Any], count: int
) -> None:
    found = mixed_attempts(count)
    add(connection, *found[: count // 2])
    roll(connection, FrozenClock(END), LIMITS)
    add(connection, *found[count // 2 :])

    for part, condition in _PLAINLY.items():
        for traffic, of_traffic in _TRAFFIC_PLAINLY.items():
            opened(page, Selection(_WINDOW, Filter(traffic=traffic), part))

            oracle = connection.execute(
                f"SELECT count(*) FROM ledger WHERE {condition} AND {of_traffic}"
                " AND started_at >= %s AND started_at < %s".encode(),
                _WINDOW,
            ).fetchone()
            assert oracle is not None
            assert numbers(page) == [f"{oracle[0]:,}"] * 2
            assert ("Both counts agree" in words(page)) == (oracle[0] > 0)


def test_the_shown_queries_give_what_is_shown(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, *mixed_attempts(400))

    opened(page, Selection(_WINDOW, Filter(), parts.RETRIED))

    counting, showing = (connection.execute(each.value.encode()) for each in page.code)
    assert numbers(page) == [f"{count:,}" for (count,) in counting] * 2
    ids = [row[4] for row in showing]
    assert listed(page) == ids != []


def test_the_sentence_says_which_attempts_these_are(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, attempt(START, ErrorCode.DATABASE_TIMEOUT, operation=Operation.UPDATE.value))

    opened(page, Selection(_WINDOW, Filter(Operation.UPDATE), parts.UNSUCCESSFUL))

    day = f"{END:%Y-%m-%d}"
    assert page.header[0].value == (
        "UPDATE attempts neither committed nor replayed, live traffic,"
        f" that started from {day} 11:55:00 UTC until 12:00:00 UTC"
    )


def test_a_number_of_the_rollups_that_the_rows_do_not_bear_out_is_said_in_red(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, attempt(), attempt())
    roll(connection, FrozenClock(END), LIMITS)
    connection.execute("UPDATE attempt_rollup SET attempts = attempts + 1")

    opened(page, Selection(_WINDOW, Filter()))

    assert numbers(page) == ["3", "2"]
    assert ":red-badge[The counts differ]" in words(page)
    assert "saveguard rollup rebuild" in words(page)


def test_many_rows_are_counted_when_asked_for(
    page: AppTest, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipt, "AT_ONCE", 2)
    add(connection, attempt(), attempt(), attempt())
    opened(page, Selection(_WINDOW, Filter()))
    before = numbers(page)
    told = words(page)

    next(each for each in page.button if each.label == "Count the rows").click()
    again(page)

    assert before == ["3", "Not counted"]
    assert "looks at about 3 rows" in told
    assert numbers(page) == ["3", "3"]
    assert "Both counts agree" in words(page)


def test_counting_that_takes_too_long_is_given_up_with_a_sentence(
    page: AppTest, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipt, "AT_ONCE", 0)
    add(connection, attempt())
    opened(page, Selection(_WINDOW, Filter()))

    def slow(opened_connection: psycopg.Connection[Any], _selection: Selection) -> int:
        opened_connection.execute("SET LOCAL statement_timeout = 1")
        opened_connection.execute("SELECT pg_sleep(5)")
        return 0

    monkeypatch.setattr(rows, "count", slow)
    next(each for each in page.button if each.label == "Count the rows").click()
    again(page)

    assert numbers(page) == ["1", "Not counted"]
    assert "could not be counted within 30 seconds" in words(page)


def test_pages_go_back_in_time_and_to_the_newest(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    step = timedelta(seconds=1)
    add(
        connection,
        *(
            attempt(_WINDOW.start + number * step, correlation_id=f"REQ-{number}")
            for number in range(rows.PAGE + 3)
        ),
    )
    opened(page, Selection(_WINDOW, Filter()))
    first = listed(page)

    page.button(key="older-page").click()
    older = listed(again(page))
    page.button(key="newest-page").click()
    again(page)

    assert first == [f"REQ-{number}" for number in range(rows.PAGE + 2, 2, -1)]
    assert older == ["REQ-2", "REQ-1", "REQ-0"]
    assert listed(page) == first
    assert "before" not in said(page)


def test_without_an_address_the_last_minutes_are_shown_and_filters_rewrite_the_address(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, attempt(code=ErrorCode.DATABASE_TIMEOUT), attempt(correlation_id="REQ-GOOD"))
    opened(page)
    at_first = listed(page)
    window = said(page)

    page.selectbox(key="attempts_only_part").select("Attempts neither committed nor replayed")
    again(page)

    assert len(at_first) == 2
    assert addresses.read_attempts(window).selection is not None
    assert said(page)["only_part"] == "unsuccessful"
    assert said(page).items() >= window.items()
    assert listed(page) == ["REQ-SOME"]

    page.selectbox(key="attempts_window").select("Last 30 d")
    again(page)

    chosen = addresses.read_attempts(said(page)).selection
    assert chosen is not None
    assert chosen.part is parts.UNSUCCESSFUL
    assert chosen.window.length >= timedelta(days=30)
    assert "The window is not over yet: the number still moves." in words(page)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    "window",
    [
        {"from": "yesterday"},
        {"from": "2026-11-25T21:00:00", "until": "2026-11-25T21:05:00"},
        {"from": "2026-11-25T21:05:00Z", "until": "2026-11-25T21:00:00Z"},
        {"from": "9998-12-31T00:00:00Z", "until": "9999-12-31T23:59:59Z"},
        {"from": "0001-01-01T00:00:00Z", "until": "2026-11-25T21:00:00Z"},
        {"until": "2026-11-25T21:00:00Z"},
    ],
)
def test_an_address_without_a_window_shows_no_number(page: AppTest, window: dict[str, str]) -> None:
    opened(page, None, **window, only_operation="UPDATE")

    assert "does not say which attempts it means" in words(page)
    assert not page.metric
    assert page.selectbox(key="attempts_only_operation").value == "UPDATE"


def test_what_cannot_be_read_of_an_address_is_named(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, attempt())

    opened(
        page,
        Selection(_WINDOW, Filter()),
        only_part="everything",
        only_code="**bold**",
        at_least_us="-1",
        only_changed="a\x00b",
        before="here",
    )

    assert (
        "Not understood in this address, and left out: part, code, shortest duration, changed"
        " fields, page." in words(page)
    )
    assert "bold" not in words(page)
    assert numbers(page) == ["1", "1"]


def test_what_rollups_cannot_tell_is_counted_from_the_rows(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, attempt(changed_fields="*taxes*"), attempt(changed_fields="total"))

    opened(page, Selection(_WINDOW, Filter(), changed_fields="*taxes*"))

    assert numbers(page) == ["Unknown", "1"]
    assert "they do not know which fields were changed" in words(page)
    assert "taxes" not in words(page)
    assert page.code[0].value == "*taxes*"


def test_bounds_that_no_filter_shows_are_dropped_with_a_click(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, attempt(duration_us=5_000), attempt(duration_us=50_000))
    opened(page, Selection(_WINDOW, Filter(), at_least_us=20_000))
    bounded = numbers(page)

    next(each for each in page.button if each.label == "Any duration, any change").click()
    again(page)

    assert bounded == ["Unknown", "1"]
    assert numbers(page) == ["2", "2"]
    assert "at_least_us" not in said(page)


@pytest.mark.usefixtures("engine")
def test_a_database_that_does_not_answer_is_no_number(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any) -> None:
        raise psycopg.OperationalError

    monkeypatch.setattr(receipt, "read", fail)
    monkeypatch.setattr(listing, "newest", fail)

    opened(page, Selection(_WINDOW, Filter()))

    assert numbers(page) == ["No data", "No data"]
    assert "Not read: the database has not answered." in words(page)
    assert "The rows could not be listed: the database has not answered." in words(page)
    assert "green" not in words(page)


def test_a_file_has_at_most_so_many_rows_and_the_page_says_so(
    page: AppTest,
    engine: Runtime,
    connection: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attempt_reads, "CSV_ROWS", 2)
    monkeypatch.setattr("dashboard.attempts_panel.CSV_ROWS", 2)
    add(connection, attempt(correlation_id="=1+1"), attempt(), attempt())
    selection = Selection(_WINDOW, Filter())

    opened(page, selection)
    written = attempt_reads.csv(actor(account_of(engine, Role.ON_CALL)), selection).decode()

    assert "The file has the newest 2 of them" in words(page)
    assert len(list(csv.reader(io.StringIO(written, newline="")))) == 3


def test_only_one_long_read_is_under_way(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    del engine
    selection = Selection(_WINDOW, Filter())
    refused: list[bool] = []

    def meanwhile(*_args: Any) -> None:
        with pytest.raises(BusyError):
            attempt_reads.recount(OPERATOR, selection)
        refused.append(True)

    monkeypatch.setattr(receipt, "read", meanwhile)
    attempt_reads.recount(OPERATOR, selection)

    assert refused == [True]


def test_an_address_says_what_was_selected() -> None:
    window = Window(START, END)
    selections = [
        Selection(
            window,
            Filter(Operation.SEND, traffic, None),
            part,
            ErrorCode.INTERNAL_ERROR,
            at_least_us=5,
            below_us=7,
            changed_fields="a&b=c",
        )
        for part in PARTS.values()
        for traffic in (None, *Traffic)
    ]

    read = [addresses.read_attempts(addresses.attempts(each)) for each in selections]

    assert read == [(each, ()) for each in selections]


def test_no_widget_has_the_name_of_a_parameter_of_an_address() -> None:
    """Streamlit takes parameters out of a link that a widget of the page before is bound to."""
    full = Selection(
        Window(START, END),
        Filter(Operation.SEND, None, SavePath.LEGACY),
        parts.TIMED,
        ErrorCode.INTERNAL_ERROR,
        1,
        2,
        "total",
    )
    top = Path(addresses.__file__).parents[1]
    sources = [*top.glob("dashboard/*.py"), *top.glob("pages/*.py")]
    keys = {
        key
        for each in sources
        for key in re.findall(r'(?:\bkey=|_choice\(\s*)"(\w+)"', each.read_text())
    }

    parameters = set(addresses.older(full, rows.Place(START, CLOCK.uuid7())))
    assert len(parameters) == len(full.__dataclass_fields__) + 4
    assert {"operation", "traffic"} <= keys
    assert keys & parameters == set()


def test_a_count_that_was_asked_for_is_not_kept_when_the_number_has_moved(
    page: AppTest, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipt, "AT_ONCE", 0)
    add(connection, attempt())
    opened(page, Selection(_WINDOW, Filter()))
    next(each for each in page.button if each.label == "Count the rows").click()
    asked = numbers(again(page))
    add(connection, attempt())
    st.cache_resource.clear()

    again(page)

    assert asked == ["1", "1"]
    assert numbers(page) == ["2", "Not counted"]
