"""`saveguard logs` finds what a process wrote, without a database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.runtime import Runtime
from tests.database.shell import Shell
from tests.support import Agency


@pytest.fixture
def here(shell: Shell, tmp_path: Path) -> Shell:
    """A shell whose data directory is the engine's, and which reaches no database."""
    shell.patch.setenv("SAVEGUARD_DATA_DIR", str(tmp_path))
    shell.patch.delenv("DATABASE_URL", raising=False)
    return shell


def test_a_line_is_found_by_any_text_with_its_id(here: Shell, agency: Agency) -> None:
    quote_id = agency.create()
    agency.update(quote_id, 7)
    created, refused = agency.attempts()

    for text in (
        created["correlation_id"],
        f"X-Correlation-ID: {created['correlation_id'].lower()}",
        str(created["id"]),
    ):
        ended = here("logs", text)
        assert (ended.code, ended.err) == (0, "")
        (line,) = ended.out.splitlines()
        assert f" UTC  attempt  {created['correlation_id']}  CREATE committed, HTTP 201, " in line
    ended = here("logs", refused["correlation_id"], "--json")
    assert ended.facts["error_code"] == "QUOTE_CONFLICT_VERSION"


def test_the_newest_lines_are_shown_oldest_first(
    here: Shell, agency: Agency, runtime: Runtime
) -> None:
    for _ in range(5):
        agency.create()
    last = [each["correlation_id"] for each in agency.attempts()][-3:]
    with (runtime.lines.file.directory / "attempts.dead-1.0.jsonl").open("wb") as file:
        file.write(b'{"event": "attempt", "timest')

    found = here("logs", "--lines", "3", "--json").out.splitlines()

    assert [json.loads(line)["correlation_id"] for line in found] == last


def test_where_nothing_is_it_says_so_and_where_it_looked(
    here: Shell, agency: Agency, tmp_path: Path
) -> None:
    nothing = here("logs")
    assert (nothing.code, nothing.out) == (1, "")
    assert nothing.err == f"There is no log line under {tmp_path}/logs.\n"
    nowhere = here("logs", "REQ-1")
    assert nowhere.err == f"There is no log file under {tmp_path}/logs.\n"

    agency.create()
    unknown = here("logs", "no-such-id\x1b[31m")

    assert unknown.code == 1
    assert unknown.err.startswith("No log line on this host names “no-such-id\\u001b[31m”")
    assert "\x1b" not in unknown.err
    assert "1 file, " in unknown.err


@pytest.mark.parametrize(
    "argv", [["logs", " "], ["logs", "REQ-1", "--follow"], ["logs", "--lines", "0"]]
)
def test_what_makes_no_sense_is_refused(here: Shell, argv: list[str]) -> None:
    ended = here(*argv)

    assert (ended.code, ended.out) == (2, "")
    assert "Error: " in ended.err


def test_following_goes_on_until_it_is_stopped(
    here: Shell, agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    agency.create()
    turns = []

    def sleep(_clock: object, _seconds: float) -> None:
        turns.append(agency.create())
        if len(turns) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("engine.cli.logs.SystemClock.sleep", sleep)

    ended = here("logs", "--follow", "--json")

    assert ended.code == 0
    shown = [json.loads(line)["correlation_id"] for line in ended.out.splitlines()]
    assert shown == [each["correlation_id"] for each in agency.attempts()][:3]
