"""The page of durations as a viewer gets it: honest when empty, and equal to the ledger."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, cast
from urllib.parse import parse_qsl, urlsplit

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from streamlit.testing.v1 import AppTest

from dashboard import addresses, engine_in_process, heatmap, latency_reads, latency_tables, receipts
from dashboard.latency_tables import change
from engine.attempts.outcome import UNKNOWN_AGENT, Source
from engine.clock import FrozenClock
from engine.database.pool import Pool
from engine.quotes.lifecycle import Operation
from engine.rollups.grid import Window, window_before, window_until
from engine.rollups.roller import roll
from engine.rollups.selection import Filter
from engine.runtime import Runtime
from engine.slo.objectives import LIMITS
from tests.dashboard.attempts import END, START, WINDOW, add, attempt, mixed_attempts
from tests.dashboard.viewers import OPERATOR

# The same questions as the page's, put plainly to the view that people read.
_ORACLE: Final = """
    SELECT
        count(*) AS attempts,
        percentile_disc(0.5) WITHIN GROUP (ORDER BY duration_us) AS p50,
        percentile_disc(0.95) WITHIN GROUP (ORDER BY duration_us) AS p95,
        percentile_disc(0.99) WITHIN GROUP (ORDER BY duration_us) AS p99,
        percentile_disc(0.999) WITHIN GROUP (ORDER BY duration_us) AS p999,
        max(duration_us) AS longest
    FROM ledger
    WHERE source = 'live'
        AND (agent_id <> %(unknown)s OR outcome <> 'rejected')
        AND duration_us > 0
        AND started_at >= %(start)s
        AND started_at < %(end)s
        AND operation = coalesce(%(operation)s, operation)
"""
_PERCENTILES: Final = ("p50", "p95", "p99", "p999")


def run(page: AppTest, **query: str) -> AppTest:
    """One look at the page; nothing on it may have broken."""
    for name, value in query.items():
        page.query_params[name] = value
    page.switch_page(str(receipts.PAGE.with_name("latency.py")))
    page.run()
    assert not page.exception
    return page


def texts(page: AppTest) -> str:
    elements = [*page.title, *page.header, *page.caption, *page.markdown, *page.error]
    return "\n".join(element.value for element in elements)


def figure(page: AppTest, number: int) -> dict[str, Any]:
    """A chart's figure: 0 is that of the percentile over time, 1 the heatmap."""
    given = json.loads(page.get("bidi_component")[number].proto.json)
    found: dict[str, Any] = json.loads(given["figure"])
    return found


def percentiles(page: AppTest) -> list[dict[str, Any]]:
    rows = page.dataframe[0].value.to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def oracle(engine: Runtime, window: Window, operation: str | None) -> dict[str, Any]:
    asked = {
        "unknown": UNKNOWN_AGENT,
        "start": window.start,
        "end": window.end,
        "operation": operation,
    }
    with psycopg.connect(engine.target.owner, row_factory=dict_row) as plain:
        found = plain.execute(_ORACLE, asked).fetchone()
    assert found is not None
    return found


def rows_behind(engine: Runtime, address: str) -> int:
    """How many rows of the ledger a link on the page leads to."""
    said = addresses.read_attempts(dict(parse_qsl(urlsplit(address).query)))
    assert said.selection is not None
    assert not said.unread
    with psycopg.connect(engine.target.owner) as plain:
        counted = sql.SQL("SELECT count(*) FROM attempt WHERE {}").format(
            said.selection.condition()
        )
        return int(plain.execute(counted).fetchall()[0][0])


@pytest.mark.usefixtures("engine")
def test_an_empty_ledger_has_no_durations(page: AppTest) -> None:
    run(page)

    none = "No data: no attempts in the last 5 minutes"
    assert f"{none}." in texts(page)
    assert "No data: no attempts to show." in texts(page)
    assert not page.dataframe
    for number in (0, 1):
        assert figure(page, number)["data"] == []
        assert figure(page, number)["layout"]["annotations"][0]["text"] == none
    assert "green" not in texts(page)


