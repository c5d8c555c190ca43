"""`saveguard export`: a selection as CSV, on standard output or in a file."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from pathlib import Path
from typing import Final

import psycopg
import pytest

from engine.database.target import Target
from engine.errors import ErrorCode
from tests.dashboard.attempts import END, START, add, attempt
from tests.database.shell import Shell

_WINDOW: Final = ("--from", START.isoformat(), "--until", END.isoformat())


@pytest.fixture(autouse=True)
def _some_attempts(target: Target) -> None:
    with psycopg.connect(target.app, autocommit=True) as connection:
        add(
            connection,
            attempt(correlation_id="REQ-OLD"),
            attempt(START + timedelta(minutes=1), ErrorCode.DATABASE_TIMEOUT, path=2),
            attempt(START + timedelta(minutes=2), correlation_id="=cmd()", source=4),
            attempt(END, correlation_id="REQ-LATER"),
        )


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_it_writes_the_selection_and_nothing_else_to_standard_output(saveguard: Shell) -> None:
    ended = saveguard("export", *_WINDOW, "--traffic", "any")

    assert (ended.code, ended.err) == (0, "3 attempts written\n")
    assert [row["correlation_id"] for row in read(ended.out)] == ["'=cmd()", "REQ-SOME", "REQ-OLD"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], ["REQ-SOME", "REQ-OLD"]),
        (["--traffic", "load"], ["'=cmd()"]),
        (["--path", "legacy"], ["REQ-SOME"]),
        (["--part", "succeeded"], ["REQ-OLD"]),
        (["--code", "DATABASE_TIMEOUT", "--operation", "UPDATE"], ["REQ-SOME"]),
    ],
)
def test_options_select(saveguard: Shell, options: list[str], found: list[str]) -> None:
    ended = saveguard("export", *_WINDOW, *options)

    assert [row["correlation_id"] for row in read(ended.out)] == found


def test_it_writes_a_file(saveguard: Shell, tmp_path: Path) -> None:
    file = tmp_path / "attempts.csv"

    ended = saveguard("export", *_WINDOW, "--output", str(file))

    assert (ended.code, ended.out) == (0, "")
    assert len(read(file.read_text("utf-8"))) == 2


def test_no_attempts_are_a_header_and_status_1(saveguard: Shell) -> None:
    ended = saveguard("export", *_WINDOW, "--operation", "EXPIRE")

    assert ended.code == 1
    assert ended.out.startswith("id,correlation_id,")
    assert read(ended.out) == []


def test_a_file_that_cannot_be_written_is_one_line(saveguard: Shell, tmp_path: Path) -> None:
    line = saveguard.refused("export", *_WINDOW, "--output", str(tmp_path / "none" / "a.csv"))

    assert line == "saveguard: the attempts cannot be written: No such file or directory"


def test_a_database_that_fails_half_way_is_one_line_and_leaves_no_half_file(
    saveguard: Shell, target: Target, tmp_path: Path
) -> None:
    with psycopg.connect(target.owner, autocommit=True) as owner:
        owner.execute("REVOKE SELECT ON attempt FROM saveguard_app")
    file = tmp_path / "attempts.csv"
    file.write_text("what was there before")

    line = saveguard.refused("export", *_WINDOW, "--output", str(file))

    assert "the database has failed (InsufficientPrivilege)" in line
    assert [each.name for each in tmp_path.iterdir() if "csv" in each.name] == ["attempts.csv"]
    assert file.read_text() == "what was there before"


@pytest.mark.parametrize(
    "window",
    [
        ["--from", "yesterday", "--until", END.isoformat()],
        ["--from", END.isoformat(), "--until", START.isoformat()],
        ["--from", START.isoformat()],
    ],
)
def test_a_window_that_is_none_is_refused(saveguard: Shell, window: list[str]) -> None:
    ended = saveguard("export", *window)

    assert (ended.code, ended.out) == (2, "")
    assert "Traceback" not in ended.err
