"""The errors page as a viewer gets it: honest when empty, equal to a plain reading, narrowed."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import psycopg
import pytest
from psycopg.rows import dict_row
from streamlit.testing.v1 import AppTest

from dashboard import addresses, runbook
from engine.attempts import ledger
from engine.attempts.outcome import UNKNOWN_AGENT, Outcome
from engine.clock import FrozenClock
from engine.errors import TAXONOMY, ErrorCode
from engine.rollups.roller import roll
from engine.runtime import Runtime
from engine.slo.objectives import LIMITS
from tests.dashboard.attempts import END, START, WINDOW, add, attempt, mixed_attempts
from tests.dashboard.conftest import APP
from tests.dashboard.test_overview import advance, chart, cut_off, figure, run, texts

# The page's questions, put plainly to the view that people read. The page's window ends with the
# tens of seconds that the present is in; rows after the present are not put there.
_LIVE = """
    SELECT outcome, error_code, path, agent_id, quote_id
    FROM ledger
    WHERE source = 'live'
        AND (agent_id <> %(unknown)s OR outcome IN ('failed', 'indeterminate'))
        AND started_at >= %(start)s
        AND started_at < %(end)s
"""


@pytest.fixture
def page(page: AppTest) -> AppTest:
    page.run()
    return page.switch_page(str(APP.parent.parent / "pages" / "errors.py"))


def table(page: AppTest, alt: str) -> list[dict[str, Any]]:
    """A table's rows; none where it is not on the page."""
    found = [each for each in page.dataframe if each.proto.alt == alt]
    return cast("list[dict[str, Any]]", found[0].value.to_dict("records") if found else [])


def codes(page: AppTest) -> list[dict[str, Any]]:
    return table(page, "Error codes")


def said(page: AppTest) -> str:
    return "\n".join(each.value for each in page.text)


@pytest.mark.usefixtures("engine")
def test_an_empty_ledger_is_neither_good_nor_bad(page: AppTest) -> None:
    run(page)

    assert figure(page, 0)["data"] == []
    assert figure(page, 0)["layout"]["annotations"][0]["text"] == "No attempts in the window"
    assert "No attempts in the window: no data." in said(page)
    assert not codes(page)
    rates = table(page, "Rates on the hardened and on the legacy path")
    assert {row["Hardened"] for row in rates} == {row["Legacy"] for row in rates} == {"No data"}
    assert {row["Difference"] for row in rates[1:]} == {"No data on hardened and legacy"}
    assert "%" not in said(page)
    assert "green" not in texts(page)


@pytest.mark.parametrize("is_rolled", [False, True])
@pytest.mark.parametrize("count", [150, 1_500])
def test_numbers_equal_a_plain_reading_of_the_ledger(
    page: AppTest,
    engine: Runtime,
    connection: psycopg.Connection[Any],
    count: int,
    *,
    is_rolled: bool,
) -> None:
    rows = [row for row in mixed_attempts(count) if row.started_at < END]
    for number, row in enumerate(rows):
        row.path = 1 + number % 2
    add(connection, *rows)
    if is_rolled:
        roll(connection, FrozenClock(END), LIMITS)
    start = END - timedelta(seconds=END.second % 10, microseconds=END.microsecond) - WINDOW
    with psycopg.connect(engine.target.owner, row_factory=dict_row) as plain:
        values = {"unknown": UNKNOWN_AGENT, "start": start, "end": END}
        live = plain.execute(_LIVE, values).fetchall()
    expected = Counter(each["error_code"] for each in live if each["error_code"])

    run(page)

    assert {told["Code"]: told["Attempts"] for told in codes(page)} == expected
    failed = sum(expected.values())
    assert f"{failed} of {len(live):,} attempts failed" in said(page)
    for told in codes(page):
        touched = [each for each in live if each["error_code"] == told["Code"]]
        assert told["Agents"] == len({each["agent_id"] for each in touched} - {UNKNOWN_AGENT})
        assert told["Quotes"] == len({each["quote_id"] for each in touched} - {None})
        assert told["Looked at"] == "all"
    shapes = table(page, "Failures of the same shape")
    assert len(shapes) == 50 or sum(told["Attempts"] for told in shapes) == failed
    attempts = table(page, "Rates on the hardened and on the legacy path")[0]
    on_path = Counter(each["path"] for each in live)
    assert attempts["Hardened"] == f"{on_path['hardened']:,}"
    assert attempts["Legacy"] == f"{on_path['legacy']:,}"
    assert len(table(page, "Newest failed attempts")) == min(20, failed)


