"""What the roller costs: one run by itself, and what saves lose while it runs beside them."""

from __future__ import annotations

import statistics
import time
from datetime import timedelta
from typing import Any, Final

import psycopg
from psycopg import sql

from bench.fill import insert_attempts
from bench.ledgers import Ledger
from bench.payload import quote_payload
from bench.savers import make_workers, run_child
from engine.clock import FrozenClock, SystemClock
from engine.rollups.grid import Tier, Window, floor
from engine.rollups.roller import roll
from engine.slo.objectives import LIMITS

BATCHES: Final = (10, 100, 1_000, 10_000)
_WORKERS: Final = 8
_PATIENCE_S: Final = 600.0
# Attempts that a bench puts in; they are taken out again.
_OF_A_BENCH: Final = -2


def cost(ledger: Ledger, rounds: int) -> list[dict[str, Any]]:
    """One run of the roller by how many attempts it finds, all of the last ten seconds."""
    _roll(ledger)
    return [_batch(ledger, batch, rounds) for batch in (0, *BATCHES)]


def _batch(ledger: Ledger, batch: int, rounds: int) -> dict[str, Any]:
    database, wall = [], []
    for _ in range(rounds):
        if batch:
            _put_in(ledger, batch)
        with ledger.time.of() as spent:
            began = time.perf_counter()
            taken = _roll(ledger)
            wall.append((time.perf_counter() - began) * 1e3)
        database.append(spent.milliseconds)
        if taken != batch:
            raise SystemExit(f"{ledger.name}: rolled {taken} attempts of {batch}")
    return {
        "attempts": batch,
        "database_ms": statistics.median(database),
        "wall_ms": statistics.median(wall),
    }


def _put_in(ledger: Ledger, rows: int) -> None:
    start = floor(ledger.newest, Tier.TEN_SECONDS)
    with psycopg.connect(ledger.target.owner, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO origin VALUES (%s, 'bench', '1', 'roller', now(), true)"
            " ON CONFLICT DO NOTHING",
            [_OF_A_BENCH],
        )
        span = Window(start, start + timedelta(seconds=10))
        insert_attempts(owner, sql.Identifier("attempt"), _OF_A_BENCH, span, rows)


def _roll(ledger: Ledger) -> int | None:
    """Rolls at the ledger's own present, so that nothing grows too old for a tier meanwhile."""
    with ledger.pool.connection(time.monotonic() + _PATIENCE_S) as connection:
        return roll(connection, FrozenClock(ledger.newest), LIMITS)


def effect_on_saves(ledger: Ledger, pairs: int, seconds: float) -> dict[str, Any]:
    """Saves per second with the roller every ten seconds and without it, in alternating pairs.

    Every run is preceded by some saves that do not count, so that each of the roller's runs finds
    what ten seconds of saves leave it.
    """
    workers = make_workers(ledger.target.app, SystemClock(), _WORKERS)
    job = {
        "workers": _WORKERS,
        "warm_seconds": 5.0,
        "seconds": seconds,
        "app": ledger.target.app,
        "data_dir": str(ledger.root / "engine"),
        "agents": [vars(each) for each in workers],
        "payloads": [quote_payload(each.client_id) for each in workers],
        "present": ledger.newest.isoformat(),
    }
    per_second: dict[str, list[float]] = {"engine": [], "rolled": []}
    rolled: list[float] = []
    for number in range(pairs):
        # Whoever comes first finds the machine in another state: they take turns.
        for kind in ("engine", "rolled") if number % 2 else ("rolled", "engine"):
            _roll(ledger)
            done = run_child("bench.engine_load", job | {"kind": kind})
            per_second[kind].append(len(done["latencies"]) / done["seconds"])
            rolled += done["rolled_ms"]
    ratios = [b / a for a, b in zip(per_second["engine"], per_second["rolled"], strict=True)]
    return {
        "pairs": pairs,
        "seconds": seconds,
        "without": per_second["engine"],
        "with": per_second["rolled"],
        "roller_runs": len(rolled),
        "roller_ms": statistics.median(rolled) if rolled else None,
        "loss": 1 - statistics.median(ratios),
        "loss_of_pairs": [1 - ratio for ratio in ratios],
    }