@pytest.mark.parametrize("count", [40, 1_500])
@pytest.mark.parametrize("operation", [None, Operation.UPDATE])
def test_percentiles_equal_a_plain_query_of_the_ledger(
    page: AppTest,
    engine: Runtime,
    connection: psycopg.Connection[Any],
    operation: Operation | None,
    count: int,
) -> None:
    add(connection, *mixed_attempts(count))
    roll(connection, FrozenClock(END), LIMITS)
    add(connection, *mixed_attempts(count // 4))
    window = window_until(END, WINDOW)
    before = window_before(window, END)

    run(page, **({} if operation is None else {"operation": operation.name}))

    shown = percentiles(page)
    assert shown[0]["Operation"] == ("All" if operation is None else operation.name)
    assert len(shown) == (8 if operation is None else 1) or count == 40
    for row in shown:
        name = None if row["Operation"] == "All" else row["Operation"]
        expected = oracle(engine, window, name)
        assert row["Attempts"] == expected["attempts"] > 0
        assert row["Attempts before"] == oracle(engine, before, name)["attempts"]
        assert row["Longest, ms"] == expected["longest"] // 100 / 10
        for percentile, column in zip(_PERCENTILES, latency_tables.NAMES, strict=True):
            told = row[latency_tables.value_column(column)]
            assert abs(told - expected[percentile] / 1_000) <= expected[percentile] / 1e5 + 0.1
        assert rows_behind(engine, row["Rows"]) == row["Attempts"]


def test_every_cell_counts_the_rows_behind_its_link(
    engine: Runtime, connection: psycopg.Connection[Any]
) -> None:
    add(connection, *mixed_attempts(700))
    roll(connection, FrozenClock(END), LIMITS)
    add(connection, *mixed_attempts(300))
    known = latency_reads.durations(OPERATOR, timedelta(minutes=15), Filter())
    assert known.value is not None

    cells = heatmap.cells(known.value)

    checked = 0
    for column in cells.columns:
        for band in cells.bands:
            count = cells.count([column], [band])
            link = receipts.href(cells.selection([column], [band]))
            if count or checked % 20 == 0:
                assert rows_behind(engine, link) == count, (column, band)
            checked += 1
    box = cells.columns[50:80], cells.bands[3:9]
    assert rows_behind(engine, receipts.href(cells.selection(*box))) == cells.count(*box) > 20


def test_the_lists_below_the_heatmap_choose_what_a_pointer_could(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, *(attempt(START + timedelta(seconds=20)) for _ in range(3)))
    add(connection, attempt(START + timedelta(seconds=20), duration_us=40_000))
    add(connection, attempt(START + timedelta(seconds=70)))

    run(page)
    everything = page.get("page_link")[0].proto.label
    day = f"{END:%-d %b}"
    page.selectbox(key="cell_time").select(f"{day} 11:55:20 to 11:55:30 UTC").run()
    page.selectbox(key="cell_duration").select("about 10 ms to 15 ms").run()

    assert everything == "Show the 5 attempts"
    link = page.get("page_link")[0].proto
    assert link.label == "Show the 3 attempts"
    said = addresses.read_attempts(dict(parse_qsl(link.query_string))).selection
    assert said is not None
    assert said.at_least_us is not None
    assert said.at_least_us <= 10_000 < (said.below_us or 0)


@pytest.mark.parametrize(
    ("buckets", "said"),
    [
        (0, "unchanged"),
        # The truth may differ by nothing.
        (1, "unchanged"),
        (-1, "unchanged"),
        (2, "+4 %"),
        (-2, "-3 %"),
        (35, "+101 %"),
    ],
)
def test_a_change_is_told_as_far_as_the_histogram_can_tell(buckets: int, said: str) -> None:
    assert change(461 + buckets, 461, is_enough=True) == f"{said}, was 9.9"


def test_a_percentile_of_too_few_is_not_compared() -> None:
    assert change(300, 200, is_enough=False).startswith("too few, was ")
    assert change(300, None, is_enough=False) == "no data before"


def test_nothing_is_compared_with_a_window_without_attempts(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, *(attempt() for _ in range(30)))

    run(page)

    row = percentiles(page)[0]
    assert {row[latency_tables.change_column(name)] for name in latency_tables.NAMES} == {
        "no data before"
    }
    assert "no data there" in texts(page)


def test_the_viewer_chooses_the_percentile_in_the_address(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(
        connection,
        *(attempt(START + timedelta(seconds=20)) for _ in range(98)),
        *(attempt(START + timedelta(seconds=20), duration_us=90_000) for _ in range(2)),
    )

    run(page, percentile="P50")
    half = figure(page, 0)
    page.button_group(key="percentile").set_value("P99").run()

    line = figure(page, 0)["data"][0]
    assert [each for each in line["y"] if each is not None] == [pytest.approx(90, rel=0.01)]
    assert None in line["y"], "times without attempts stay blank"
    assert line["connectgaps"] is False
    assert [each for each in half["data"][0]["y"] if each] == [pytest.approx(10, rel=0.01)]
    assert not half["layout"].get("annotations"), "P50 has no target"
    assert figure(page, 0)["layout"]["annotations"][0]["text"] == "Target P99 1,000 ms"


def test_the_slowest_attempts_stand_in_a_table_as_text(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    hostile = "**bold** [link](http://evil.example) :red[x]"
    add(
        connection,
        attempt(duration_us=12_390, database_us=2_340, retries=1, correlation_id=hostile),
        *(attempt() for _ in range(20)),
        attempt(duration_us=5_000_000, source=Source.LOAD.value),
    )

    run(page)

    table = page.dataframe[1].value
    assert len(table) == 15
    first = table.iloc[0]
    assert first["Correlation id"] == hostile
    assert (first["Total, ms"], first["Database, ms"], first["Rest, ms"]) == (12.3, 2.3, 10.0)
    assert (first["Database share"], first["Retries"]) == (18, 1)
    assert "evil" not in texts(page)


@pytest.mark.parametrize("window", ["15 min", "1 h", "6 h", "24 h", "7 d", "30 d", "90 d"])
def test_every_window_can_be_looked_at(
    page: AppTest, connection: psycopg.Connection[Any], window: str
) -> None:
    add(connection, *mixed_attempts(60), attempt(END - timedelta(days=80)))
    roll(connection, FrozenClock(END), LIMITS)

    run(page, window=window)

    assert figure(page, 1)["data"][0]["type"] == "heatmap"
    assert percentiles(page)[0]["Attempts"] > 30


@pytest.mark.usefixtures("engine")
def test_an_address_that_means_nothing_is_the_page_as_it_opens(page: AppTest) -> None:
    run(page, percentile="P42", window="<script>", operation="NONE", path="?")

    assert "No data: no attempts in the last 5 minutes." in texts(page)


def test_numbers_of_an_outage_are_called_old(
    page: AppTest, connection: psycopg.Connection[Any], engine: Runtime
) -> None:
    add(connection, attempt())
    run(page)
    nowhere = replace(engine.target, app="host=127.0.0.1 port=1 user=nobody dbname=nothing")
    dead = Pool(nowhere, engine.settings, engine.clock, size=1)
    dead.open()
    engine_in_process.provide(replace(engine, read_pool=dead))
    cast("FrozenClock", engine.clock).advance(timedelta(seconds=2))

    run(page)

    dead.close()
    assert "Stale: " in texts(page)
    assert "The numbers below are those of 12:00:07 UTC." in texts(page)
    assert percentiles(page)[0]["Attempts"] == 1
