"""Latencies, CPU seconds and the machine: what every bench writes down the same way."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Sample:
    """One run of one kind.

    Attributes:
        kind: what was run.
        workers: how many at once.
        count: saves done.
        seconds: wall time.
        p50_ms, p95_ms, p99_ms: latency of one save.
        client_us: CPU of the measured process per save, in microseconds.
        server_us: CPU of PostgreSQL per save, in microseconds.
    """

    kind: str
    workers: int
    count: int
    seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    client_us: float
    server_us: float

    @property
    def per_second(self) -> float:
        """Throughput."""
        return self.count / self.seconds

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "per_second": self.per_second}


def percentile(ordered: Sequence[float], share: float) -> float:
    """Nearest rank of a sorted sequence; 0 when it is empty."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


@dataclass
class CpuMeter:
    """CPU seconds that processes have used between two moments."""

    seconds: float = 0.0


@contextmanager
def cpu_of(spent: Callable[[], float]) -> Iterator[CpuMeter]:
    """Measures what a block costs by a counter of CPU seconds that only grows."""
    meter = CpuMeter()
    before = spent()
    yield meter
    meter.seconds = spent() - before


def spent_by(process: psutil.Process) -> Callable[[], float]:
    """The CPU seconds of one process."""
    return lambda: sum(process.cpu_times()[:2])


def spent_by_server(data: Path) -> Callable[[], float]:
    """The CPU seconds of the PostgreSQL on a data directory.

    Its connections are processes that come and go; what those have used that are gone stands in the
    postmaster's own times.
    """
    postmaster = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))

    def spent() -> float:
        seconds = sum(postmaster.cpu_times()[:4])
        for child in postmaster.children():
            with suppress(psutil.NoSuchProcess):
                seconds += sum(child.cpu_times()[:2])
        return seconds

    return spent


def machine() -> dict[str, Any]:
    """What the numbers were measured on, and at which commit."""
    memory = psutil.virtual_memory().total / 2**30
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607
        cwd=_HERE,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return {
        "processors": os.cpu_count(),
        "processor": _processor_name(),
        "memory_gib": round(memory),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "commit": commit or "unknown",
    }


def _processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
