"""What viewers of a live page cost: 1, 20 and 100 of them beside a page of one `st.write`.

    python -m bench.viewers [--viewers 1 20 100] [--pages overview] [--bookings FILE] [--write]

`saveguard up` serves a fresh directory with bookings and a light load. Viewers come over the
websocket as browsers do. What the server and its database do without viewers is measured as well,
in each round, and taken off: the rest is the viewers'. A refresh is from the request to the
message that the run is finished.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from bench import viewers_report
from bench.document import write_numbers, write_part
from bench.measure import machine, percentile
from bench.site import Site, open_site, open_yardstick, told_by, viewers

# Starting leaves a server something to do, which is not what it does without viewers.
_SETTLE_S: Final = 15.0


def main() -> None:
    """Measures what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, nargs="+", default=[1, 20, 100])
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each run")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each kind")
    parser.add_argument("--pages", nargs="+", default=["overview"], help="by their paths")
    parser.add_argument("--query", default="", help="parameters of the pages' addresses")
    parser.add_argument("--bookings", type=Path, help="a file for `saveguard replay`")
    parser.add_argument("--limit", type=int, default=2000, help="how many of the bookings")
    parser.add_argument("--saves", type=float, default=5.0, help="saves per second meanwhile")
    parser.add_argument("--json", type=Path, help="write the results there")
    parser.add_argument("--write", action="store_true", help="update docs/reference/performance.md")
    given = parser.parse_args()
    runs: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory(prefix="saveguard-bench-") as directory,
        open_site(_reachable(directory), given.bookings, given.limit, given.saves) as site,
        open_yardstick() as yardstick,
    ):
        time.sleep(_SETTLE_S)
        for number in range(given.rounds):
            sys.stderr.write(f"round {number + 1} of {given.rounds}\n")
            base = _without_viewers(site, given.seconds)
            base_of_yardstick = _without_viewers(yardstick, given.seconds)
            for count in sorted(given.viewers):
                for page in given.pages:
                    run = _with_viewers(site, base, count, given.seconds, page, given.query)
                    runs.append({"page": page, **run})
                run = _with_viewers(yardstick, base_of_yardstick, count, given.seconds, "", "")
                runs.append({"page": viewers_report.YARDSTICK, **run})
    results = {
        "machine": machine(),
        "saves_per_second": given.saves,
        "query": given.query,
        "pages": given.pages,
        "runs": runs,
    }
    results["holds"] = [hold.as_dict() for hold in viewers_report.holds(results)]
    viewers_report.print_tables(results)
    if given.json:
        given.json.write_text(json.dumps(results, indent=2))
    if given.write:
        write_part("bench.viewers", viewers_report.markdown(results))
        write_numbers("bench.viewers", results)


def _reachable(directory: str) -> Path:
    """A directory that the database's account can reach when we are root."""
    path = Path(directory)
    path.chmod(0o755)
    return path


def _without_viewers(site: Site, seconds: float) -> dict[str, float]:
    """CPU seconds and statements per second of a server that nobody looks at."""
    began, cpu, statements = time.perf_counter(), site.cpu_s(), site.statements()
    time.sleep(seconds)
    took = time.perf_counter() - began
    return {
        "cpu_s": (site.cpu_s() - cpu) / took,
        "statements": (site.statements() - statements) / took,
    }


def _with_viewers(
    site: Site, base: dict[str, float], count: int, seconds: float, page: str, query: str
) -> dict[str, Any]:
    # The first page has no path of its own.
    path = "" if page == "overview" else page
    with viewers(site, count, seconds, path, query) as process:
        first = told_by(process)
        began, cpu, statements = time.perf_counter(), site.cpu_s(), site.statements()
        found = told_by(process)
        took = time.perf_counter() - began
        cpu_s = site.cpu_s() - cpu
        asked = (site.statements() - statements) / took
        resident = site.resident_mb()
    ordered = sorted(found["latencies"])
    refreshes = found["refreshes"]
    own_cpu_s = cpu_s - base["cpu_s"] * took
    return {
        "viewers": count,
        "refreshes_itself": first["refreshes_itself"],
        "refreshes": refreshes,
        "per_second": refreshes / found["seconds"],
        "missed": found["missed"],
        "exceptions": found["exceptions"],
        "failures": found["failures"],
        "first_s": found["first_s"],
        "p50_ms": percentile(ordered, 0.5) * 1e3,
        "p95_ms": percentile(ordered, 0.95) * 1e3,
        "p99_ms": percentile(ordered, 0.99) * 1e3,
        "bytes_per_refresh": found["bytes"] / refreshes if refreshes else None,
        "cpu_share": cpu_s / took,
        "cpu_share_without_viewers": base["cpu_s"],
        "cpu_ms_per_refresh": own_cpu_s / refreshes * 1e3 if refreshes else None,
        "statements": asked,
        "statements_without_viewers": base["statements"],
        "statements_of_viewers": asked - base["statements"],
        "resident_mb": resident,
    }


if __name__ == "__main__":
    main()
