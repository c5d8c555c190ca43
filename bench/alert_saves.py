"""Saves while alerts go to a receiver that is well, dead, slow, or somebody else.

    python -m bench.alert_saves [--rounds 20] [--seconds 4] [--alerts 10] [--write]

Saves and sending share a process, as they do in `saveguard up`. In each round there is a window for
every kind of receiver and two without any alert; what is compared is the windows of one round. The
second of the two says how far apart nothing is.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any, Final

import psycopg

from bench.alert_delivery import open_database
from bench.document import markdown_table, measured_on, write_numbers, write_part
from bench.holds import Hold
from bench.measure import machine
from bench.payload import quote_payload
from bench.savers import make_workers, run_child
from bench.servers import free_port
from engine.attempts.partitions import ensure_partitions
from engine.clock import SystemClock
from engine.database.target import Target
from tests.alerting_receivers import OK, Reaction, Request, webhook
from tests.certificates import Authority

_SLOW_S: Final = 30.0
NONE: Final = "no alert"
# The same once more: what this machine makes of nothing.
AGAIN: Final = "no alert, once more"
WELL: Final = "well"
DEAD: Final = "dead: nobody listens"
SLOW: Final = "slow: answers after 30 s"
OTHER: Final = "a wrong certificate"
# The median of the rounds' ratios.
_HOLD_P50: Final = 1.05
_HOLD_P99: Final = 1.10


def run(
    target: Target, directory: Path, *, rounds: int, seconds: float, alerts: int
) -> dict[str, Any]:
    """Saves beside each kind of receiver, in turn.

    Args:
        target: a migrated database.
        directory: for data and certificates.
        rounds: how many.
        seconds: of each window.
        alerts: that wait when a window begins.
    """
    clock = SystemClock()
    with psycopg.connect(target.owner, autocommit=True) as connection:
        ensure_partitions(connection, clock.now())
    (worker,) = make_workers(target.app, clock, 1)
    over = threading.Event()

    def slow(_request: Request) -> Reaction:
        over.wait(_SLOW_S)
        return OK

    with ExitStack() as opened:
        well = opened.enter_context(webhook())
        hanging = opened.enter_context(webhook(slow))
        other = opened.enter_context(webhook(tls=Authority(directory).server("localhost")))
        opened.callback(over.set)
        found = run_child(
            "bench.alert_saves_load",
            {
                "app": target.app,
                "data_dir": str(directory / "data"),
                "agent": vars(worker),
                "payload": quote_payload(worker.client_id),
                "rounds": rounds,
                "seconds": seconds,
                "alerts": alerts,
                "receivers": {
                    NONE: None,
                    AGAIN: None,
                    WELL: f"{well.url}/x",
                    DEAD: f"http://127.0.0.1:{free_port()}/x",
                    SLOW: f"{hanging.url}/x",
                    OTHER: f"https://localhost:{other.port}/x",
                },
            },
        )
    return {"rounds": found, "seconds": seconds, "alerts": alerts}


def ratios(rounds: Sequence[Mapping[str, Any]], kind: str, name: str) -> list[float]:
    """Of each round: a number of one kind's window against that without any alert."""
    return [each[kind][name] / each[NONE][name] for each in rounds]


def holds(results: Mapping[str, Any]) -> list[Hold]:
    """What is held of a run."""
    found = []
    for name, limit in (("p50_ms", _HOLD_P50), ("p99_ms", _HOLD_P99)):
        by_kind = {
            kind: median(ratios(results["rounds"], kind, name)) for kind in (DEAD, SLOW, OTHER)
        }
        worst = max(by_kind, key=lambda kind: by_kind[kind])
        claim = f"{name.partition('_')[0]} of a save beside a receiver that fails, against no alert"
        found.append(Hold(claim, by_kind[worst], limit, "times", worst.partition(":")[0]))
    return found


def markdown(results: Mapping[str, Any]) -> list[str]:
    """The part of the performance page."""
    rounds = results["rounds"]
    rows = []
    for kind in (NONE, AGAIN, WELL, DEAD, SLOW, OTHER):
        numbers = [
            f"{median(each[kind][name] for each in rounds):.2f}"
            for name in ("p50_ms", "p95_ms", "p99_ms")
        ]
        against = [
            "1" if kind == NONE else f"{median(ratios(rounds, kind, name)):.3f}"
            for name in ("p50_ms", "p95_ms", "p99_ms")
        ]
        tries = median(each[kind]["tries"] for each in rounds)
        rows.append([kind, *numbers, *against, f"{tries:.0f}"])
    held = [
        [each.claim, each.found_in_words, each.limit_in_words, each.verdict.value]
        for each in holds(results)
    ]
    headings = ["receiver", "p50 ms", "p95 ms", "p99 ms", "p50 ratio", "p95 ratio", "p99 ratio",
                "tries in a window"]  # fmt: skip
    told = (
        f"{len(rounds)} rounds of windows of {results['seconds']:g} s, {results['alerts']} alerts"
        " waiting at the start of each; a ratio is the median of the rounds' ratios."
    )
    return [
        "",
        measured_on(results["machine"]),
        "",
        *markdown_table(["Claim", "Found", "Hold", ""], held),
        "",
        *markdown_table(headings, rows),
        "",
        told,
        "",
    ]


def main() -> None:
    """Runs it on a database of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each window")
    parser.add_argument("--alerts", type=int, default=10, help="that wait at its start")
    parser.add_argument("--write", action="store_true", help="update docs/reference/performance.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="saveguard-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # as root, the server runs as another user
        with open_database(directory) as target:
            found = run(
                target,
                directory,
                rounds=given.rounds,
                seconds=given.seconds,
                alerts=given.alerts,
            )
    results = {"machine": machine(), **found}
    results["holds"] = [hold.as_dict() for hold in holds(results)]
    print("\n".join(markdown(results)))
    for hold in holds(results):
        print(hold.line())
    if given.write:
        write_part("bench.alert_saves", markdown(results))
        write_numbers("bench.alert_saves", results)


if __name__ == "__main__":
    main()
