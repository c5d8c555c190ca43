"""Finding lines in log files: bounded in bytes and lines, whatever the files hold.

Half lines, lines that are no JSON and lines longer than any of ours are passed over.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from engine.log_files import Listed, listed, tail

# Ours have one to two thousand characters.
_LINE_MAX: Final = 64 * 1024
# Read of the end of each file when only the newest lines are wanted.
_TAIL_BYTES: Final = 1024 * 1024
# A clock may be set back between two looks at it.
_SET_BACK: Final = timedelta(minutes=1)
# Read of the end of one file: many times what ours have, unless they are set to be larger.
_FILE_BYTES: Final = 256 * 1024 * 1024
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Logged(NamedTuple):
    """A line of a log.

    Attributes:
        raw: as it stands there.
        fields: what it says.
    """

    raw: str
    fields: Mapping[str, Any]

    @property
    def at(self) -> datetime:
        """When it was written; long ago if it does not say."""
        try:
            found = datetime.fromisoformat(self.fields["timestamp"])
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        except (KeyError, TypeError, ValueError, OverflowError):
            return _LONG_AGO


@dataclass(frozen=True, slots=True)
class Found:
    """What was found.

    Attributes:
        lines: oldest first.
        files: that were looked through.
        bytes_read: of them.
        is_cut: whether there may be more, because a bound was met.
    """

    lines: tuple[Logged, ...]
    files: int
    bytes_read: int
    is_cut: bool


def naming(
    directory: Path,
    ids: Collection[str],
    *,
    since: datetime | None = None,
    bytes_max: int,
    lines_max: int,
) -> Found:
    """The lines of which a field is one of some ids.

    Args:
        directory: of the log files.
        ids: as they are written in the lines.
        since: no such line was written before; then those of that time are found first, else the
            newest.
        bytes_max: to be read in all.
        lines_max: to be found.
    """
    files = listed(directory)
    earliest = None if since is None else since - _SET_BACK
    if earliest is not None:
        files = [each for each in reversed(files) if each.written_at >= earliest.timestamp()]
    needles = [json.dumps(each).encode() for each in ids]
    wanted = frozenset(ids)
    found: list[Logged] = []
    left, looked, is_cut = bytes_max, 0, False
    for each in files:
        if left <= 0 or len(found) >= lines_max:
            is_cut = True
            break
        content = tail(each.path, min(left, _FILE_BYTES))
        is_cut = is_cut or len(content) < each.size
        left -= len(content)
        looked += 1
        places = _with_any(content, needles)
        for begin, end in reversed(places) if earliest is None else places:
            read = _read(content[begin:end])
            if read is None or not _names(read, wanted):
                continue
            if earliest is not None and read.at < earliest:
                continue
            found.append(read)
            # A caller may give one id to all that he asks for: there may be any number of them.
            if len(found) > lines_max:
                break
    found.sort(key=lambda each: each.at)
    is_cut = is_cut or len(found) > lines_max
    kept = found[-lines_max:] if earliest is None else found[:lines_max]
    return Found(tuple(kept), looked, bytes_max - left, is_cut)


def newest(directory: Path, lines_max: int) -> Found:
    """The newest lines of all files."""
    found: list[Logged] = []
    looked = bytes_read = 0
    for each in listed(directory):
        if len(found) >= lines_max and each.written_at < found[0].at.timestamp():
            break  # the rest is older
        content = tail(each.path, _TAIL_BYTES)
        looked, bytes_read = looked + 1, bytes_read + len(content)
        found += _last(content, lines_max)
        found = sorted(found, key=lambda line: line.at)[-lines_max:]
    return Found(tuple(found), looked, bytes_read, is_cut=False)


def since(directory: Path, start: datetime, *, kind: str, bytes_max: int) -> Found:
    """The lines written from an instant on, oldest first.

    Args:
        directory: of the log files.
        start: the instant.
        kind: of the files that are looked through.
        bytes_max: to be read in all; the newest files come first.
    """
    found: list[Logged] = []
    left, looked, is_cut = bytes_max, 0, False
    for each in listed(directory, kind):
        if each.written_at < start.timestamp():
            break  # the rest is older
        if left <= 0:
            is_cut = True
            break
        content = tail(each.path, min(left, _FILE_BYTES))
        is_cut = is_cut or len(content) < each.size
        left -= len(content)
        looked += 1
        read = filter(None, map(_read, content.split(b"\n")))
        found += [line for line in read if line.at >= start]
    found.sort(key=lambda line: line.at)
    return Found(tuple(found), looked, bytes_max - left, is_cut)


def began_at(path: Path) -> datetime:
    """When the first line of a file was written; long ago if it does not say."""
    try:
        with path.open("rb") as file:
            line = _read(file.readline(_LINE_MAX).rstrip(b"\n"))
    except OSError:  # gone since
        return _LONG_AGO
    return _LONG_AGO if line is None else line.at


class Follower:
    """Tells what is written from now on."""

    def __init__(self, directory: Path) -> None:
        """Takes note of how long each file is."""
        self._directory = directory
        self._read_to = {each.path: each.size for each in listed(directory)}

    def poll(self) -> list[Logged]:
        """The whole lines written since it was asked last, oldest first."""
        found: list[Logged] = []
        for each in listed(self._directory):
            start = self._read_to.get(each.path, 0)
            if each.size > start:
                content = _between(each, start)
                whole = content.rfind(b"\n") + 1
                self._read_to[each.path] = start + whole
                found += filter(None, map(_read, content[:whole].split(b"\n")))
        return sorted(found, key=lambda line: line.at)


def _between(each: Listed, start: int) -> bytes:
    """What a file holds from a place on, as far as it went when it was listed."""
    try:
        with each.path.open("rb") as file:
            file.seek(start)
            return file.read(each.size - start)
    except OSError:  # gone since
        return b""


def _names(line: Logged, ids: Collection[str]) -> bool:
    return any(isinstance(value, str) and value in ids for value in line.fields.values())


def _with_any(content: bytes, needles: Sequence[bytes]) -> list[tuple[int, int]]:
    """Where the lines begin and end that have one of the needles in them, in their order."""
    begins: dict[int, int] = {}
    for needle in needles:
        place = content.find(needle)
        while place >= 0:
            begin = content.rfind(b"\n", 0, place) + 1
            end = content.find(b"\n", place)
            end = len(content) if end < 0 else end
            begins[begin] = end
            place = content.find(needle, end)
    return sorted(begins.items())


def _last(content: bytes, count: int) -> list[Logged]:
    found: list[Logged] = []
    for raw in reversed(content.split(b"\n")):
        line = _read(raw)
        if line is not None:
            found.append(line)
            if len(found) == count:
                break
    return found


def _read(raw: bytes) -> Logged | None:
    """A line if it is one: an object of JSON."""
    if not raw or len(raw) > _LINE_MAX:
        return None
    try:
        text = raw.decode()
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return Logged(text, fields) if isinstance(fields, dict) else None
