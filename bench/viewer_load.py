"""Many viewers of one page; run in a process of its own.

Reads a job as JSON on standard input. Prints a line of JSON when all of them have the page and the
measured time begins, and another one with the result when it ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

import uvloop

from bench.viewer import Viewer

# How far apart the first and the last one come: people do not all come at once, and every moment
# between two refreshes has its share of them.
_ARRIVAL_S: Final = 2.0
# What is cached for the first of them, and compiled, is so by then.
_SETTLE_S: Final = 4.0


async def _run(job: dict[str, Any]) -> dict[str, Any]:
    viewers = [Viewer(job["port"], job["page"], job["query"]) for _ in range(job["viewers"])]
    leave = asyncio.Event()
    arrivals = [asyncio.Event() for _ in viewers]
    watching = []
    for viewer, joined in zip(viewers, arrivals, strict=True):
        watching.append(asyncio.create_task(viewer.watch(joined, leave)))
        await asyncio.sleep(_ARRIVAL_S / len(viewers))
    everybody = asyncio.create_task(_all(arrivals))
    await asyncio.wait([everybody, *watching], return_when=asyncio.FIRST_COMPLETED)
    for task in watching:
        if task.done():
            task.result()  # raises what made it give up
    await everybody
    await asyncio.sleep(_SETTLE_S)
    missed = sum(viewer.seen.missed for viewer in viewers)
    began = time.perf_counter()
    _tell({"refreshes_itself": all(viewer.refreshes_itself for viewer in viewers)})
    await asyncio.sleep(job["seconds"])
    ended = time.perf_counter()
    # By when they ended: those on their way at the end make up for those at the beginning.
    within = sorted(
        each
        for viewer in viewers
        for each in viewer.seen.refreshes
        if began <= each[0] + each[1] < ended
    )
    result = {
        "seconds": ended - began,
        "refreshes": len(within),
        "latencies": [took for _, took, _ in within],
        "bytes": sum(received for _, _, received in within),
        "missed": sum(viewer.seen.missed for viewer in viewers) - missed,
        "exceptions": sum(viewer.seen.exceptions for viewer in viewers),
        "failures": sum(viewer.seen.failures for viewer in viewers),
        "first_s": max(viewer.seen.first_s for viewer in viewers),
    }
    _tell(result)
    leave.set()
    await asyncio.wait(watching)
    return result


async def _all(arrivals: Sequence[asyncio.Event]) -> None:
    for joined in arrivals:
        await joined.wait()


def _tell(facts: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Does the job on standard input."""
    uvloop.run(_run(json.loads(sys.stdin.readline())))


if __name__ == "__main__":
    main()
