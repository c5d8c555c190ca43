"""What viewers share: one query for all of them, and the memory of what was read last."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from dashboard import engine_in_process, memory
from dashboard.reads import Reading, how_saves_are
from engine.clock import FrozenClock
from engine.database.pool import Pool, Unreachable
from engine.quotes.lifecycle import Operation
from engine.rollups.selection import Filter
from engine.runtime import Runtime
from engine.slo import overview
from tests.dashboard.attempts import END, WINDOW, add, attempt
from tests.dashboard.viewers import OPERATOR

_PATIENCE_S = 30.0


def advance(engine: Runtime, seconds: float) -> None:
    """Moves the clock: what was read more than a second and a half ago is read again."""
    cast("FrozenClock", engine.clock).advance(timedelta(seconds=seconds))


class Silence:
    """A database that says nothing until it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self._heard = threading.Event()
        self._may_answer = threading.Event()

    def wait(self) -> None:
        """Where the read stands."""
        self.asked += 1
        self._heard.set()
        assert self._may_answer.wait(_PATIENCE_S)

    def await_question(self) -> None:
        """Until somebody has asked."""
        assert self._heard.wait(_PATIENCE_S)

    def end(self) -> None:
        """From here on it answers, what it was asked before included."""
        self._may_answer.set()


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the database was asked for, in order."""
    asked: list[object] = []
    original = overview.read

    def read(connection: psycopg.Connection[Any], **more: Any) -> overview.Overview:
        asked.append(more["wanted"].operation)
        return original(connection, **more)

    monkeypatch.setattr(overview, "read", read)
    return asked


@pytest.fixture
def break_reading(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException | None], None]:
    """Makes every read fail with an error, or work again."""
    original = overview.read

    def choose(error: BaseException | None) -> None:
        def read(connection: psycopg.Connection[Any], **more: Any) -> overview.Overview:
            if error is not None:
                raise error
            return original(connection, **more)

        monkeypatch.setattr(overview, "read", read)

    return choose


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Silence]]:
    """Makes the database fall silent."""
    original = overview.read
    found = Silence()

    def begin() -> Silence:
        def read(connection: psycopg.Connection[Any], **more: Any) -> overview.Overview:
            found.wait()
            return original(connection, **more)

        monkeypatch.setattr(overview, "read", read)
        return found

    yield begin
    found.end()


@pytest.mark.usefixtures("engine")
def test_viewers_of_the_same_numbers_cost_one_query(queries: list[object]) -> None:
    viewers = 8
    together = threading.Barrier(viewers)
    readings: list[Reading] = []

    def view() -> None:
        together.wait(_PATIENCE_S)
        readings.append(how_saves_are(OPERATOR, WINDOW, Filter()))

    threads = [threading.Thread(target=view) for _ in range(viewers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE_S)

    assert len(readings) == viewers
    assert queries == [None]


@pytest.mark.usefixtures("engine")
def test_each_operation_is_a_reading_of_its_own(queries: list[object]) -> None:
    for operation in (None, Operation.UPDATE, None, Operation.UPDATE):
        how_saves_are(OPERATOR, WINDOW, Filter(operation))

    assert queries == [None, Operation.UPDATE]


def test_a_reading_lives_less_long_than_the_time_between_refreshes() -> None:
    """Else every other refresh would show the numbers of the one before."""
    assert memory._FRESH_S < 2


def test_a_failure_is_shared_too(
    engine: Runtime, break_reading: Callable[[BaseException | None], None]
) -> None:
    """While the database is away it is not asked once for every viewer."""
    break_reading(psycopg.OperationalError("gone"))
    first = how_saves_are(OPERATOR, WINDOW, Filter())
    break_reading(None)
    advance(engine, 1)

    assert how_saves_are(OPERATOR, WINDOW, Filter()) == first


def test_viewers_are_answered_from_memory_while_one_question_is_under_way(
    engine: Runtime,
    connection: psycopg.Connection[Any],
    silence: Callable[[], Silence],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A page whose refresh waits longer than a glance is faded by Streamlit."""
    assert memory._GLANCE_S == _PATIENCE_S
    known = how_saves_are(OPERATOR, WINDOW, Filter())
    add(connection, attempt())
    database = silence()
    advance(engine, 2)
    monkeypatch.setattr(memory, "_GLANCE_S", 0.001)

    while_silent = [how_saves_are(OPERATOR, WINDOW, Filter()) for _ in range(3)]
    database.await_question()
    monkeypatch.setattr(memory, "_GLANCE_S", _PATIENCE_S)
    database.end()

    assert while_silent == [known] * 3
    assert how_saves_are(OPERATOR, WINDOW, Filter()).summary != known.summary
    assert database.asked == 1


def test_a_glance_is_over_before_streamlit_fades_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    assert memory._GLANCE_S < 0.5


