"""A number and its receipt: the rows that a selection finds are as many as the rollups say."""

# ruff: noqa: S608 - what is shown as SQL is run as it stands

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import psycopg
import pytest
from psycopg.rows import dict_row

from engine.attempts import ledger
from engine.attempts.ledger import AttemptRow, outcome_of
from engine.attempts.outcome import UNKNOWN_AGENT, Outcome, Path, Source
from engine.clock import FrozenClock
from engine.database.target import Target
from engine.errors import ErrorCode
from engine.quotes.lifecycle import Operation
from engine.rollups import listing, parts, receipt, rows
from engine.rollups.counts import Traffic
from engine.rollups.export import COLUMNS, export
from engine.rollups.grid import Window
from engine.rollups.histogram import bounds_us
from engine.rollups.receipt import Untold
from engine.rollups.retention import drop_due
from engine.rollups.roller import roll
from engine.rollups.selection import Filter, Selection
from engine.slo.objectives import LIMITS, PARTS
from tests.dashboard.attempts import AGENT, CLOCK, END, attempt
from tests.faults.load import Dice, new_seed

_MANY: Final = 600
_WINDOW: Final = Window(
    END.replace(minute=40, second=0, microsecond=0) - timedelta(hours=1),
    END.replace(second=0, microsecond=0),
)
_ODD: Final = ("=1+1", "+1", "-1", "@x", "\tx", 'a "quoted", id', "two\nlines", "plain", "é")


def random_attempt(dice: Dice) -> AttemptRow:
    """Any attempt that the ledger accepts, in the window or just outside of it."""
    outside = timedelta(seconds=30)
    span = (_WINDOW.length + 2 * outside) / timedelta(microseconds=1)
    started_at = _WINDOW.start - outside + timedelta(microseconds=int(dice.chance() * span))
    kind: dict[str, Any] = {
        "agent_id": dice.pick([AGENT, AGENT, UNKNOWN_AGENT]),
        "duration_us": int(dice.pick([0, 1, 1e4, 1e6, 3e6]) * dice.chance()),
        "database_us": 5,
        "operation": dice.pick(list(Operation)).value,
        "retries": dice.pick([0, 0, 1, 2]),
        "path": dice.pick(list(Path)).value,
        "source": dice.pick([Source.LIVE, Source.LIVE, *Source]).value,
        "correlation_id": dice.pick(_ODD),
        "changed_fields": dice.pick([None, "tripName", "taxes,tripName"]),
        "quote_id": dice.pick([None, CLOCK.uuid7()]),
    }
    if dice.chance() < 0.5:
        return attempt(started_at, outcome=dice.pick([1, 2]), **kind)
    code = dice.pick(list(ErrorCode))
    outcome = dice.pick([outcome_of(code), Outcome.INDETERMINATE])
    return attempt(started_at, code, outcome=outcome.value, **kind)


@pytest.fixture
def connection(target: Target) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(target.app, autocommit=True) as opened:
        yield opened


