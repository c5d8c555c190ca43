"""Stops the embedded server when the last process that uses it is gone, however that one ended.

Every user of a cluster holds a shared lock on `users.lock`; the kernel drops it even on SIGKILL.
One reaper for each cluster waits for the exclusive lock. It runs as `python -I -S reaper.py`, a
process of its own that outlives whoever started it, on the standard library alone: no package of
ours or of others, so that a virtual environment may be removed under it.

`Cluster` uses the same functions to recognise and to stop a server.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

_PAUSE_S = 0.05
# A fast stop writes at most shared_buffers to disk.
STOP_LIMIT_S = 60.0


def main(argv: list[str]) -> None:
    """Watches over one cluster and ends with its server.

    Args:
        argv: directory of the cluster, its data directory, path of its socket, seconds of grace,
            and the descriptors of users.lock, start.lock and reaper.lock, the last one locked.
    """
    root, data, address, grace = Path(argv[0]), Path(argv[1]), argv[2], float(argv[3])
    users, start, only = (int(text) for text in argv[4:])
    if os.fork():
        # Whoever started us waits for this process only, and is not the parent of the other.
        os._exit(0)
    _await_last_user(users, start, grace)
    if _is_still(users, root / "users.lock"):
        stop(data, address, time.sleep)  # noqa: TID251 - engine.clock is out of reach here
    end_strays(data)
    # A start that waits for start.lock must find the place of the reaper free.
    for lock in (only, users, start):
        fcntl.flock(lock, fcntl.LOCK_UN)


def stop(data: Path, address: str, pause: Callable[[float], None]) -> bool:
    """Stops the server of a data directory, rolling back what is open.

    Args:
        data: the data directory.
        address: path of the server's socket.
        pause: waits for some seconds.

    Returns:
        Whether no server is left.
    """
    pid = postmaster(data, address)
    if pid is None:
        return True
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)
    for _ in range(round(STOP_LIMIT_S / _PAUSE_S)):
        if postmaster(data, address) != pid:
            return True
        pause(_PAUSE_S)
    return False


def postmaster(data: Path, address: str) -> int | None:
    """The process id of the server that runs on a data directory.

    What `postmaster.pid` says is not believed: after a crash it may name any program at all.
    """
    try:
        # A person repairing the database in single-user mode is recorded with a minus sign.
        pid = abs(int((data / "postmaster.pid").read_bytes().split()[0]))
    except (OSError, ValueError, IndexError):
        return None
    is_ours = works_in(pid, data) if sys.platform == "linux" else is_listening(address)
    return pid if pid and is_ours else None


def works_in(pid: int, data: Path) -> bool:
    """Whether a process is alive and has a directory as its working directory; Linux only.

    A zombie has none. A directory that was removed and made again is not the same.
    """
    try:
        return Path(f"/proc/{pid}/cwd").samefile(data)
    except OSError:
        return False


def is_listening(address: str) -> bool:
    """Whether some server, wherever its process lives, accepts connections on a socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(5)
        try:
            probe.connect(address)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            return False
        except BlockingIOError:
            pass  # more callers wait than it can queue
    return True


def end_strays(data: Path) -> bool:
    """Ends servers whose data directory was removed under them; Linux only.

    Elsewhere such a server notices by itself, within a minute. When it goes it removes its socket
    by path, so it has to be gone before another server makes one there.

    Returns:
        Whether there was any.
    """
    strays = [process for process in _processes() if _is_stray(process, data)]
    for process in strays:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(process.name), signal.SIGQUIT)
    return bool(strays)


def _processes() -> list[Path]:
    return list(Path("/proc").glob("[0-9]*")) if sys.platform == "linux" else []


def _is_stray(process: Path, data: Path) -> bool:
    try:
        removed = str((process / "cwd").readlink()) == f"{data} (deleted)"
        return removed and (process / "comm").read_text() == "postgres\n"
    except OSError:
        return False


def _await_last_user(users: int, start: int, grace_s: float) -> None:
    """Returns once nobody uses the cluster, holding users.lock and start.lock.

    From then on a new start waits for start.lock, that is until the server is down.
    """
    while True:
        fcntl.flock(users, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_UN)
        time.sleep(grace_s)  # noqa: TID251 - engine.clock is out of reach here
        fcntl.flock(start, fcntl.LOCK_EX)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(start, fcntl.LOCK_UN)
        else:
            return


def _is_still(descriptor: int, path: Path) -> bool:
    """Whether a path leads to the file we opened: the cluster may be removed, and made again."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


if __name__ == "__main__":
    main(sys.argv[1:])
