"""Log files: one of its own for each process and kind, rotated by size, kept by age and number.

The file that a process writes to is held under a lock that the kernel drops when the process dies;
nobody removes it until then. A line that cannot be written is lost and told to be: a full disk, or
a directory that has gone, must not fail a save or end a background job.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple

from engine.clock import Clock

SUFFIX: Final = ".jsonl"
_UNFINISHED: Final = ".new"
# Readable by the operators' group, by nobody else.
_MODE: Final = 0o640
_DIRECTORY_MODE: Final = 0o750
# A directory that is away is not asked for again with every line.
_REOPEN_S: Final = 1.0


class Keeping(NamedTuple):
    """How much is kept of one kind.

    Attributes:
        file_bytes: at which a file is followed by a new one.
        files: how many, those of dead processes included; the ones in use always are.
        age: older ones go.
    """

    file_bytes: int
    files: int
    age: timedelta


@dataclass(frozen=True, slots=True)
class Listed:
    """A log file that was found.

    Attributes:
        path: of the file.
        written_at: when its last line was written, in seconds since 1970.
        size: in bytes.
    """

    path: Path
    written_at: float
    size: int

    @property
    def writer(self) -> str:
        """The name of the process that wrote it, see `LogFile`."""
        return self.path.name.partition(".")[2].removesuffix(SUFFIX).rpartition(".")[0]


def listed(directory: Path, kind: str = "*") -> list[Listed]:
    """The log files of a directory, newest first; of one kind, or of all; empty without any."""
    return sorted(
        _files(directory, kind), key=lambda each: (each.written_at, each.path.name), reverse=True
    )


def is_in_use(path: Path) -> bool:
    """Whether a living process still writes to a file; one that we may not read is not ours."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:  # nobody can tell, so it stays
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


def tail(path: Path, bytes_max: int) -> bytes:
    """The end of a file, at most so many bytes; it may begin within a line. Empty if it is gone."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(size - bytes_max, 0))
            return file.read(bytes_max)
    except OSError:
        return b""


class LogFile:
    """The lines of one kind of this process; safe to use from any of its threads.

    Nothing is made until there is a line.
    """

    def __init__(
        self, directory: Path, kind: str, writer: str, keeping: Keeping, clock: Clock
    ) -> None:
        """Opens nothing yet.

        Args:
            directory: where the log files of this installation lie; made if need be.
            kind: what its lines are about, a word.
            writer: the name of this process, unique among all.
            keeping: how much is kept.
            clock: for the age of files, and for when to try again.
        """
        self.directory = directory
        self._kind = kind
        self._writer = writer
        self._keeping = keeping
        self._clock = clock
        self._lock = threading.Lock()
        self._file: int | None = None
        self._is_closed = False
        self._generation = 0
        self._size = 0
        self._is_torn = False
        self._reopen_at = 0.0

    def append(self, line: bytes) -> str | None:
        """Writes a line, without its end.

        Returns:
            None when it was written; else why not, as the system names it, such as ENOSPC.
        """
        with self._lock:
            try:
                self._write(self._ready(), line)
            except OSError as error:
                return errno.errorcode.get(error.errno or 0, "unknown")
        return None

    def tidy(self) -> int:
        """Removes what is too old or too many, unless it is in use; returns how many files."""
        oldest = self._clock.now().timestamp() - self._keeping.age.total_seconds()
        return sum(
            _remove(each.path)
            for place, each in enumerate(listed(self.directory, self._kind))
            if place >= self._keeping.files or each.written_at < oldest
        )

    def close(self) -> None:
        """Lets go of the file; later lines are lost."""
        with self._lock:
            self._is_closed = True
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _ready(self) -> int:
        """The open file, with room in it; a new one where ours was removed."""
        if self._is_closed:
            raise OSError(errno.EBADF, "closed")
        file = self._file
        if file is not None and os.fstat(file).st_nlink:
            if self._size < self._keeping.file_bytes:
                return file
            # A file that grows too long is better than a line that is lost.
            with suppress(OSError):
                return self._open()
            return file
        return self._open()

    def _open(self) -> int:
        """Starts the next file; the one before is let go of, and those that are too many."""
        now = self._clock.monotonic()
        if now < self._reopen_at:
            raise OSError(errno.EAGAIN, "tried a moment ago")
        self._reopen_at = now + _REOPEN_S
        self.directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        path = self.directory / f"{self._kind}.{self._writer}.{self._generation}{SUFFIX}"
        self._generation += 1
        file = _create(path)
        if self._file is not None:
            os.close(self._file)
        self._file, self._size, self._is_torn = file, 0, False
        self._reopen_at = 0.0
        with suppress(OSError):
            self.tidy()
        return file

    def _write(self, file: int, line: bytes) -> None:
        whole = b"\n%b\n" % line if self._is_torn else b"%b\n" % line
        written = os.write(file, whole)
        if written == len(whole):
            self._size += written
            self._is_torn = False
            return
        self._is_torn = True  # until it is known to be cut off again
        # Not at the size that we remember: of a line that could not be cut off it knows nothing.
        os.ftruncate(file, os.fstat(file).st_size - written)
        self._is_torn = False
        raise OSError(errno.ENOSPC, "the disk of the logs is full")


def _create(path: Path) -> int:
    """Makes a file under another name, and locks it before anyone can find it.

    Whoever finds a file without its lock takes its process for dead.
    """
    unfinished = path.with_suffix(_UNFINISHED)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    file = os.open(unfinished, flags, _MODE)
    try:
        os.fchmod(file, _MODE)  # whatever the mask says
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unfinished.rename(path)
    except OSError:
        os.close(file)
        with suppress(OSError):
            unfinished.unlink()
        raise
    return file


def _files(directory: Path, kind: str) -> Iterator[Listed]:
    for path in directory.glob(f"{kind}.*{SUFFIX}"):
        with suppress(OSError):  # gone since
            found = path.lstat()
            if stat.S_ISREG(found.st_mode):  # a link, or a pipe that never ends, is not ours
                yield Listed(path, found.st_mtime, found.st_size)


def _remove(path: Path) -> bool:
    if is_in_use(path):
        return False
    try:
        path.unlink()
    except OSError:  # somebody else was faster, or it is not ours to remove
        return False
    return True
