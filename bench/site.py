"""A dashboard of a bench's own: `saveguard up` on a fresh directory, with bookings and traffic."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg

from bench.database_time import DatabaseTime
from bench.payload import quote_payload
from bench.savers import make_workers
from bench.servers import free_port, serving
from engine.clock import SystemClock
from engine.database.target import DATABASE_NAME, embedded_target

_TOP: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Site:
    """A server and its database.

    Attributes:
        port: where it serves.
        process: its process; that of the database is another.
        time: what the database does for it; None of a server without one.
    """

    port: int
    process: psutil.Process
    time: DatabaseTime | None

    def cpu_s(self) -> float:
        """CPU seconds of the server so far."""
        return sum(self.process.cpu_times()[:2])

    def resident_mb(self) -> float:
        """Its resident memory."""
        return float(self.process.memory_info().rss) / 1e6

    def statements(self) -> int:
        """Statements that its database was sent so far."""
        return 0 if self.time is None else self.time.so_far()[1]


@contextmanager
def open_site(
    directory: Path, bookings: Path | None, limit: int, per_second: float
) -> Iterator[Site]:
    """Starts the dashboard, replays bookings, and keeps saving.

    Args:
        directory: of its data; fresh.
        bookings: a file for `saveguard replay`; none unless given.
        limit: how many of them.
        per_second: saves that go on until the block ends.
    """
    port = free_port()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("SAVEGUARD_")
    }
    environment.pop("DATABASE_URL", None)
    data = ["--data-dir", str(directory)]
    command = [sys.executable, "-m", "dashboard"]
    with ExitStack() as opened:
        process = opened.enter_context(
            serving([*command, "up", "--port", str(port), *data], environment, port)
        )
        if bookings is not None:
            replay = [
                *command, "replay", str(bookings), "--limit", str(limit), "--via", "http",
                "--url", f"http://127.0.0.1:{port}", *data,
            ]  # fmt: skip
            subprocess.run(  # noqa: S603
                replay, env=environment, cwd=_TOP, check=True, stdout=subprocess.DEVNULL
            )
        target = embedded_target(directory)
        if target.cluster is None:
            raise AssertionError("the embedded database has a cluster")
        opened.callback(target.cluster.release)
        superuser = target.cluster.conninfo(DATABASE_NAME)
        connection = opened.enter_context(psycopg.connect(superuser, autocommit=True))
        opened.enter_context(_steady_load(port, target.app, per_second))
        yield Site(port, process, DatabaseTime(connection))


@contextmanager
def open_yardstick(page: str = "one_write.py") -> Iterator[Site]:
    """Serves a page of one `st.write`.

    Args:
        page: which, of those beside this module.
    """
    port = free_port()
    command = [sys.executable, "-m", "bench.yardstick", str(port), page]
    with serving(command, os.environ, port) as process:
        yield Site(port, process, None)


@contextmanager
def _steady_load(port: int, app: str, per_second: float) -> Iterator[None]:
    if not per_second:
        yield
        return
    (worker,) = make_workers(app, SystemClock(), 1)
    job = {
        "port": port,
        "header": f"Authorization: Bearer {worker.api_key}\r\n",
        "payload": quote_payload(worker.client_id),
        "per_second": per_second,
    }
    with _child("bench.steady_load", job) as process:
        yield
        if process.poll() is not None:
            raise SystemExit("the load has ended before its time")


@contextmanager
def viewers(
    site: Site, count: int, seconds: float, page: str, query: str
) -> Iterator[subprocess.Popen[str]]:
    """Viewers of a page, in a process of their own; see `bench.viewer_load` for what it says."""
    job = {"port": site.port, "viewers": count, "seconds": seconds, "page": page, "query": query}
    with _child("bench.viewer_load", job) as process:
        yield process


def told_by(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next line of a child.

    Raises:
        SystemExit: it has ended instead.
    """
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise SystemExit("the viewers have ended before their time")
    told: dict[str, Any] = json.loads(line)
    return told


@contextmanager
def _child(module: str, job: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_TOP,
    )
    try:
        if process.stdin is None:
            raise AssertionError("a pipe was asked for")
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        yield process
    finally:
        process.terminate()
        process.communicate()
