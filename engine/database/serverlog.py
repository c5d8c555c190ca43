"""The embedded server's log file: rotated when it has grown, and read for why a start failed."""

from __future__ import annotations

import os
import re
from pathlib import Path

# Weeks of an ordinary server; five files of it are noticed by nobody.
_ROTATE_AT_BYTES = 4 * 1024 * 1024
_KEPT = 4
# Enough for the last words of a server that would not start.
_TAIL_BYTES = 64 * 1024
_FATAL = re.compile(r"\b(?:FATAL|PANIC): +(.*)")


def rotate(log: Path) -> None:
    """Puts a log aside once it is large: `postgres.log.1` is the youngest of those kept.

    Only while no server writes to it, for a server keeps the file it opened.
    """
    if not log.exists() or log.stat().st_size < _ROTATE_AT_BYTES:
        return
    for age in range(_KEPT - 1, 0, -1):
        older = _aside(log, age)
        if older.exists():
            older.replace(_aside(log, age + 1))
    log.replace(_aside(log, 1))


def open_to_append(log: Path) -> int:
    """Opens the log for a server to write to, readable by its owner only."""
    return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def reason(log: Path, since: int) -> str:
    """Why a server ended: its last fatal message, or else its last line, if any.

    Args:
        log: the log file.
        since: size of the file when this server was started.
    """
    with log.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(since, end - _TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    fatal = [match[1] for line in lines if (match := _FATAL.search(line))]
    return (fatal or lines or [""])[-1].strip()


def _aside(log: Path, age: int) -> Path:
    return log.with_name(f"{log.name}.{age}")
