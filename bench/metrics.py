"""What pages ask of the ledger, at several sizes: database time, wall time, storage, the roller.

    python -m bench.metrics --sizes 1000000 10000000 100000000 --directory DIR [--write]

Database time is the server's own: planning and execution by pg_stat_statements. Wall time is the
client's, from the question to its answer in Python. All sizes are asked in turn. A ledger that is
not there yet is filled first: a minute for each million. `--write` puts the tables into
docs/reference/performance.md and the numbers beside it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from bench import accuracy, lookup, metrics_report, rolling, storage
from bench.document import write_numbers, write_part
from bench.ledgers import Ledger, left_as_found, open_ledger
from bench.measure import machine
from bench.questions import LENGTHS, OF_A_PAGE, OF_A_WINDOW, OF_NOW, Question
from engine.rollups.grid import window_until

_MINUTES: Final = 10 * 60.0
PARTS: Final = ("questions", "lookup", "roller", "saves", "storage", "accuracy")


def main() -> None:
    """Measures what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--directory", type=Path, required=True, help="of the filled ledgers")
    parser.add_argument("--rounds", type=int, default=9, help="how often each question is asked")
    parser.add_argument("--ids", type=int, default=1000, help="correlation ids to look up")
    parser.add_argument("--pairs", type=int, default=6, help="runs of saves with and without")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of a run of saves")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--json", type=Path, help="write the results there")
    parser.add_argument("--write", action="store_true", help="update docs/reference/performance.md")
    given = parser.parse_args()
    sizes = sorted(set(given.sizes))
    results: dict[str, Any] = {"machine": machine(), "sizes": sizes}
    with ExitStack() as opened:
        ledgers = []
        for rows in sizes:
            _say(f"opening {rows:,} attempts")
            ledgers.append(opened.enter_context(open_ledger(given.directory, rows)))
        work: dict[str, Callable[[], object]] = {
            "lookup": lambda: lookup.measure(ledgers, given.ids),
            "questions": lambda: _questions(ledgers, given.rounds),
            "roller": lambda: _roller(ledgers, given.rounds),
            "saves": lambda: _saves(ledgers[-1], given.pairs, given.seconds),
            "storage": lambda: [storage.measure(ledger) for ledger in ledgers],
            "accuracy": lambda: accuracy.measure(ledgers[0]),
        }
        for name, measure in work.items():
            if name in given.parts:
                _say(name)
                results[name] = measure()
    results["holds"] = [hold.as_dict() for hold in metrics_report.holds(results)]
    metrics_report.print_tables(results)
    if given.json:
        given.json.write_text(json.dumps(results, indent=2))
    if given.write:
        write_part("bench.metrics", metrics_report.markdown(results))
        write_numbers("bench.metrics", results)


def _questions(ledgers: Sequence[Ledger], rounds: int) -> list[dict[str, Any]]:
    """Every question at every size, each size in turn."""
    return [
        {
            "question": question.name,
            "window": window,
            "is_headline": question.is_headline,
            "sizes": _asked(ledgers, question, length, rounds),
        }
        for question, window, length in _cases()
    ]


def _cases() -> Iterator[tuple[Question, str, timedelta]]:
    for question in (*OF_A_WINDOW, *OF_A_PAGE):
        for window, length in LENGTHS.items():
            yield question, window, length
    for question in OF_NOW:
        yield question, "now", LENGTHS["1 h"]


def _asked(
    ledgers: Sequence[Ledger], question: Question, length: timedelta, rounds: int
) -> dict[str, Any]:
    """Medians of some rounds, after one that does not count."""
    database: dict[str, list[float]] = {ledger.name: [] for ledger in ledgers}
    wall: dict[str, list[float]] = {ledger.name: [] for ledger in ledgers}
    statements: dict[str, dict[str, float]] = {}
    for number in range(rounds + 1):
        for ledger in ledgers:
            window = window_until(ledger.newest, length)
            with ledger.pool.connection(time.monotonic() + _MINUTES) as connection:
                if number == 0:
                    question.ask(connection, window, ledger.newest)
                    with ledger.time.by_statement() as by_statement:
                        question.ask(connection, window, ledger.newest)
                    statements[ledger.name] = by_statement.milliseconds
                    continue
                with ledger.time.of() as spent:
                    began = time.perf_counter()
                    question.ask(connection, window, ledger.newest)
                    wall[ledger.name].append((time.perf_counter() - began) * 1e3)
                database[ledger.name].append(spent.milliseconds)
    return {
        ledger.name: {
            "database_ms": statistics.median(database[ledger.name]),
            "database_ms_rounds": database[ledger.name],
            "wall_ms": statistics.median(wall[ledger.name]),
            "statements_ms": statements[ledger.name],
        }
        for ledger in ledgers
    }


def _roller(ledgers: Sequence[Ledger], rounds: int) -> list[dict[str, Any]]:
    found = []
    for ledger in ledgers:
        with left_as_found(ledger):
            found.append({"size": ledger.name, "runs": rolling.cost(ledger, rounds)})
    return found


def _saves(ledger: Ledger, pairs: int, seconds: float) -> dict[str, Any]:
    with left_as_found(ledger):
        return {"size": ledger.name, **rolling.effect_on_saves(ledger, pairs, seconds)}


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")


if __name__ == "__main__":
    main()
