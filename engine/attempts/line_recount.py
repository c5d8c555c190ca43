"""Counting again the lines of processes that died before they could store their last counts.

Their files say what they wrote. Without this, a killed process would look as if it had lost the
lines of its last second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple
from uuid import UUID, uuid5

import msgspec
import psycopg

from engine.attempts.ledger import origin_number
from engine.attempts.lines import CANONICAL, KIND
from engine.attempts.minute_counts import minute_of
from engine.log_files import Listed, is_in_use, listed, tail
from engine.quotes.lifecycle import Operation

# Who has been dead for longer was counted again by others, or nobody was there to look.
_WITHIN: Final = timedelta(hours=2)
# Of one process, from its end: only its last seconds can be short, and this is more than ten of a
# thousand saves each. It takes 0.2 s, beside the saves of a process that has just started.
_BYTES_MAX: Final = 16 * 1024 * 1024
_UUID_LENGTH: Final = 36
_STORE: Final = """
    INSERT INTO line_count AS known (bucket, process_id, origin_id, written, lost)
    SELECT %(bucket)s, %(process_id)s, id, %(written)s, 0
    FROM origin
    WHERE id = %(origin_id)s AND has_edge
    ON CONFLICT (bucket, process_id) DO UPDATE
    SET written = greatest(known.written, excluded.written)
"""


class _Minute(NamedTuple):
    bucket: datetime
    process_id: UUID
    origin_id: int


class _Counted(msgspec.Struct):
    """What is read of a line."""

    event: str
    started_at: Annotated[datetime, msgspec.Meta(tz=True)]
    operation: str
    environment: str
    release: str
    instance: str


class Recount:
    """Looks at each dead process once."""

    def __init__(self, directory: Path) -> None:
        """Takes the directory of the log files."""
        self._directory = directory
        self._done: set[str] = set()

    def run(self, connection: psycopg.Connection[Any], now: datetime) -> int:
        """Stores what the files of dead processes say; returns how many processes those were.

        Raises:
            psycopg.Error: it could not be stored; the next run tries again.
        """
        by_writer: dict[str, list[Listed]] = {}
        for each in listed(self._directory, KIND):
            by_writer.setdefault(each.writer, []).append(each)
        since = (now - _WITHIN).timestamp()
        count = 0
        for writer, files in by_writer.items():
            is_due = writer not in self._done and files[0].written_at >= since
            if is_due and not any(is_in_use(each.path) for each in files):
                self._store(connection, writer, files)
                self._done.add(writer)
                count += 1
        self._done &= by_writer.keys()
        return count

    def _store(
        self, connection: psycopg.Connection[Any], writer: str, files: Collection[Listed]
    ) -> None:
        try:
            process_id = UUID(writer[-_UUID_LENGTH:])
        except ValueError:
            return  # not a file of ours
        instance = writer[: -_UUID_LENGTH - 1]
        counted: Counter[_Minute] = Counter()
        for line in _lines(files):
            if line.event not in CANONICAL or line.operation == Operation.EXPIRE.name:
                continue
            origin_id = origin_number(line.environment, line.release, line.instance)
            is_own = line.instance == instance
            counter = process_id if is_own else uuid5(process_id, str(origin_id))
            counted[_Minute(minute_of(line.started_at), counter, origin_id)] += 1
        with connection.transaction():
            for minute in sorted(counted):
                connection.execute(_STORE, {**minute._asdict(), "written": counted[minute]})


_decoder: Final = msgspec.json.Decoder(_Counted)


def _lines(files: Collection[Listed]) -> Iterator[_Counted]:
    """The lines of one process, those of its end if they are many."""
    left = _BYTES_MAX
    for each in files:
        content = tail(each.path, left)
        left -= len(content)
        for raw in content.split(b"\n"):
            try:
                yield _decoder.decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue  # cut off, or garbage
        if left <= 0:
            return