def test_a_code_is_told_with_all_that_is_known_of_it(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(
        connection,
        *(attempt(START + timedelta(seconds=20)) for _ in range(98)),
        attempt(END - timedelta(minutes=2), ErrorCode.DATABASE_TIMEOUT, correlation_id="REQ-A"),
        attempt(END - timedelta(minutes=1), ErrorCode.DATABASE_TIMEOUT, correlation_id="REQ-B"),
        attempt(START - timedelta(minutes=1)),
    )

    run(page)

    (row,) = codes(page)
    link = dict(parse_qsl(urlsplit(row.pop("Show")).query))
    assert row == {
        "Code": "DATABASE_TIMEOUT",
        "Attempts": 2,
        "Severity": ["HIGH"],
        "Share": "2 %",
        "Trend": "new",
        "Whose doing": "Ours",
        "Retryable": "yes",
        "Last seen, UTC": f"{END:%Y-%m-%d} 11:59:07",
        "First seen, UTC": f"{END:%Y-%m-%d} 11:58:07",
        "Agents": 1,
        "Quotes": 0,
        "Looked at": "all",
        "Newest correlation id": "REQ-B",
        "Title": TAXONOMY[ErrorCode.DATABASE_TIMEOUT].title,
        "Runbook": "errors?code=DATABASE_TIMEOUT",
    }
    selection = addresses.read_attempts(link).selection
    assert selection is not None
    assert selection.code is ErrorCode.DATABASE_TIMEOUT
    counted = connection.execute(
        psycopg.sql.SQL("SELECT count(*) FROM attempt WHERE {}").format(selection.condition())
    ).fetchone()
    assert counted == (2,), "the link leads to the attempts that are counted"


def test_a_code_in_the_address_narrows_the_page_and_opens_its_runbook(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(
        connection,
        attempt(code=ErrorCode.DATABASE_TIMEOUT, correlation_id="**REQ**-<b>1</b>"),
        attempt(code=ErrorCode.INTERNAL_ERROR),
    )
    page.query_params["code"] = "DATABASE_TIMEOUT"

    run(page)

    assert page.selectbox(key="code").value == "DATABASE_TIMEOUT"
    assert "**Symptom**: 504" in texts(page)
    assert "DATABASE_TIMEOUT" in [each.value for each in page.header]
    bars = [each["name"] for each in figure(page, 0)["data"] if each["type"] == "bar"]
    assert bars == ["DATABASE_TIMEOUT"]
    for alt in ("Failures of the same shape", "Newest failed attempts"):
        assert {row["Code"] for row in table(page, alt)} == {"DATABASE_TIMEOUT"}
    assert len(codes(page)) == 2, "another code can still be chosen"
    assert [each.value for each in page.code] == ["**REQ**-<b>1</b>"]
    assert "REQ" not in texts(page)


def test_a_code_that_there_is_not_is_said(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, attempt(code=ErrorCode.INTERNAL_ERROR))
    page.query_params["code"] = "<script>"

    run(page)

    assert "names an error code that there is not" in page.warning[0].value
    assert len(codes(page)) == 1


@pytest.mark.usefixtures("engine")
def test_without_the_documentation_the_page_says_where_it_is(
    page: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(runbook, "PLACE", tmp_path / "errors.md")
    page.query_params["code"] = "DATABASE_TIMEOUT"

    run(page)

    assert "docs/runbooks/errors.md, section DATABASE_TIMEOUT" in page.info[0].value


def test_attempts_refused_before_an_agent_was_known_stand_apart(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(
        connection,
        *(attempt() for _ in range(3)),
        attempt(code=ErrorCode.AUTHENTICATION_FAILED, agent_id=UNKNOWN_AGENT),
    )

    run(page)

    assert "1 attempt (25 % of the 4 that arrived)" in said(page)
    (row,) = table(page, "Codes of attempts refused before an agent was known")
    assert (row["Code"], row["Attempts"]) == ("AUTHENTICATION_FAILED", 1)
    assert row["Share of arrivals"] == "25 %"
    assert "traffic=unknown_caller" in row["Show"]
    assert not codes(page)
    assert figure(page, 0)["layout"]["annotations"][0]["text"] == "No errors among 3 attempts"


def test_a_path_is_worse_only_where_it_is_more_than_chance(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    failed, conflict = ErrorCode.DATABASE_TIMEOUT, ErrorCode.QUOTE_CONFLICT_VERSION
    add(
        connection,
        *(attempt(path=1) for _ in range(200)),
        *(attempt(path=2) for _ in range(150)),
        *(attempt(path=2, code=failed) for _ in range(50)),
        attempt(path=2, code=conflict),
    )

    run(page)

    rates = {row[""]: row for row in table(page, "Rates on the hardened and on the legacy path")}
    assert rates["Service success rate"]["Difference"] == "Legacy is worse, more than chance"
    assert rates["Conflict rate"]["Difference"] == "None that could not be chance"
    assert rates["Success rate"]["Hardened"].startswith("100 % (")
    assert rates["Conflict rate"]["Hardened"].startswith("0 % (0 % to ")
    assert rates["Error rate"]["Show hardened"] == "", "there is nothing to show"
    assert "part=unsuccessful" in rates["Error rate"]["Show legacy"]


def test_a_path_without_attempts_has_no_data(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, attempt(path=1))

    run(page)

    rates = table(page, "Rates on the hardened and on the legacy path")
    assert {row["Legacy"] for row in rates} == {"No data"}
    assert {row["Difference"] for row in rates[1:]} == {"No data on legacy"}


def test_a_code_of_a_newer_release_is_shown_by_its_number(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    row = attempt(code=ErrorCode.INTERNAL_ERROR)
    row.error_code = 99
    add(connection, row)

    run(page)

    (told,) = codes(page)
    assert told["Code"] == "code 99"
    assert told["Severity"] == ["Unknown"]
    assert told["Show"] == ""


def test_a_database_that_goes_away_leaves_the_last_numbers_marked_stale(
    page: AppTest, engine: Runtime, connection: psycopg.Connection[Any]
) -> None:
    add(connection, attempt(code=ErrorCode.INTERNAL_ERROR))
    run(page)
    assert "exact as of" in texts(page)

    cut_off(engine)
    run(page)

    (error,) = page.error
    assert error.value.startswith("Stale: the database has not accepted a connection since ")
    assert len(codes(page)) == 1
    assert "-badge[" not in texts(page)


def test_a_database_that_was_never_there_leaves_no_number(page: AppTest, engine: Runtime) -> None:
    cut_off(engine)
    advance(engine)

    run(page)

    assert "No numbers were read before that." in page.error[0].value
    assert figure(page, 0)["layout"]["annotations"][0]["text"] == "Nothing could be read yet"
    assert not page.dataframe


def test_the_chart_is_told_to_those_who_do_not_see_it(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, attempt(), attempt(code=ErrorCode.INTERNAL_ERROR))

    run(page)

    assert chart(page, 0)["alt"] == (
        "Share of attempts that failed, per 10 s: stacked bars. In all: INTERNAL_ERROR 1."
    )


def test_bars_are_shares_of_all_attempts_of_their_time(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(
        connection,
        *(attempt(END - timedelta(minutes=1)) for _ in range(3)),
        attempt(END - timedelta(minutes=1), ErrorCode.INTERNAL_ERROR),
    )

    run(page)

    bars, attempts = figure(page, 0)["data"]
    assert [each for each in bars["y"] if each is not None] == [25]
    assert [each for each in bars["customdata"] if each] == ["1 (25 %)"]
    assert sum(each.startswith("No attempts from") for each in attempts["customdata"]) == 30
    assert json.dumps(figure(page, 0)).count("Reds") == 0
    assert "Reds and orange are our failures" in texts(page)


def test_of_many_codes_ours_are_drawn_and_the_rest_is_named(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    ours = {code for code in ErrorCode if ledger.outcome_of(code) is Outcome.FAILED}
    # That of callers who were not known stands apart.
    codes = set(ErrorCode) - {ErrorCode.AUTHENTICATION_FAILED}
    for code in codes:
        add(connection, *(attempt(code=code) for _ in range(1 if code in ours else 3)))

    run(page)

    bars = [each for each in figure(page, 0)["data"] if each["type"] == "bar"]
    names = [each["name"] for each in bars]
    assert len(bars) == 8
    assert set(names[:4]) == ours, "they stand on the ground"
    assert names[-1] == "10 other codes"
    assert len({each["marker"]["color"] for each in bars}) == 8
    for code in codes - set(names):
        assert f"{code.value} 3" in texts(page)
