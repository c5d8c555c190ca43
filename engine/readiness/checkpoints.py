"""Checkpoints: the head of every seal, written down outside of the database, a line each.

With them a chain that was cut off, or a backup that was brought back, does not pass for the whole.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

# A line has some 400 bytes.
_BLOCK: Final = 4_096
CHECKPOINTS_FILE: Final = "checkpoints.jsonl"


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints in a file, to which lines are added by one process at a time.

    Attributes:
        path: of the file.
    """

    path: Path

    @property
    def is_there(self) -> bool:
        """Whether there is a file, be it empty."""
        return self.path.exists()

    def begin(self) -> None:
        """Makes the file, unless there is one.

        Raises:
            OSError: it cannot be made.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch(exist_ok=True)

    def read(self) -> list[dict[str, Any]]:
        """All of them; a last line that was not written to its end is none.

        Raises:
            OSError: the file cannot be read.
            ValueError: a line is no checkpoint.
        """
        return _lines(self.path.read_bytes())

    def add(self, after: Callable[[int], Sequence[dict[str, Any]]]) -> int:
        """Adds those that are missing; returns how many.

        They are numbered in their order, so that the last line alone says which are there.

        Args:
            after: gives those that come after a number.

        Raises:
            OSError: the file is not there, or cannot be written.
            ValueError: the last line is no checkpoint.
        """
        with self.path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # falls with the file
            last, whole = _last_line(file)
            new = after(int(json.loads(last)["number"]) if last else 0)
            if new:
                # What a process that died has left of a line goes.
                file.seek(whole)
                file.truncate()
                file.write(
                    b"".join(json.dumps(each, sort_keys=True).encode() + b"\n" for each in new)
                )
                file.flush()
                os.fsync(file.fileno())
        return len(new)


def _last_line(file: BinaryIO) -> tuple[bytes, int]:
    """The last whole line, empty if there is none, and where it ends, newline included."""
    start = file.seek(0, os.SEEK_END)
    tail = b""
    while start:
        size = min(_BLOCK, start)
        start = file.seek(start - size)
        tail = file.read(size) + tail
        end = tail.rfind(b"\n")
        lines = [] if end < 0 else tail[:end].split(b"\n")
        # Of several, the first may be the end of one that began before.
        found = [line for line in (lines[1:] if start else lines) if line.strip()]
        if found:
            return found[-1], start + end + 1
    return b"", start + tail.rfind(b"\n") + 1


def _lines(content: bytes) -> list[dict[str, Any]]:
    whole = content[: content.rfind(b"\n") + 1]
    return [json.loads(line) for line in whole.splitlines() if line.strip()]
