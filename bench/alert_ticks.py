"""What a tick of the alert rules costs, by how many attempts the ledger has.

    python -m bench.alert_ticks --sizes 1000000 100000000 --directory DIR [--write]

The ledgers are those of `bench.metrics`, filled when they are not there yet. Each tick looks at all
rules in force ten seconds of the ledger's own time after the one before, and writes what it finds;
all of that is taken out again. Database time is the server's own, wall time the client's.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.document import link_to_numbers, markdown_table, measured_on, write_numbers, write_part
from bench.holds import Hold
from bench.holds import markdown as markdown_of_holds
from bench.ledgers import Ledger, open_ledger
from bench.measure import machine
from engine.alerting.evaluator import Evaluator
from engine.clock import FrozenClock
from engine.database.pool import Pool
from engine.settings import Settings

# What architecture.md promises of the numbers that a tick reads.
_TIMES: Final = 3.0
# The interval by default: a tick that takes longer makes the next one late.
_INTERVAL_MS: Final = 10_000.0
_WRITTEN: Final = (
    "alert_tick", "alert_state", "alert_transition", "alert", "alert_outbox", "alert_delivery",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Watched:
    """A ledger whose alert rules are looked at.

    Attributes:
        ledger: it.
        evaluator: takes the ticks.
        clock: the ledger's own present.
    """

    ledger: Ledger
    evaluator: Evaluator
    clock: FrozenClock


@contextmanager
def watching(ledger: Ledger, ticks: int) -> Iterator[Watched]:
    """Watches a ledger whose newest attempt the last of so many ticks sees."""
    settings = Settings()
    clock = FrozenClock(ledger.newest - ticks * settings.alert_interval)
    with closing(Pool(ledger.target, settings, clock, size=2)) as pool:
        pool.open()
        try:
            yield Watched(ledger, Evaluator(pool, settings, clock), clock)
        finally:
            ledger.superuser.execute(f"TRUNCATE {', '.join(_WRITTEN)}")


def run(ledgers: Sequence[Ledger], rounds: int) -> list[dict[str, Any]]:
    """Ticks of all ledgers in turn; the first of each, which finds nothing before it, is left out.

    Raises:
        SystemExit: a tick was not taken, or its numbers could not be read in time.
    """
    taken: list[list[tuple[float, float]]] = [[] for _ in ledgers]
    with ExitStack() as opened:
        watched = [opened.enter_context(watching(ledger, rounds)) for ledger in ledgers]
        for number in range(rounds + 1):
            for spent, each in zip(taken, watched, strict=True):
                one = _tick(each)
                if number:
                    spent.append(one)
    return [
        {
            "size": ledger.name,
            "database_ms": statistics.median(database for database, _ in spent),
            "wall_ms": statistics.median(wall for _, wall in spent),
            "database_ms_max": max(database for database, _ in spent),
            "wall_ms_max": max(wall for _, wall in spent),
            "rounds_ms": spent,
        }
        for ledger, spent in zip(ledgers, taken, strict=True)
    ]


def _tick(watched: Watched) -> tuple[float, float]:
    """Milliseconds of the database's and of the wall's."""
    with watched.ledger.time.of() as spent:
        began = time.perf_counter()
        judged = watched.evaluator.tick()
        wall = (time.perf_counter() - began) * 1e3
    if judged is None:
        raise SystemExit(f"{watched.ledger.name}: nobody took the tick")
    unread = [each.rule.id for each in judged.verdicts if each.memory.is_unread]
    if unread:
        raise SystemExit(f"{watched.ledger.name}: could not be read in time: {', '.join(unread)}")
    watched.clock.advance(Settings().alert_interval)
    return spent.milliseconds, wall


def holds(results: Mapping[str, Any]) -> list[Hold]:
    """What is held of a run."""
    small, large = results["ticks"][0], results["ticks"][-1]
    names = f"{large['size'].upper()} against {small['size'].upper()} attempts"
    return [
        Hold(
            f"a tick, database time, {names}",
            large["database_ms"] / small["database_ms"],
            _TIMES,
            "times",
        ),
        Hold(
            f"the slowest tick, {large['size'].upper()} attempts, against its interval",
            large["wall_ms_max"],
            _INTERVAL_MS,
            "ms",
        ),
    ]


def markdown(results: Mapping[str, Any]) -> list[str]:
    """The part of the performance page."""
    keys = ("database_ms", "database_ms_max", "wall_ms", "wall_ms_max")
    return [
        "",
        f"{measured_on(results['machine'])} {link_to_numbers('bench.alert_ticks')}",
        "",
        *markdown_of_holds(holds(results)),
        "",
        *markdown_table(
            ["attempts", "database ms", "slowest", "wall ms", "slowest"],
            [
                [each["size"].upper(), *(f"{each[key]:.1f}" for key in keys)]
                for each in results["ticks"]
            ],
        ),
        "",
        f"Medians of {len(results['ticks'][0]['rounds_ms'])} ticks.",
        "",
    ]


def main() -> None:
    """Measures what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--directory", type=Path, required=True, help="of the filled ledgers")
    parser.add_argument("--rounds", type=int, default=30, help="ticks of each")
    parser.add_argument("--write", action="store_true", help="update docs/reference/performance.md")
    given = parser.parse_args()
    results: dict[str, Any] = {"machine": machine()}
    with ExitStack() as opened:
        ledgers = [
            opened.enter_context(open_ledger(given.directory, rows))
            for rows in sorted(set(given.sizes))
        ]
        results["ticks"] = run(ledgers, given.rounds)
    results["holds"] = [hold.as_dict() for hold in holds(results)]
    print("\n".join(markdown(results)))
    for hold in holds(results):
        print(hold.line())
    if given.write:
        write_part("bench.alert_ticks", markdown(results))
        write_numbers("bench.alert_ticks", results)


if __name__ == "__main__":
    main()
