"""What was told of an outage and how far it has come, in a file until the tables can have it.

It stands there before and after each try to send it, whole or not at all. One process of a data
directory works with it at a time.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog

from engine.alerting.deciding import OpenAlert, message
from engine.alerting.rules import AlertCode, Rule
from engine.correlation import make_correlation_id
from engine.settings import Settings

_FILE: Final = "outage.json"
_LOCK: Final = "outage.lock"
_OPEN: Final = frozenset({"waiting", "sending"})


class Try(msgspec.Struct):
    """One try to send it, with the columns of `alert_delivery`."""

    started_at: datetime
    ended_at: datetime
    result: str
    reason: str | None
    status: int | None
    answer: str | None


class Copy(msgspec.Struct):
    """The notice for one channel, with the columns of `alert_outbox`."""

    id: UUID
    channel: str
    escalates_to: list[str]
    next_at: datetime | None
    state: str = "waiting"
    reason: str | None = None
    answer: str | None = None
    receipt: str | None = None
    ended_at: datetime | None = None
    is_perhaps_repeated: bool = False
    tries: list[Try] = msgspec.field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether it is still to be sent."""
        return self.state in _OPEN


class Outage(msgspec.Struct):
    """What was told of the database, as an alert of its rule."""

    alert_id: UUID
    transition_id: UUID
    rule_id: str
    # When the database answered for the last time, and when that was told.
    since: datetime
    fired_at: datetime
    reason: str
    numbers: dict[str, Any]
    body: dict[str, Any]
    copies: list[Copy]

    def alert(self, rule: Rule) -> OpenAlert:
        """The alert that this is."""
        return OpenAlert(
            id=self.alert_id,
            rule_id=self.rule_id,
            severity=rule.severity,
            error_code=AlertCode.WATCHDOG_STALLED.value,
            correlation_id=make_correlation_id(self.transition_id),
            message=message(rule, self.reason),
            numbers=self.numbers,
            fired_at=self.fired_at,
            told_at=self.fired_at,
        )


class OutageFile:
    """The file, for all processes of a data directory."""

    def __init__(self, directory: Path) -> None:
        """Makes nothing yet.

        Args:
            directory: of this installation, beside no other's.
        """
        self._directory = directory
        self._path = directory / _FILE
        # What the disk does not take: it is full, perhaps, and that is why the database is away.
        self._unwritten: Outage | None = None

    @property
    def is_there(self) -> bool:
        """Whether something was told that no table has yet."""
        return self._unwritten is not None or self._path.exists()

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Whether it is ours until the block ends; another process may have it.

        Where no lock can be made each process has its own, in memory: an outage that several tell
        of is better than one that nobody does.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._directory / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            _warn(error)
            yield True
            return
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(lock)

    def read(self) -> Outage | None:
        """What was told; None when nothing is there. A file that cannot be read is put aside."""
        if self._unwritten is not None:
            return self._unwritten
        try:
            written = self._path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return msgspec.json.decode(written, type=Outage)
        except msgspec.DecodeError:
            self.put_aside()
            return None

    def write(self, outage: Outage) -> None:
        """Puts it there, whole or not at all; what the disk does not take is kept in memory."""
        try:
            self._put(outage)
        except OSError as error:
            if self._unwritten is None:
                _warn(error)
            self._unwritten = outage
        else:
            self._unwritten = None

    def _put(self, outage: Outage) -> None:
        unfinished = self._path.with_suffix(".new")
        file = os.open(unfinished, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "wb") as writing:
            writing.write(msgspec.json.encode(outage))
            writing.flush()
            os.fsync(writing.fileno())
        unfinished.replace(self._path)

    def put_aside(self) -> None:
        """Keeps it under another name, for people: nothing of ours can go on with it."""
        self._unwritten = None
        with suppress(FileNotFoundError, NotADirectoryError):
            self._path.rename(self._path.with_suffix(".aside"))

    def remove(self) -> None:
        """Takes it away: the tables have it."""
        self._unwritten = None
        with suppress(NotADirectoryError):
            self._path.unlink(missing_ok=True)


def _warn(error: OSError) -> None:
    structlog.get_logger().warning("outage_kept_in_memory", error=type(error).__name__)


def outage_directory(settings: Settings, journal_directory: Path) -> Path:
    """Where an installation keeps what was told of an outage.

    Two databases may be used from one data directory: like its journals, each has its own.

    Args:
        settings: where the data directory is.
        journal_directory: of this installation, named after it.
    """
    return settings.data_dir / "alerting" / journal_directory.name
