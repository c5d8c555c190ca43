"""The overview as a viewer gets it: honest when empty, small, faulty and cut off."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import psycopg
import pytest
import streamlit as st
from psycopg.rows import dict_row
from streamlit.testing.v1 import AppTest

from dashboard import duration_chart, engine_in_process, error_chart, panels, tables, wording
from engine.attempts.outcome import UNKNOWN_AGENT, Source
from engine.clock import FrozenClock
from engine.database.pool import Pool
from engine.errors import TAXONOMY, ErrorCode
from engine.quotes.lifecycle import Operation
from engine.runtime import Runtime
from tests.dashboard.attempts import END, FIRST, LAST, START, add, attempt, mixed_attempts

_LINK = re.compile(r"\[([^\]]*)\]\(attempts\?[^)]*\)")

# The same questions as the page's, put plainly to the view that people read.
_ORACLE = """
    SELECT
        count(*) AS attempts,
        count(*) FILTER (WHERE outcome IN ('committed', 'replayed')) AS succeeded,
        count(*) FILTER (WHERE outcome IN ('failed', 'indeterminate')) AS ours,
        percentile_disc(0.95) WITHIN GROUP (ORDER BY duration_us) AS p95,
        percentile_disc(0.99) WITHIN GROUP (ORDER BY duration_us) AS p99
    FROM ledger
    WHERE source = 'live'
        AND (agent_id <> %(unknown)s OR outcome IN ('failed', 'indeterminate'))
        AND started_at >= %(start)s
        AND started_at < %(end)s
        AND operation = coalesce(%(operation)s, operation)
"""
_ERRORS = """
    SELECT error_code, count(*) AS count
    FROM ledger
    WHERE source = 'live'
        AND (agent_id <> %(unknown)s OR outcome IN ('failed', 'indeterminate'))
        AND started_at >= %(start)s
        AND started_at < %(end)s
        AND operation = coalesce(%(operation)s, operation)
        AND error_code IS NOT NULL
    GROUP BY error_code
"""


def run(page: AppTest) -> AppTest:
    """One look at the page; nothing on it may have broken."""
    page.run()
    assert not page.exception
    return page


def cards(page: AppTest) -> dict[str, str]:
    """The headline numbers, without the links to their receipts."""
    return {metric.label: _LINK.sub(r"\1", metric.value) for metric in page.metric}


def verdicts(page: AppTest) -> dict[str, str]:
    return {metric.label: metric.delta for metric in page.metric}


def texts(page: AppTest) -> str:
    """Everything that goes through Markdown: titles, badges, captions."""
    elements = [*page.title, *page.header, *page.caption, *page.markdown, *page.error]
    return "\n".join(element.value for element in elements)


def figure(page: AppTest, number: int) -> dict[str, Any]:
    """A chart's figure: 0 is that of the durations, 1 that of the errors."""
    found: dict[str, Any] = json.loads(chart(page, number)["figure"])
    return found


def chart(page: AppTest, number: int) -> dict[str, Any]:
    """All that a chart is given."""
    found: dict[str, Any] = json.loads(page.get("bidi_component")[number].proto.json)
    return found


@pytest.mark.usefixtures("engine")
def test_an_empty_ledger_is_neither_good_nor_bad(page: AppTest) -> None:
    run(page)

    assert cards(page) == {
        "Attempts": "0",
        "Service rate": "No data",
        "Success rate": "No data",
        "P95 duration": "No data",
        "P99 duration": "No data",
    }
    assert set(verdicts(page).values()) == {""}
    assert "%" not in "".join(cards(page).values())
    assert "green" not in texts(page)
    assert figure(page, 0)["data"] == figure(page, 1)["data"] == []
    assert "The ledger is empty." in texts(page)
    assert "saveguard replay" in texts(page)
    assert "correlation id" not in texts(page)
    assert not page.dataframe
    assert not page.error


