"""The local journal: what this process has begun and not ended, kept where a kill cannot reach it.

One append-only file per process, held under a lock that the kernel drops when the process dies.
A line is a record: `begin` (the row that closes the attempt if nothing more is heard of it), `end`
(it is in the ledger), or `row` (it is not yet, because the database is away: the spool). Writing
one costs microseconds; there is no fsync, since what it guards against is the process dying, not
the machine: when the machine dies, an attempt that reached the database is there, and one that did
not has changed nothing.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from engine.attempts.ledger import AttemptRow

SUFFIX: Final = ".journal"
# Small enough that reading a left-over file takes a moment, large enough to be rarely rewritten.
_ROTATE_BYTES: Final = 8 * 1024 * 1024
_CLOSED: Final = -1


class Begin(msgspec.Struct, tag="begin"):
    """An attempt was begun."""

    row: AttemptRow


class End(msgspec.Struct, tag="end"):
    """An attempt is in the ledger."""

    id: UUID


class Spooled(msgspec.Struct, tag="row"):
    """An attempt ended with this row, which the ledger has yet to take."""

    row: AttemptRow


_encode: Final = msgspec.json.Encoder().encode
_decoder: Final = msgspec.json.Decoder(Begin | End | Spooled)


class Journal:
    """This process's journal; safe to use from any of its threads."""

    def __init__(self, directory: Path, name: str) -> None:
        """Opens a new journal.

        Args:
            directory: where the journals of this installation lie; made if need be.
            name: unique among them, for example the process's instance and a fresh id.

        Raises:
            OSError: the directory or the file cannot be written.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._name = name
        self._generation = 0
        self._lock = threading.Lock()
        self._begun: dict[UUID, bytes] = {}
        self._spool: dict[UUID, AttemptRow] = {}
        self._in_doubt: dict[UUID, AttemptRow] = {}
        self._is_ledger_away = False
        self._size = 0
        self._kept = 0
        self._path, self._file = self._create()

    def begin(self, row: AttemptRow) -> None:
        """Records that an attempt is about to reach for the database.

        Raises:
            OSError: it could not be written (a full disk); the attempt must not go on.
        """
        record = _encode(Begin(row))
        with self._lock:
            self._be_findable()
            self._append(record)
            self._begun[row.id] = record

    def end(self, attempt_id: UUID) -> None:
        """Records that the attempt's row is in the ledger.

        A failure to write is swallowed: the row is there, and whoever finds this journal will see
        that when it tries to add it again.
        """
        with self._lock:
            self._begun.pop(attempt_id, None)
            self._spool.pop(attempt_id, None)
            self._is_ledger_away = False
            self._in_doubt.pop(attempt_id, None)
            try:
                self._append(_encode(End(attempt_id)))
                # What is still open is copied: it must be the lesser part, or a long spool would
                # be copied once for every row that leaves it.
                if self._size > max(_ROTATE_BYTES, 2 * self._kept):
                    self._rotate()
            except OSError:
                return

    def spool(self, row: AttemptRow) -> None:
        """Keeps a row that the ledger cannot take now; the sweeper adds it later."""
        with self._lock:
            self._spool[row.id] = row
            self._is_ledger_away = True
            try:
                self._append(_encode(Spooled(row)))
            except OSError:
                return  # kept in memory; on disk there is still its begin record

    def doubt(self, row: AttemptRow) -> None:
        """Keeps an attempt that may have been committed; the sweeper finds out."""
        with self._lock:
            self._in_doubt[row.id] = row

    def spooled(self) -> list[AttemptRow]:
        """The rows that the ledger has yet to take, oldest first."""
        with self._lock:
            return list(self._spool.values())

    def in_doubt(self) -> list[AttemptRow]:
        """The attempts of which nobody knows yet whether they were committed."""
        with self._lock:
            return list(self._in_doubt.values())

    @property
    def is_spooling(self) -> bool:
        """Whether rows wait for the database to come back."""
        return bool(self._spool)

    @property
    def is_ledger_away(self) -> bool:
        """Whether the ledger could not take a row, and has taken none since.

        Not the same as an empty spool: while one is emptied, others may fill it.
        """
        return self._is_ledger_away

    @property
    def open_count(self) -> int:
        """Attempts begun and not ended."""
        return len(self._begun)

    def is_writable(self) -> bool:
        """Whether a save could be begun now: the disk takes another line."""
        with self._lock:
            try:
                self._be_findable()
                self._append(b"")
            except OSError:
                return False
        return True

    def close(self) -> None:
        """Lets go of the file; removes it when there is nothing left to do about it."""
        with self._lock:
            if not (self._begun or self._spool or self._in_doubt):
                self._path.unlink(missing_ok=True)
            os.close(self._file)
            # Whoever comes too late writes nothing, least of all to a file opened since under
            # the same number.
            self._file = _CLOSED

    def _be_findable(self) -> None:
        """Starts a new file when ours was removed: nobody would find it after a kill."""
        if not os.fstat(self._file).st_nlink:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._rotate()

    def _append(self, record: bytes) -> None:
        # The leading newline ends whatever a torn write may have left before it.
        line = b"\n" + record
        written = os.write(self._file, line)
        if written != len(line):
            os.ftruncate(self._file, self._size)
            raise OSError(errno.ENOSPC, "the journal's disk is full")
        self._size += written

    def _create(self) -> tuple[Path, int]:
        """Makes the file under another name and locks it before anyone can find it."""
        path = self.directory / f"{self._name}.{self._generation}{SUFFIX}"
        unfinished = path.with_suffix(".new")
        file = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        unfinished.rename(path)
        return path, file

    def _rotate(self) -> None:
        """Starts a new file with what is still open, then drops the old one."""
        self._generation += 1
        old_path, old_file, old_size = self._path, self._file, self._size
        self._path, self._file = self._create()
        self._size = 0
        try:
            for attempt_id, record in self._begun.items():
                # An attempt whose row is in the spool has ended. Were we killed between the two
                # copies, it would look merely begun, and be closed as failed.
                if attempt_id not in self._spool:
                    self._append(record)
            for row in self._spool.values():
                self._append(_encode(Spooled(row)))
        except OSError:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._path, self._file, self._size = old_path, old_file, old_size
            raise
        self._kept = self._size
        old_path.unlink(missing_ok=True)
        os.close(old_file)


class LeftOver:
    """A journal whose process is gone; held under its lock while its attempts are closed."""

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self._file = file

    def read(self) -> tuple[list[AttemptRow], list[AttemptRow]]:
        """Attempts that were begun and never ended, and rows that the ledger has yet to take."""
        begun: dict[UUID, AttemptRow] = {}
        spooled: dict[UUID, AttemptRow] = {}
        for record in _records(self.path):
            match record:
                case Begin(row):
                    begun[row.id] = row
                case Spooled(row):
                    begun.pop(row.id, None)
                    spooled[row.id] = row
                case End(attempt_id):
                    begun.pop(attempt_id, None)
                    spooled.pop(attempt_id, None)
        return list(begun.values()), list(spooled.values())

    def remove(self) -> None:
        """Deletes the file: everything in it stands in the ledger."""
        self.path.unlink(missing_ok=True)

    def release(self) -> None:
        """Lets go of the lock."""
        os.close(self._file)


def left_over_journals(directory: Path) -> Iterator[LeftOver]:
    """Every journal that no living process holds, each locked until the next is asked for.

    Of two files of one process, which it leaves when it is killed while rotating, the older comes
    first.
    """
    for path in sorted(directory.glob(f"*{SUFFIX}"), key=_name_and_generation):
        try:
            file = os.open(path, os.O_RDWR)
        except OSError:  # gone since, or nothing of ours; one odd file must not stop the others
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        left_over = LeftOver(path, file)
        try:
            if os.fstat(file).st_nlink:  # else another sweeper was here first
                yield left_over
        finally:
            left_over.release()


def _name_and_generation(path: Path) -> tuple[str, int]:
    name, _, generation = path.stem.rpartition(".")
    if generation.isascii() and generation.isdigit():
        return name, int(generation)  # as texts, the tenth would come before the ninth
    return path.stem, 0


def _records(path: Path) -> Iterator[Begin | End | Spooled]:
    for line in path.read_bytes().split(b"\n"):
        if line:
            try:
                yield _decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue  # torn by a kill or a full disk; its attempt never reached the database
