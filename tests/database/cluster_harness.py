"""What the cluster's tests share: directories, programs in other processes, and patience."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import psutil
import psycopg

import engine
from engine.clock import SystemClock
from engine.database.cluster import Cluster

REPOSITORY = Path(engine.__file__).parents[1]
PROGRAM = Path(__file__).with_name("cluster_program.py")
CLOCK = SystemClock()


def eventually(condition: Callable[[], object], limit_s: float = 20) -> bool:
    """Waits for a condition; whether it came true in time."""
    deadline = CLOCK.monotonic() + limit_s
    while not condition():
        if CLOCK.monotonic() > deadline:
            return False
        CLOCK.sleep(0.01)
    return True


@contextlib.contextmanager
def open_directory() -> Iterator[Path]:
    """A directory that every user can enter, as pytest's own is not; removed with its servers."""
    directory = Path(tempfile.mkdtemp(prefix="saveguard-test-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        # A killed server leaves the reaper, and a test may leave the server: both by process id.
        for process in [*reapers_of(directory), *processes_below(directory)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        assert eventually(lambda: not processes_below(directory))
        shutil.rmtree(directory)


def processes_below(directory: Path) -> list[psutil.Process]:
    """PostgreSQL's living processes that work somewhere below a directory."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            is_server = process.name() in {"postgres", "initdb", "pg_ctl"}
            if is_server and Path(process.cwd()).is_relative_to(directory):
                found.append(process)
    return found


def reapers_of(directory: Path) -> list[psutil.Process]:
    """The living reapers of clusters below a directory."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = process.cmdline()
            if any(part.endswith("reaper.py") for part in line) and any(
                part.startswith(str(directory)) for part in line
            ):
                found.append(process)
    return found


def postmasters(cluster: Cluster) -> list[psutil.Process]:
    """The servers on a cluster's data directory; more than one is a disaster."""
    living = {process.pid: process for process in processes_below(cluster.data)}
    parents = {}
    for pid, process in living.items():
        with contextlib.suppress(psutil.NoSuchProcess):  # workers come and go
            parents[pid] = process.ppid()
    return [living[pid] for pid, parent in parents.items() if parent not in living]


def is_locked(path: Path) -> bool:
    """Whether somebody holds a lock on a file."""
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextlib.contextmanager
def locked(path: Path, mode: int) -> Iterator[None]:
    """While we hold a lock on a file."""
    with path.open() as file:
        fcntl.flock(file, mode)
        yield


def has_waiter(path: Path) -> bool:
    """Whether somebody waits for a lock on a file; Linux only."""
    lines = Path("/proc/locks").read_text().splitlines()
    inode = str(path.stat().st_ino)
    return any("->" in line and inode in line.replace(":", " ").split() for line in lines)


def kill_server(cluster: Cluster, *, with_children: bool) -> int:
    """Kills a server the hard way and returns its process id."""
    (server,) = postmasters(cluster)
    victims = [server, *(server.children() if with_children else [])]
    for victim in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()
    return server.pid


def ask(cluster: Cluster, question: str) -> Any:
    """The first column of the first row that a statement returns; None when it returns none."""
    with psycopg.connect(cluster.conninfo("postgres"), autocommit=True) as connection:
        cursor = connection.execute(question.encode())
        row = cursor.fetchone() if cursor.description else None
    return None if row is None else row[0]


class Program:
    """A process that uses a cluster, see `cluster_program`."""

    def __init__(self, root: Path, grace_s: float = 0) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-W", "error", PROGRAM, root, str(grace_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that a test can kill its whole group
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def server(self) -> int:
        """Waits until it uses the server, and returns the server's process id."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        return int(line)

    def leave(self) -> None:
        """Lets it end in order."""
        _, complaint = self.process.communicate()
        assert self.process.returncode == 0, complaint