def test_a_quiet_window_is_not_an_empty_ledger(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, attempt(START - timedelta(hours=1)), attempt())
    page.query_params["operation"] = "EXPIRE"

    run(page)

    none = "No EXPIRE attempts in the last 5 minutes"
    assert f"{none}." in texts(page)
    assert "The ledger is empty" not in texts(page)
    for number in (0, 1):
        assert figure(page, number)["layout"]["annotations"][0]["text"] == none


def test_a_few_clean_attempts_prove_nothing(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, *(attempt() for _ in range(12)))

    run(page)

    assert cards(page)["Success rate"] == "100 %"
    assert verdicts(page)["Success rate"] == "Too few to be sure"
    assert page.metric[2].proto.delta_description == "12 of 299 attempts needed"
    assert "green" not in texts(page)


@pytest.mark.parametrize("operation", [None, Operation.UPDATE, Operation.CREATE])
def test_numbers_equal_a_plain_query_of_the_ledger(
    page: AppTest,
    engine: Runtime,
    connection: psycopg.Connection[Any],
    operation: Operation | None,
) -> None:
    add(connection, *mixed_attempts(1_200))
    name = None if operation is None else operation.name
    asked = {"unknown": UNKNOWN_AGENT, "start": FIRST, "end": LAST, "operation": name}
    with psycopg.connect(engine.target.owner, row_factory=dict_row) as plain:
        expected = plain.execute(_ORACLE, asked).fetchone()
        by_code = {row["error_code"]: row["count"] for row in plain.execute(_ERRORS, asked)}
    assert expected is not None
    if operation is not None:
        page.query_params["operation"] = operation.name

    run(page)

    found = cards(page)
    for label, exact in (("P95 duration", expected["p95"]), ("P99 duration", expected["p99"])):
        assert milliseconds(found.pop(label)) == pytest.approx(exact / 1_000, rel=0.01, abs=0.1)
    assert found == {
        "Attempts": wording.count(expected["attempts"]),
        "Service rate": wording.percent(
            (expected["attempts"] - expected["ours"]) / expected["attempts"]
        ),
        "Success rate": wording.percent(expected["succeeded"] / expected["attempts"]),
    }
    assert verdicts(page)["Service rate"] == f"Our failures: {expected['ours']}"
    drawn = {
        code: number
        for trace in figure(page, 1)["data"]
        for code, number in zip(trace["y"], trace["x"], strict=True)
    }
    assert drawn == by_code