@pytest.fixture
def filled(connection: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """Random attempts, half of them rolled up and half of them in the tail."""
    dice = Dice(new_seed())
    for number in range(_MANY):
        ledger.insert(connection, random_attempt(dice))
        if number == _MANY // 2:
            assert roll(connection, FrozenClock(END), LIMITS)
    return connection


def everything(**more: Any) -> Selection:
    return Selection(_WINDOW, Filter(traffic=None), **more)


def test_every_number_of_every_traffic_is_that_of_its_rows(
    filled: psycopg.Connection[Any],
) -> None:
    filters = [
        Filter(operation, traffic, path)
        for traffic in (None, *Traffic)
        for operation, path in ((None, None), (Operation.UPDATE, None), (None, Path.LEGACY))
    ]

    found = {
        (part.key, wanted): receipt.read(filled, Selection(_WINDOW, wanted, part), END)
        for part in PARTS.values()
        for wanted in filters
    }

    assert {key: each for key, each in found.items() if each.agrees is not True} == {}
    assert {key for (key, _), each in found.items() if each.counted} == set(PARTS)


def test_the_number_of_every_code_is_that_of_its_rows(filled: psycopg.Connection[Any]) -> None:
    found = [
        receipt.read(filled, everything(part=part, code=code), END)
        for part in (parts.ALL, parts.UNSUCCESSFUL)
        for code in ErrorCode
    ]

    assert [each for each in found if each.agrees is not True] == []
    assert sum(each.counted or 0 for each in found) > _MANY / 2


def test_between_edges_of_the_histogram_its_number_is_that_of_the_rows(
    filled: psycopg.Connection[Any],
) -> None:
    # The least duration of a bucket and of one far above it.
    low, high = (int(bounds_us(bucket)[0]) + 1 for bucket in (400, 600))
    bounds = [(low, high), (None, high), (low, None), (0, 1), (0, high), (1, 2), (0, 0)]

    found = [
        receipt.read(filled, everything(part=part, at_least_us=least, below_us=below), END)
        for part in (parts.ALL, parts.TIMED)
        for least, below in bounds
    ]

    assert [each for each in found if each.agrees is not True] == []
    assert all(each.counted for each in found[:3])


@pytest.mark.parametrize(
    ("selection", "untold"),
    [
        (everything(at_least_us=12_345), Untold.DURATIONS),
        (everything(part=parts.RETRIED, at_least_us=1), Untold.DURATIONS),
        (everything(changed_fields="tripName"), Untold.FIELDS),
        (
            everything(part=parts.SERVICE_FAILURES, code=ErrorCode.INTERNAL_ERROR),
            Untold.CODE_OF_PART,
        ),
        (
            replace(everything(), window=Window(_WINDOW.start, END)),
            Untold.WINDOW,
        ),
    ],
    ids=lambda each: each.value if isinstance(each, Untold) else "",
)
def test_what_the_rollups_cannot_tell_is_counted_from_the_rows_alone(
    filled: psycopg.Connection[Any], selection: Selection, untold: Untold
) -> None:
    found = receipt.read(filled, selection, END)

    assert (found.untold, found.rolled, found.agrees) == (untold, None, None)
    assert found.counted is not None


def test_a_window_whose_fine_rollups_are_gone_is_not_told_by_them() -> None:
    since = _WINDOW.start + timedelta(seconds=10)
    selection = Selection(_WINDOW._replace(start=since), Filter())

    assert receipt.why_untold(selection, END) is None
    assert receipt.why_untold(selection, END + timedelta(hours=5)) is Untold.WINDOW


def test_counting_many_rows_waits_until_somebody_asks(
    filled: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipt, "AT_ONCE", 10)
    few = everything(code=ErrorCode.QUOTE_NOT_FOUND)
    monkeypatch.setattr(receipt, "AT_ONCE", receipt.read(filled, few, END).to_look_at)

    many = receipt.read(filled, everything(part=parts.RETRIED), END)
    asked = receipt.read(filled, everything(part=parts.RETRIED), END, timedelta(seconds=30))

    assert many.counted is None
    assert many.to_look_at > _MANY / 2
    assert asked.agrees
    assert receipt.read(filled, few, END).agrees


def test_what_retention_has_dropped_is_told_apart(
    target: Target, connection: psycopg.Connection[Any]
) -> None:
    yesterday = END - timedelta(days=1)
    ledger.insert(connection, attempt(yesterday))
    ledger.insert(connection, attempt(END - timedelta(hours=1)))
    ledger.insert(connection, attempt(END - timedelta(hours=1)))
    roll(connection, FrozenClock(END), LIMITS)
    with psycopg.connect(target.owner, autocommit=True) as owner:
        drop_due(owner, END, timedelta(hours=1))
    midnight = END.replace(hour=0, minute=0, second=0, microsecond=0)
    both = Window(midnight - timedelta(days=1), midnight + timedelta(days=1))

    found = receipt.read(connection, Selection(both, Filter()), END)
    gone = receipt.read(connection, Selection(both._replace(end=midnight), Filter()), END)

    assert (found.rolled, found.rolled_kept, found.counted, found.agrees) == (3, 2, 2, True)
    assert found.kept == both._replace(start=midnight)
    assert (gone.rolled, gone.kept, gone.counted, gone.agrees) == (1, None, None, None)


def test_the_shown_queries_give_the_same_in_psql(filled: psycopg.Connection[Any]) -> None:
    selection = everything(part=parts.ROLLED_BACK, changed_fields="tripName")

    counted = filled.execute(rows.count_query(selection).as_string(None).encode()).fetchone()
    page = rows.newest(filled, selection)
    listed = filled.execute(page.query.encode()).fetchall()

    assert counted == (receipt.read(filled, selection, END).counted,)
    assert [each[-1] for each in listed] == [each.id for each in page.rows] != []


def test_pages_hold_every_row_once_newest_first(filled: psycopg.Connection[Any]) -> None:
    selection = Selection(_WINDOW, Filter())
    oracle = filled.execute(
        f"SELECT id FROM attempt WHERE {selection.condition().as_string(None)}"
        " ORDER BY started_at DESC, id DESC".encode()
    ).fetchall()

    ways: list[Callable[[rows.Place | None], rows.Page]] = [
        lambda before: rows.newest(filled, selection, before),
        lambda before: listing.newest(filled, selection, END, before),
    ]
    for find in ways:
        found: list[rows.Row] = []
        before: rows.Place | None = None
        while True:
            page = find(before)
            found += page.rows
            if not page.has_older:
                break
            assert len(page.rows) == rows.PAGE
            before = page.rows[-1].place

        assert [(each.id,) for each in found] == oracle


def test_in_a_long_window_only_hours_that_have_rows_are_looked_at(
    connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    midnight = END.replace(hour=0, minute=0, second=0, microsecond=0)
    instants = [midnight - timedelta(hours=20, minutes=3), midnight, END - timedelta(minutes=1)]
    for each in instants:
        ledger.insert(connection, attempt(each))
    ledger.insert(connection, attempt(midnight + timedelta(hours=3), source=4))
    roll(connection, FrozenClock(END), LIMITS)
    asked: list[Window] = []
    page_query = rows.page_query

    def spy(selection: Selection, *more: Any) -> Any:
        asked.append(selection.window)
        return page_query(selection, *more)

    monkeypatch.setattr(rows, "page_query", spy)
    long = Window(midnight - timedelta(days=60), midnight + timedelta(days=1))

    page = listing.newest(connection, Selection(long, Filter()), END)

    assert [each.started_at for each in page.rows] == instants[::-1]
    *looked_at, shown = asked
    assert [each.length for each in looked_at] == [timedelta(hours=1)] * 3
    assert shown == long


def test_rows_of_the_same_instant_are_split_between_pages_without_loss(
    connection: psycopg.Connection[Any],
) -> None:
    for _ in range(rows.PAGE + 10):
        ledger.insert(connection, attempt(_WINDOW.start))
    selection = Selection(_WINDOW, Filter())

    first = rows.newest(connection, selection)
    second = rows.newest(connection, selection, first.rows[-1].place)

    assert len({each.id for each in (*first.rows, *second.rows)}) == rows.PAGE + 10
    assert (first.has_older, second.has_older) == (True, False)


def test_a_file_says_what_the_ledger_says(filled: psycopg.Connection[Any]) -> None:
    out = io.StringIO(newline="")

    written = export(filled, everything(), out)

    lines = list(csv.DictReader(io.StringIO(out.getvalue(), newline="")))
    with filled.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            "SELECT * FROM ledger WHERE started_at >= %s AND started_at < %s"
            " ORDER BY started_at DESC, id DESC",
            _WINDOW,
        )
        oracle = cursor.fetchall()
    assert written == len(lines) == len(oracle)
    assert list(lines[0]) == list(COLUMNS)
    for line, row in zip(lines, oracle, strict=True):
        assert line == {name: plain(row[name]) for name in COLUMNS}
    assert not any(
        each.startswith(("=", "+", "-", "@", "\t")) for line in lines for each in line.values()
    )


def plain(value: Any) -> str:
    """A value of the view as the file has it."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list():
            return ",".join(value)
        case str():
            return f"'{value}" if value[:1] in "=+-@\t" else value
        case _:
            return (
                value.isoformat(timespec="microseconds")
                if hasattr(value, "isoformat")
                else str(value)
            )


def test_a_file_ends_after_as_many_rows_as_it_may_have(filled: psycopg.Connection[Any]) -> None:
    out = io.StringIO(newline="")

    assert export(filled, everything(), out, at_most=7) == 7

    newest = [str(each.id) for each in rows.newest(filled, everything()).rows[:7]]
    lines = list(csv.DictReader(io.StringIO(out.getvalue(), newline="")))
    assert [line["id"] for line in lines] == newest


def test_a_code_is_found_by_its_index(filled: psycopg.Connection[Any]) -> None:
    selection = everything(code=ErrorCode.DATABASE_TIMEOUT)
    filled.execute("SET enable_seqscan = off")

    plan = filled.execute(
        f"EXPLAIN {rows.count_query(selection).as_string(None)}".encode()
    ).fetchall()

    assert "error_code_started_at_idx" in str(plan)
    # Other days are not even looked at.
    assert re.findall(r" on (attempt_\w+)", str(plan)) == [f"attempt_{_WINDOW.start:%Y%m%d}"]