def test_numbers_of_long_ago_are_not_shown_as_those_of_now(
    engine: Runtime, silence: Callable[[], Silence], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody looked for minutes, and now the database does not even refuse."""
    known = how_saves_are(OPERATOR, WINDOW, Filter())
    silence()
    advance(engine, 240)
    monkeypatch.setattr(memory, "_GRACE_S", 0.001 - memory._PATIENCE_S)

    reading = how_saves_are(OPERATOR, WINDOW, Filter())

    assert reading.summary == known.summary
    assert reading.freshness.reason == "the database has not answered"
    assert reading.freshness.failing_since == END + timedelta(minutes=4)


def test_an_outage_of_long_ago_is_not_shown_as_one_of_now(
    engine: Runtime, break_reading: Callable[[BaseException | None], None]
) -> None:
    break_reading(psycopg.OperationalError("gone"))
    assert how_saves_are(OPERATOR, WINDOW, Filter()).freshness.is_stale
    break_reading(None)
    advance(engine, 3_600)

    reading = how_saves_are(OPERATOR, WINDOW, Filter())

    assert not reading.freshness.is_stale
    assert reading.summary is not None


def test_the_last_numbers_are_kept_with_the_instant_since_when_they_are_stale(
    engine: Runtime,
    connection: psycopg.Connection[Any],
    break_reading: Callable[[BaseException | None], None],
) -> None:
    add(connection, attempt())
    read = how_saves_are(OPERATOR, WINDOW, Filter()).summary
    break_reading(psycopg.OperationalError("gone"))

    for _ in range(3):
        advance(engine, 2)
        how_saves_are(OPERATOR, WINDOW, Filter())
    reading = how_saves_are(OPERATOR, WINDOW, Filter())

    assert reading.summary == read is not None
    assert reading.freshness.failing_since == END + timedelta(seconds=2)
    assert reading.freshness.reason == "the database has not answered"


def test_another_operation_is_stale_since_the_same_instant_and_has_no_numbers(
    engine: Runtime, break_reading: Callable[[BaseException | None], None]
) -> None:
    how_saves_are(OPERATOR, WINDOW, Filter())
    break_reading(psycopg.OperationalError("gone"))
    advance(engine, 2)
    first = how_saves_are(OPERATOR, WINDOW, Filter())
    advance(engine, 2)

    reading = how_saves_are(OPERATOR, WINDOW, Filter(Operation.SEND))

    assert reading.summary is None
    assert reading.freshness == first.freshness


def test_the_next_outage_counts_anew(
    engine: Runtime, break_reading: Callable[[BaseException | None], None]
) -> None:
    break_reading(psycopg.OperationalError("gone"))
    how_saves_are(OPERATOR, WINDOW, Filter())
    break_reading(None)
    advance(engine, 2)
    assert not how_saves_are(OPERATOR, WINDOW, Filter()).freshness.is_stale
    break_reading(psycopg.OperationalError("gone"))
    advance(engine, 7)

    reading = how_saves_are(OPERATOR, WINDOW, Filter())

    assert reading.freshness.failing_since == END + timedelta(seconds=9)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Unreachable("host=10.0.0.1"), "the database has not accepted a connection"),
        (PoolTimeout("4 waiting"), "no connection to the database has been free"),
        (psycopg.errors.QueryCanceled("x"), "the database has not answered"),
        (
            psycopg.errors.UndefinedTable('relation "attempt"'),
            "the database has refused to answer (UndefinedTable)",
        ),
    ],
)
@pytest.mark.usefixtures("engine")
def test_the_reason_says_what_failed_and_never_the_databases_own_words(
    break_reading: Callable[[BaseException | None], None], error: psycopg.Error, reason: str
) -> None:
    break_reading(error)

    assert how_saves_are(OPERATOR, WINDOW, Filter()).freshness.reason == reason


def test_a_dead_port_is_a_reading_and_not_an_exception(engine: Runtime) -> None:
    impatient = engine.settings.model_copy(update={"pool_wait": timedelta(milliseconds=200)})
    nowhere = replace(engine.target, app="host=127.0.0.1 port=1 dbname=saveguard")
    dead = Pool(nowhere, impatient, engine.clock, size=1)
    dead.open()
    engine_in_process.provide(replace(engine, read_pool=dead))
    try:
        reading = how_saves_are(OPERATOR, WINDOW, Filter())
    finally:
        dead.close()

    assert reading.summary is None
    assert reading.freshness.reason == "the database has not accepted a connection"


def test_a_bug_of_ours_is_not_called_an_outage(
    engine: Runtime, break_reading: Callable[[BaseException | None], None]
) -> None:
    assert engine is not None
    break_reading(ZeroDivisionError())

    with pytest.raises(ZeroDivisionError):
        how_saves_are(OPERATOR, WINDOW, Filter())


def test_attempts_that_wait_for_the_ledger_are_counted(engine: Runtime) -> None:
    engine.journal.spool(attempt())

    assert how_saves_are(OPERATOR, WINDOW, Filter()).waiting == 1
    engine.journal.end(engine.journal.spooled()[0].id)


def test_without_an_engine_there_is_nothing_to_read() -> None:
    engine_in_process.provide(None)

    with pytest.raises(RuntimeError, match="saveguard up"):
        how_saves_are(OPERATOR, WINDOW, Filter())
