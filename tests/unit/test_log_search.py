"""Lines are found by the ids in them, whatever else the files hold."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine import log_search
from engine.log_search import Follower, Found, began_at, naming, newest, since

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ID = "REQ-01M8APGGEZEQBVJ1FR1HXDHZT21"
MEGABYTE = 1_000_000


def line(seconds: float, **fields: Any) -> bytes:
    at = (NOW + timedelta(seconds=seconds)).isoformat()
    return json.dumps({"event": "attempt", "timestamp": at, **fields}).encode() + b"\n"


def wrote(directory: Path, name: str, seconds: float, *lines: bytes) -> Path:
    """A file whose last line was written so long after noon."""
    path = directory / f"{name}.jsonl"
    path.write_bytes(b"".join(lines))
    at = (NOW + timedelta(seconds=seconds)).timestamp()
    os.utime(path, (at, at))
    return path


def found(directory: Path, *ids: str, **bounds: Any) -> Found:
    given = {"bytes_max": MEGABYTE, "lines_max": 100}
    return naming(directory, ids, **(given | bounds))


def marks(of: Found) -> list[Any]:
    return [each.fields.get("mark") for each in of.lines]


def test_lines_are_found_in_every_file_and_come_in_their_order(tmp_path: Path) -> None:
    wrote(tmp_path, "attempts.a-1.0", 9, line(5, correlation_id=ID, mark=2), line(9, id="other"))
    wrote(tmp_path, "process.a-1.0", 7, line(4, correlation_id=ID, mark=1), line(7, id=ID, mark=3))

    assert marks(found(tmp_path, ID)) == [1, 2, 3]
    assert marks(found(tmp_path, "other", ID)) == [1, 2, 3, None]
    assert found(tmp_path, ID).files == 2
    assert not found(tmp_path, ID).is_cut


def test_an_id_is_a_whole_value_and_not_a_part_of_one_or_a_name(tmp_path: Path) -> None:
    wrote(
        tmp_path,
        "attempts.a-1.0",
        9,
        line(1, correlation_id=f"{ID}-2"),
        line(2, **{ID: "a name"}),
        line(3, where=[ID]),
        line(4, note=f'"{ID}"'),
    )

    assert found(tmp_path, ID).lines == ()


def test_garbage_and_half_lines_are_passed_over(tmp_path: Path) -> None:
    good = line(5, correlation_id=ID, mark=1)
    wrote(
        tmp_path,
        "attempts.a-1.0",
        9,
        good[10:],
        b"\xff\xfe\x00 %s \n" % ID.encode(),
        b'"%s"\n' % ID.encode(),
        b'["%s"]\n' % ID.encode(),
        b"[" * 50_000 + b'"%s"\n' % ID.encode(),
        line(6, correlation_id=ID, long="x" * 100_000),
        good,
        b'{"correlation_id": "%s", "timestamp": 5, "mark": 0}\n' % ID.encode(),
        good[:-20],
    )

    assert marks(found(tmp_path, ID)) == [0, 1]
    assert len(newest(tmp_path, 10).lines) == 2


def test_what_is_read_and_found_is_bounded_and_the_newest_is_kept(tmp_path: Path) -> None:
    for number in range(5):
        lines = [line(number + part / 10, id=ID, mark=10 * number + part) for part in range(4)]
        wrote(tmp_path, f"attempts.a-1.{number}", number, *lines)
    size = (tmp_path / "attempts.a-1.4.jsonl").stat().st_size

    by_bytes = found(tmp_path, ID, bytes_max=size + size // 2)
    by_lines = found(tmp_path, ID, lines_max=5)

    assert marks(by_bytes)[-4:] == [40, 41, 42, 43]
    assert set(marks(by_bytes)[:-4]) <= {32, 33}
    assert by_bytes.bytes_read <= size + size // 2
    assert marks(by_lines) == [33, 40, 41, 42, 43]
    assert by_bytes.is_cut
    assert by_lines.is_cut


def test_of_a_known_instant_the_files_of_that_time_are_read_first(tmp_path: Path) -> None:
    for number in range(5):
        minutes = 10 * number * 60
        wrote(tmp_path, f"attempts.a-1.{number}", minutes, line(minutes, id=ID, mark=number))
    size = (tmp_path / "attempts.a-1.0.jsonl").stat().st_size

    since = NOW + timedelta(minutes=15)
    assert marks(found(tmp_path, ID, since=since, bytes_max=size)) == [2]
    assert marks(found(tmp_path, ID, since=since)) == [2, 3, 4]


def test_no_files_are_no_lines(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "nowhere"):
        assert found(directory, ID) == newest(directory, 5) == Found((), 0, 0, is_cut=False)


def test_the_newest_lines_of_all_files_come_in_their_order(tmp_path: Path) -> None:
    wrote(tmp_path, "attempts.a-1.0", 9, *[line(each, mark=each) for each in (1, 4, 6, 9)])
    wrote(tmp_path, "attempts.b-1.0", 8, *[line(each, mark=each) for each in (2, 3, 7, 8)])
    wrote(tmp_path, "attempts.c-1.0", 5, line(5, mark=5))

    assert marks(newest(tmp_path, 4)) == [6, 7, 8, 9]
    assert marks(newest(tmp_path, 100)) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_following_tells_whole_lines_once_and_of_new_files_too(tmp_path: Path) -> None:
    path = wrote(tmp_path, "attempts.a-1.0", 1, line(1, mark=1))
    follower = Follower(tmp_path)
    assert follower.poll() == []

    whole = line(2, mark=2)
    with path.open("ab") as file:
        file.write(whole + line(4, mark=4)[:20])
    wrote(tmp_path, "attempts.b-1.0", 3, line(3, mark=3))
    first = [each.fields["mark"] for each in follower.poll()]
    with path.open("ab") as file:
        file.write(line(4, mark=4)[20:])

    assert first == [2, 3]
    assert [each.fields["mark"] for each in follower.poll()] == [4]
    assert follower.poll() == []


def test_of_many_lines_with_one_id_those_of_the_instant_are_kept(tmp_path: Path) -> None:
    lines = [line(60 * minute, correlation_id=ID, mark=minute) for minute in range(60)]
    wrote(tmp_path, "attempts.a-1.0", 60 * 60, *lines)

    bounded = found(tmp_path, ID, since=NOW + timedelta(minutes=30), lines_max=5)

    assert marks(bounded) == [29, 30, 31, 32, 33]  # a clock may have been set back by a minute
    assert bounded.is_cut


def test_no_more_lines_are_read_than_are_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrote(tmp_path, "attempts.a-1.0", 9, *(line(part, id=ID, mark=part) for part in range(50)))
    read: list[bytes] = []
    decode = log_search._read

    def decoded(raw: bytes) -> log_search.Logged | None:
        read.append(raw)
        return decode(raw)

    monkeypatch.setattr(log_search, "_read", decoded)

    assert marks(found(tmp_path, ID, lines_max=3)) == [47, 48, 49]
    assert len(read) == 4


def test_an_instant_beyond_the_calendar_is_passed_over(tmp_path: Path) -> None:
    wrote(tmp_path, "attempts.a-1.0", 9, b'{"id": "x", "timestamp": "0001-01-01T00:00:00+23:00"}\n')

    (odd,) = newest(tmp_path, 10).lines

    assert odd.at == datetime(1970, 1, 1, tzinfo=UTC)


def test_lines_of_a_kind_since_an_instant_come_in_their_order(tmp_path: Path) -> None:
    wrote(tmp_path, "process.a-1.0", 9, line(-1, mark=0), line(0, mark=1), line(9, mark=3))
    wrote(tmp_path, "process.b-1.0", 5, b"no line\n", line(5, mark=2))
    wrote(tmp_path, "attempts.a-1.0", 9, line(5, mark="of another kind"))
    wrote(tmp_path, "process.c-1.0", -5, line(-5, mark="long ago"))

    everything = since(tmp_path, NOW, kind="process", bytes_max=MEGABYTE)
    little = since(tmp_path, NOW, kind="process", bytes_max=100)

    assert marks(everything) == [1, 2, 3]
    assert (everything.files, everything.is_cut) == (2, False)
    assert marks(little) == [3]
    assert little.is_cut


def test_a_file_began_with_its_first_line(tmp_path: Path) -> None:
    path = wrote(tmp_path, "process.a-1.0", 9, line(2), line(9))
    torn = wrote(tmp_path, "process.b-1.0", 9, b"half a li")

    assert began_at(path) == NOW + timedelta(seconds=2)
    assert began_at(torn) == began_at(tmp_path / "none") < NOW
