"""A page that is left open, with traffic: does the server's memory stay bounded?

    python -m bench.soak [--minutes 30] [--page overview] [--viewers 1] [--write]

Resident memory is sampled every few seconds. Its slope is Theil and Sen's, once after a first part
in which caches fill, and once of the last half of the time: what leaks does so in both, while an
allocator that takes one more block does it in one. It is bounded when the lower end of either
slope's 95 % confidence interval is within what we hold. A soak of two minutes shows that the bench
works, not more.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from bench import soak_report
from bench.document import write_numbers, write_part
from bench.measure import machine, percentile
from bench.site import Site, open_site, told_by, viewers
from bench.trend import after_warm_up, theil_sen

# Caches, pools and the allocator reach their size in the first part of the time.
_WARM_UP_SHARE: Final = 0.25
_LAST_HALF: Final = 0.5
_SAMPLES: Final = 360
_LEAST_PAUSE_S: Final = 1.0


def main() -> None:
    """Leaves a page open for as long as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--page", default="overview", help="by its path")
    parser.add_argument("--query", default="", help="parameters of the page's address")
    parser.add_argument("--viewers", type=int, default=1)
    parser.add_argument("--saves", type=float, default=5.0, help="saves per second meanwhile")
    parser.add_argument("--bookings", type=Path, help="a file for `saveguard replay`")
    parser.add_argument("--limit", type=int, default=2000, help="how many of the bookings")
    parser.add_argument("--json", type=Path, help="write the results there")
    parser.add_argument("--write", action="store_true", help="update docs/reference/performance.md")
    given = parser.parse_args()
    path = "" if given.page == "overview" else given.page
    with tempfile.TemporaryDirectory(prefix="saveguard-bench-") as directory:
        Path(directory).chmod(0o755)  # as root, the server runs as another user
        with (
            open_site(Path(directory), given.bookings, given.limit, given.saves) as site,
            viewers(site, given.viewers, given.minutes * 60, path, given.query) as process,
        ):
            told_by(process)
            samples = _sampled(site, given.minutes * 60)
            found = told_by(process)
    results = {
        "machine": machine(),
        "minutes": given.minutes,
        "page": given.page,
        "viewers": given.viewers,
        "saves_per_second": given.saves,
        "samples": samples,
        **_judged(samples),
        **_of_refreshes(found),
    }
    results["holds"] = [hold.as_dict() for hold in soak_report.holds(results)]
    soak_report.print_tables(results)
    if given.json:
        given.json.write_text(json.dumps(results, indent=2))
    if given.write:
        write_part("bench.soak", soak_report.markdown(results))
        write_numbers("bench.soak", results)


def _sampled(site: Site, seconds: float) -> list[tuple[float, float]]:
    """(seconds since the beginning, resident MB), until the time is over."""
    pause = max(seconds / _SAMPLES, _LEAST_PAUSE_S)
    began = time.perf_counter()
    samples = []
    while (passed := time.perf_counter() - began) < seconds:
        samples.append((round(passed, 1), round(site.resident_mb(), 2)))
        time.sleep(min(pause, max(seconds - passed, 0)))
    return samples


def _judged(samples: list[tuple[float, float]]) -> dict[str, Any]:
    settled = after_warm_up(samples, _WARM_UP_SHARE)
    slopes = {
        "after warm-up": theil_sen(_by_hours(settled)),
        "of the last half": theil_sen(_by_hours(after_warm_up(samples, _LAST_HALF))),
    }
    return {
        "resident_mb_at_start": samples[0][1],
        "resident_mb_after_warm_up": settled[0][1],
        "resident_mb_at_end": samples[-1][1],
        "resident_mb_most": max(resident for _, resident in samples),
        "slopes_mb_per_hour": {
            name: None if slope is None else slope._asdict() for name, slope in slopes.items()
        },
    }


def _by_hours(samples: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(seconds / 3600, resident) for seconds, resident in samples]


def _of_refreshes(found: dict[str, Any]) -> dict[str, Any]:
    """Latencies of the first and of the last third: they should not differ."""
    latencies = found["latencies"]
    third = max(len(latencies) // 3, 1)
    parts = {"first third": latencies[:third], "last third": latencies[-third:]}
    return {
        "refreshes": found["refreshes"],
        "missed": found["missed"],
        "failed": found["failures"] + found["exceptions"],
        "latency_ms": {
            name: {
                f"p{100 * share:g}": percentile(sorted(part), share) * 1e3
                for share in (0.5, 0.95, 0.99)
            }
            for name, part in parts.items()
        },
    }


if __name__ == "__main__":
    main()
