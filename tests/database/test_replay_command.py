"""`saveguard replay` as a person and a program run it: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from psycopg.conninfo import conninfo_to_dict

import engine
from engine.database.target import Target
from tests.api.service import Service, served, settings_in
from tests.database.cluster_harness import eventually
from tests.database.databases import cloned
from tests.database.replay_harness import asked, some_rows
from tests.unit.replay_examples import write_csv

REPOSITORY: Final = Path(engine.__file__).parents[1]


@pytest.fixture
def service(server: str, template: str, tmp_path: Path) -> Iterator[Service]:
    """A server with a database of its own."""
    with cloned(server, template) as target, served(target, settings_in(tmp_path / "api")) as made:
        yield made


def saveguard(
    target: Target, data_dir: Path, *arguments: str, **more: Any
) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    program = "from engine.cli.main import run; from engine.cli.replay import replay; run(replay)"
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-W", "error", "-c", program, *arguments],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(data_dir),
            "DATABASE_URL": url_of(target.app),
            "SAVEGUARD_OWNER_DATABASE_URL": url_of(target.owner),
            "SAVEGUARD_DATA_DIR": str(data_dir),
        },
        cwd=REPOSITORY,
        text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more,
    )


def url_of(conninfo: str) -> str:
    given = conninfo_to_dict(conninfo)
    query = urlencode({name: value for name, value in given.items() if name != "dbname"})
    return f"postgresql:///{given['dbname']}?{query}"


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(write_csv(tmp_path / "file.csv", some_rows()))


def test_the_command_prints_its_report_and_nothing_else(
    target: Target, tmp_path: Path, file: str
) -> None:
    status, out, err = ended(saveguard(target, tmp_path, file, "--workers", "3"))

    assert (status, err) == (0, "")
    assert "they agree" in out
    assert "Verify: clean, all 16 rules hold" in out
    assert "\x1b" not in out


def test_the_command_prints_one_object_of_json(target: Target, tmp_path: Path, file: str) -> None:
    status, out, err = ended(saveguard(target, tmp_path, file, "--limit", "40", "--json"))

    assert (status, err) == (0, "")
    told = json.loads(out)
    assert told["bookings"] == 40
    assert told["via"] == "engine"
    assert told["ledgerRows"] == told["attempts"][-1]["sent"]
    assert asked(target, "SELECT count(*) FROM attempt") == [(told["ledgerRows"],)]


def test_a_person_sees_a_bar_and_the_tables(target: Target, tmp_path: Path, file: str) -> None:
    ours, theirs = pty.openpty()
    process = saveguard(target, tmp_path, file, "--limit", "40", stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # the terminal's way of saying that nobody writes any more
        while part := os.read(ours, 1 << 16):
            shown += part
    os.close(ours)

    assert process.wait(60) == 0
    assert b"Bookings" in shown
    assert b"Rules verified" in shown
    assert "─".encode() in shown


def test_the_command_says_that_no_server_answers(target: Target, tmp_path: Path, file: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

    status, out, err = ended(saveguard(target, tmp_path, file, "--via", "http", "--url", url))

    assert (status, out) == (2, "")
    assert err == f"saveguard: no Saveguard answers at {url}; start it with: saveguard up\n"


def test_the_command_goes_over_http(service: Service, tmp_path: Path, file: str) -> None:
    target = service.runtime.target
    arguments = (file, "--limit", "60", "--via", "http", "--url", service.url, "--json")

    status, out, err = ended(saveguard(target, tmp_path, *arguments))

    assert (status, err) == (0, "")
    assert json.loads(out)["via"] == "http"
    assert asked(target, "SELECT DISTINCT source FROM ledger") == [("live",)]


def test_a_server_on_another_database_is_noticed_before_anything_is_sent(
    service: Service, target: Target, tmp_path: Path, file: str
) -> None:
    arguments = (file, "--via", "http", "--url", service.url)

    status, out, err = ended(saveguard(target, tmp_path, *arguments))

    assert (status, out) == (2, "")
    assert "does not know this database's agents" in err
    assert service.stock().attempts == 0
    assert asked(target, "SELECT count(*) FROM agent") == [(1,)]


def test_ctrl_c_ends_the_run_with_a_report_that_agrees(
    target: Target, tmp_path: Path, file: str
) -> None:
    process = saveguard(target, tmp_path, file, "--speed", "0.5", "--json")
    assert eventually(lambda: asked(target, "SELECT count(*) FROM attempt") != [(0,)], 60)

    process.send_signal(signal.SIGINT)
    status, out, err = ended(process)

    assert (status, err) == (130, "")
    told = json.loads(out)
    assert told["ending"] == "interrupted"
    assert told["agrees"]
    assert told["ledgerRows"] > 0
    assert sum(told["fates"].values()) == told["bookings"] == 300
    assert told["fates"]["cut short by the end of the run"] > 0


def test_a_file_that_is_not_there_is_said_in_a_line(target: Target, tmp_path: Path) -> None:
    status, out, err = ended(saveguard(target, tmp_path, "missing.csv"))

    assert (status, out) == (2, "")
    assert err.startswith("saveguard: missing.csv cannot be read")
    assert err.count("\n") == 1
