"""Latencies, CPU seconds and the machine: what every bench writes down the same way."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
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
    """CPU seconds of processes between two moments."""

    seconds: float = 0.0
    _before: dict[int, float] = field(default_factory=dict)


@contextmanager
def cpu_of(find: Any) -> Iterator[CpuMeter]:
    """Measures the CPU of the processes that `find()` lists, those born meanwhile included."""
    meter = CpuMeter()
    before = _times(find())
    yield meter
    after = _times(find())
    meter.seconds = sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())


def processes_of_server(data: Path) -> list[psutil.Process]:
    """The postmaster of a data directory and its children."""
    postmaster = int((data / "postmaster.pid").read_text().split()[0])
    parent = psutil.Process(postmaster)
    return [parent, *parent.children()]


def _times(processes: list[psutil.Process]) -> dict[int, float]:
    times: dict[int, float] = {}
    for process in processes:
        try:
            spent = process.cpu_times()
        except psutil.Error:
            continue
        times[process.pid] = spent.user + spent.system
    return times


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