def test_a_bad_quarter_of_an_hour_is_called_one(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    timeout = ErrorCode.DATABASE_TIMEOUT
    add(connection, *(attempt() for _ in range(80)))
    add(connection, *(attempt(code=timeout, duration_us=2_000_000) for _ in range(20)))

    run(page)

    assert verdicts(page) == {
        "Attempts": "",
        "Service rate": "Our failures: 20",
        "Success rate": "Below 99 %",
        "P95 duration": "Over 500 ms",
        "P99 duration": "Over 1,000 ms",
    }


def test_failures_before_an_agent_is_known_are_ours(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, attempt(code=ErrorCode.QUOTE_PERSISTENCE_FAILED, agent_id=UNKNOWN_AGENT))

    run(page)

    assert cards(page)["Service rate"] == "0 %"
    assert verdicts(page)["Service rate"] == "Our failures: 1"
    assert figure(page, 1)["data"][0]["name"] == "Our failures"
    assert "in no rate" not in texts(page)


def test_what_is_not_counted_is_told(page: AppTest, connection: psycopg.Connection[Any]) -> None:
    add(
        connection,
        attempt(),
        attempt(code=ErrorCode.AUTHENTICATION_FAILED, agent_id=UNKNOWN_AGENT),
        attempt(source=Source.LOAD.value),
        attempt(source=Source.DRILL.value),
    )

    run(page)

    assert cards(page)["Attempts"] == "1"
    assert cards(page)["Success rate"] == "100 %"
    assert "1 refused before an agent was known, in no rate: AUTHENTICATION_FAILED 1" in texts(page)
    assert ":gray-badge[2 of other traffic, not counted]" in texts(page)


def test_the_newest_attempts_stand_in_a_table_as_text(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    quote = attempt().id
    hostile = "**bold** [link](http://evil.example) <img src=x> :red[x]"
    add(
        connection,
        attempt(START, correlation_id="REQ-OLDER"),
        attempt(
            END - timedelta(milliseconds=1_500),
            ErrorCode.QUOTE_CONFLICT_VERSION,
            correlation_id=hostile,
            quote_id=quote,
            retries=1,
            duration_us=12_390,
        ),
    )

    run(page)

    assert page.dataframe[0].value.to_dict("records") == [
        {
            "Started, UTC": "12:00:06.000",
            "Outcome": "conflict",
            "Code": "QUOTE_CONFLICT_VERSION",
            "Correlation id": hostile,
            "Operation": "UPDATE",
            "Duration, ms": 12.3,
            "Retries": 1,
            "Quote": f"…{quote.hex[-8:]}",
        },
        {
            "Started, UTC": "11:55:07.500",
            "Outcome": "committed",
            "Code": "",
            "Correlation id": "REQ-OLDER",
            "Operation": "UPDATE",
            "Duration, ms": 10.0,
            "Retries": 0,
            "Quote": "",
        },
    ]
    # On a phone what became of it stands in sight.
    assert [*page.dataframe[0].value][:4] == ["Started, UTC", "Outcome", "Code", "Correlation id"]
    assert "evil" not in texts(page)


def test_columns_have_room_for_what_comes_later(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    """A width left open would be that of the rows that were there when the page was opened."""
    add(connection, attempt())

    run(page)

    columns = json.loads(page.dataframe[0].proto.columns)
    for name in ("Started, UTC", "Outcome", "Code", "Correlation id", "Quote"):
        assert columns[name]["width"] >= 90


def test_instants_are_told_in_utc_and_in_the_viewers_zone(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, attempt())
    page.context["timezone"] = "Asia/Kolkata"

    run(page)

    assert "as of 12:00:07 UTC (17:30:07 Asia/Kolkata)" in texts(page)
    assert page.dataframe[0].value["Started, Asia/Kolkata"].tolist() == ["17:25:07.500"]


def test_the_address_decides_what_is_shown(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, attempt(), attempt(operation=Operation.SEND.value))
    page.query_params["operation"] = "SEND"
    page.query_params["refresh"] = "Paused"

    run(page)

    assert cards(page)["Attempts"] == "1"
    assert page.selectbox(key="operation").value == "SEND"
    assert ":gray-badge[Paused]" in texts(page)
    assert f"exact as of {END:%Y-%m-%d} 12:00:07 UTC" in texts(page), "it may be read tomorrow"


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("name", ["operation", "refresh"])
def test_an_address_that_makes_no_sense_is_passed_over(page: AppTest, name: str) -> None:
    page.query_params[name] = "<script>"

    run(page)

    assert page.selectbox(key="operation").value == "All operations"
    assert ":blue-badge[Live, every 2 s]" in texts(page)


def test_a_database_that_goes_away_leaves_the_last_numbers_marked_stale(
    page: AppTest, engine: Runtime, connection: psycopg.Connection[Any]
) -> None:
    add(connection, *(attempt() for _ in range(400)))
    run(page)
    assert verdicts(page)["Success rate"] == "Above 99 %"
    before = cards(page)

    cut_off(engine)
    run(page)

    (error,) = page.error
    assert error.value == (
        "Stale: the database has not accepted a connection since 12:00:09 UTC."
        " The numbers below are those of 12:00:07 UTC."
    )
    assert cards(page) == before
    assert set(verdicts(page).values()) == {"Stale"}
    assert "-badge[" not in texts(page), "neither live, nor whose the errors were"
    assert figure(page, 0)["data"]
    assert len(page.dataframe[0].value) == 20


def test_a_database_that_was_never_there_leaves_no_number(page: AppTest, engine: Runtime) -> None:
    cut_off(engine)

    run(page)

    assert "No numbers were read before that." in page.error[0].value
    assert set(cards(page).values()) == {"No data"}
    assert figure(page, 0)["layout"]["annotations"][0]["text"] == "Nothing could be read yet"


def test_numbers_come_back_with_the_database(
    page: AppTest, engine: Runtime, connection: psycopg.Connection[Any]
) -> None:
    cut_off(engine)
    run(page)
    add(connection, attempt(END))

    engine_in_process.provide(engine)
    advance(engine)
    run(page)

    assert not page.error
    assert cards(page)["Attempts"] == "1"


def test_every_part_is_ready_before_the_first_is_sent(
    page: AppTest, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a viewer sees cards of one reading beside charts of the one before."""
    order: list[str] = []
    making = ((duration_chart, "draw"), (error_chart, "draw"), (tables, "newest"))
    sending = (
        (st, "badge"),
        (st, "metric"),
        (panels, "plot"),
        (st, "dataframe"),
    )
    for kind, calls in (("made", making), ("sent", sending)):
        for owner, name in calls:
            monkeypatch.setattr(owner, name, noted(getattr(owner, name), kind, order))
    add(connection, attempt())

    run(page)

    assert order == sorted(order)
    assert order.count("made") == 3
    assert order.count("sent") > 8


def test_all_parts_are_of_one_reading(page: AppTest, connection: psycopg.Connection[Any]) -> None:
    add(connection, attempt())

    run(page)

    assert "exact as of 12:00:07 UTC" in texts(page)
    assert {chart(page, number)["end"] for number in (0, 1)} == {END.isoformat()}


def test_charts_and_table_are_told_to_those_who_do_not_see_them(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, attempt(), attempt(code=ErrorCode.INTERNAL_ERROR))

    run(page)

    assert "P95 10." in chart(page, 0)["alt"] or "P95 9.9" in chart(page, 0)["alt"]
    assert "INTERNAL_ERROR 1" in chart(page, 1)["alt"]
    assert page.dataframe[0].proto.alt == "Newest attempts"


def test_headings_leave_out_no_level(page: AppTest, connection: psycopg.Connection[Any]) -> None:
    add(connection, attempt())

    run(page)

    assert [title.value for title in page.title] == ["Overview"]
    assert [header.value for header in page.header] == [
        "Duration, per 10 s",
        "Errors by code",
        "Objectives",
        "Newest attempts",
    ]
    assert not page.subheader


def test_the_page_says_quietly_which_installation_it_is_of(page: AppTest, engine: Runtime) -> None:
    run(page)

    told = page.caption[0].value.replace("\\", "")
    assert told == f"Saveguard · {engine.settings.environment} · {engine.settings.release}"


def test_without_an_engine_the_page_says_how_to_start_one(page: AppTest) -> None:
    engine_in_process.provide(None)

    run(page)

    assert "saveguard up" in page.error[0].value
    assert not page.metric


def test_a_code_of_a_newer_release_is_shown_by_its_number(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    row = attempt(code=ErrorCode.INTERNAL_ERROR)
    row.error_code = 99
    add(connection, row)

    run(page)

    assert 99 not in {meaning.number for meaning in TAXONOMY.values()}
    assert page.dataframe[0].value["Code"].tolist() == ["code 99"]
    assert figure(page, 1)["data"][0]["y"] == ["code 99"]


def milliseconds(told: str) -> float:
    return float(told.removesuffix(" ms").replace(",", ""))


def noted(call: Callable[..., Any], kind: str, order: list[str]) -> Callable[..., Any]:
    """The same call, which leaves its kind in the order of all."""

    def wrapper(*given: Any, **more: Any) -> Any:
        order.append(kind)
        return call(*given, **more)

    return wrapper


def cut_off(engine: Runtime) -> None:
    """From here on nothing listens where the database was."""
    impatient = engine.settings.model_copy(update={"pool_wait": timedelta(milliseconds=100)})
    nowhere = replace(engine.target, app="host=127.0.0.1 port=1 dbname=saveguard")
    dead = Pool(nowhere, impatient, engine.clock, size=1)
    dead.open()
    engine_in_process.provide(replace(engine, read_pool=dead))
    advance(engine)


def advance(engine: Runtime) -> None:
    """To the next refresh: what was read before is not fresh any more."""
    cast("FrozenClock", engine.clock).advance(timedelta(seconds=2))
