"""What the canonical log line costs a save: the same save with it and without, in pairs.

    python -m bench.log_lines [--seconds 4] [--rounds 7] [--workers 1,8]

Without it, the statement does not return what only the line needs, either. A ratio is the median of
the rounds' ratios; whichever is first changes from round to round.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.measure import Sample, machine
from bench.save import Bench
from engine.attempts.ledger import AttemptRow, Provenance
from engine.attempts.lines import Event, encode, line_of
from engine.clock import SystemClock
from engine.log_files import LogFile
from engine.runtime import log_file
from engine.settings import Settings

_LINES: Final = 100_000
_KINDS: Final = ("engine", "unlogged")


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--workers", default="1,8")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="saveguard-bench-") as directory:
        root = Path(directory)
        root.chmod(0o755)
        print(machine())
        print(f"encoding and appending one line, alone: {_alone(root):.1f} us of CPU")
        bench = Bench(root, given.seconds)
        try:
            for workers in map(int, given.workers.split(",")):
                _compare(bench, workers, given.rounds)
        finally:
            bench.close()


def _alone(root: Path) -> float:
    """Microseconds of CPU for one line in a loop."""
    clock = SystemClock()
    settings = Settings(data_dir=root / "alone")
    file: LogFile = log_file(settings, clock, "attempts", clock.uuid7())
    row = AttemptRow(
        agent_id=clock.uuid7(),
        started_at=clock.now(),
        id=clock.uuid7(),
        quote_id=clock.uuid7(),
        origin_id=1,
        operation=2,
        correlation_id="REQ-01M8APGGEZEQBVJ1FR1HXDHZT21",
        changed_fields="trip_name,total,per_person",
    )
    here = Provenance("bench", "1", "bench", has_edge=True)
    started = time.process_time()
    for _ in range(_LINES):
        file.append(encode(line_of(row, here, Event.ENDED, clock.now())))
    passed = time.process_time() - started
    file.close()
    return passed / _LINES * 1e6


def _compare(bench: Bench, workers: int, rounds: int) -> None:
    pairs: list[dict[str, Sample]] = []
    for number in range(rounds):
        order = _KINDS if number % 2 else _KINDS[::-1]
        pairs.append({kind: bench.engine(kind, workers) for kind in order})
    for what in ("per_second", "p50_ms", "client_us", "server_us"):
        with_line, without = (
            [float(getattr(pair[kind], what)) for pair in pairs] for kind in _KINDS
        )
        ratio = statistics.median(a / b for a, b in zip(with_line, without, strict=True))
        print(
            f"{workers} at once, {what}: {statistics.median(with_line):,.2f} with,"
            f" {statistics.median(without):,.2f} without, ratio {ratio:.3f}"
        )


if __name__ == "__main__":
    main()
