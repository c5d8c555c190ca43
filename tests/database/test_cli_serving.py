"""The commands that serve: what they say at their start, where they listen, how they stop."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
import psycopg
import pytest
from sqlmodel import Session

import dashboard.__main__  # noqa: F401  # adds its commands to the group
from engine.access.accounts import add_agent
from engine.cli.listening import require_free
from engine.clock import SystemClock
from engine.database.migrate import owner_engine
from engine.database.target import Target
from tests.api.service import eventually
from tests.database.databases import value
from tests.database.shell import Shell, one_line, url_of
from tests.support import quote_body

ROOT: Final = Path(__file__).parents[2]
_LIMIT_S: Final = 60


class Serving:
    """A command that serves, in a process group of its own, as a terminal gives it one."""

    def __init__(self, argv: Sequence[str], environ: dict[str, str], cwd: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own programs
            argv,
            env=environ,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )
        self.lines: list[str] = []

    @property
    def pid(self) -> int:
        """Of the command itself."""
        return self._process.pid

    def read_until(self, *beginnings: str) -> str:
        """Reads what it says up to a line that begins like one of these."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line.startswith(beginnings):
                return self.lines[-1]
        raise AssertionError(f"it ended: {self.lines}")

    def stop(self, number: signal.Signals) -> int:
        """Sends a signal to the whole group, and reads on until all of it has ended."""
        os.killpg(self._process.pid, number)
        return self.end()

    def end(self) -> int:
        """Waits for its end; returns its exit status."""
        said, _ = self._process.communicate(timeout=_LIMIT_S)
        self.lines += said.splitlines()
        return self._process.returncode

    @property
    def words(self) -> list[str]:
        """What it said to a person; log lines are JSON."""
        return [line for line in self.lines if not line.startswith("{")]

    def kill(self) -> None:
        """Makes sure that nothing of it is left."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()


class Serve:
    """Starts serving commands on a test's own database and ports."""

    def __init__(self, target: Target, data_dir: Path) -> None:
        self.port, self.api_port = free_port(), free_port()
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(data_dir),
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": url_of(target.app),
            "SAVEGUARD_OWNER_DATABASE_URL": url_of(target.owner),
            "SAVEGUARD_DATA_DIR": str(data_dir),
            "SAVEGUARD_PORT": str(self.port),
            "SAVEGUARD_API_PORT": str(self.api_port),
        }
        self._cwd = data_dir
        self.started: list[Serving] = []

    def __call__(self, *arguments: str) -> Serving:
        """Starts `saveguard` with arguments."""
        return self.run(sys.executable, "-m", "dashboard", *arguments)

    def run(self, *argv: str, cwd: Path | None = None) -> Serving:
        """Starts a program."""
        self.started.append(Serving(argv, self.environ, cwd or self._cwd))
        return self.started[-1]

    def end_all(self) -> None:
        """Ends what a failed test left."""
        for each in self.started:
            each.kill()


@pytest.fixture
def serve(target: Target, tmp_path: Path) -> Iterator[Serve]:
    """Starts serving commands, and ends what is left of them."""
    made = Serve(target, tmp_path)
    yield made
    made.end_all()


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
    return port


# From the first word to the last.

UP, SPLIT, DASHBOARD, API, WORKER = ["up"], ["up", "--split"], ["dashboard"], ["api"], ["worker"]


@pytest.mark.parametrize(
    ("argv", "number", "what", "places"),
    [
        (UP, signal.SIGINT, "Saveguard", ["Dashboard on {page}", "API on {page}{document}"]),
        (SPLIT, signal.SIGINT, "Saveguard", ["API on {api}{document}", "Dashboard on {page}"]),
        (DASHBOARD, signal.SIGTERM, "Dashboard", ["Dashboard on {page}"]),
        (API, signal.SIGINT, "API", ["API on {api}{document}"]),
        (API, signal.SIGTERM, "API", ["API on {api}{document}"]),
        (WORKER, signal.SIGTERM, "Worker", []),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_what_serves_says_where_and_stops_without_an_error(
    serve: Serve, argv: list[str], number: signal.Signals, what: str, places: list[str]
) -> None:
    serving = serve(*argv)
    begun = serving.read_until(f"{what} starts with the database test_")
    for _ in places:
        serving.read_until("Dashboard on", "API on")

    status = serving.stop(number)

    words = {
        "page": f"http://127.0.0.1:{serve.port}",
        "api": f"http://127.0.0.1:{serve.api_port}",
        "document": "/api/openapi.json",
    }
    assert status == 0, "\n".join(serving.lines)
    assert begun.endswith("Ctrl-C stops it.")
    assert sorted(serving.words) == sorted(
        [begun, *(place.format_map(words) for place in places), f"{what} stopped."]
    )
    assert (serving.words[0], serving.words[-1]) == (begun, f"{what} stopped.")


@pytest.mark.parametrize(
    ("argv", "kinds"),
    [
        (UP, {"up"}),
        (SPLIT, {"up", "api"}),
        (DASHBOARD, {"dashboard"}),
        (API, {"api"}),
        (WORKER, {"worker"}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_what_serves_writes_its_settings_in_the_audit_trail(
    serve: Serve, target: Target, argv: list[str], kinds: set[str]
) -> None:
    serve.environ["SAVEGUARD_ENVIRONMENT"] = "staging"
    serving = serve(*argv)

    with psycopg.connect(target.owner, autocommit=True) as connection:
        assert eventually(lambda: trailed(connection) == {f"staging/{kind}" for kind in kinds}, 40)
    assert serving.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize("argv", [UP, API], ids=["up", "api"])
def test_no_address_that_is_asked_for_is_told_on_the_terminal_or_in_a_log(
    serve: Serve, tmp_path: Path, argv: list[str]
) -> None:
    """A query may hold what a caller should not have put there."""
    canary = "canary-in-a-query"
    serving = serve(*argv)
    serving.read_until("API on ")
    port = serve.port if argv == UP else serve.api_port

    for path in ("/api/agents/quotes", "/healthz", "/metrics", "/lookup", "/nowhere"):
        httpx.get(f"http://127.0.0.1:{port}{path}?token={canary}", timeout=30)
    status = serving.stop(signal.SIGTERM)

    assert status == 0
    assert canary not in "\n".join(serving.lines)
    logs = [each.read_text() for each in (tmp_path / "logs").glob("*")]
    assert canary not in "".join(logs)


def trailed(connection: psycopg.Connection[Any]) -> set[str]:
    """Whose settings the audit trail has."""
    query = "SELECT subject_id FROM audit_event WHERE action = 'settings changed'"
    return {subject for (subject,) in connection.execute(query).fetchall()}


def test_the_api_says_where_it_is_only_once_it_answers_there(serve: Serve) -> None:
    announced = serve("api").read_until("API on ").removeprefix("API on ")

    answer = httpx.get(announced, timeout=10)

    assert (answer.status_code, answer.json()["info"]["title"]) == (200, "Saveguard")


def test_a_start_that_waits_for_its_database_can_be_stopped(serve: Serve) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        serve.environ["DATABASE_URL"] = f"postgresql://saveguard_app@{address}/saveguard"
        serving = serve("up")
        begun = serving.read_until("Saveguard starts")
        waiting, _ = mute.accept()

        with waiting:
            status = serving.stop(signal.SIGINT)

    assert f"starts with the database saveguard at {address}." in begun
    assert (status, serving.words) == (0, [begun, "Saveguard stopped."])


@pytest.mark.skipif(shutil.which("make") is None, reason="NOT TESTED: make up; there is no make")
def test_ctrl_c_on_make_up_is_no_error_of_make(serve: Serve, tmp_path: Path) -> None:
    checkout = tmp_path / "a checkout"
    (checkout / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", checkout)
    program = checkout / ".venv" / "bin" / "saveguard"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dashboard "$@"\n')
    program.chmod(0o755)
    for stands in ("locks/runtime.txt", "pyproject.toml", ".venv/.runtime"):
        (checkout / stands).parent.mkdir(exist_ok=True)
        (checkout / stands).touch()
    serving = serve.run("make", "up", cwd=checkout)
    serving.read_until("API on ")

    serving.stop(signal.SIGINT)

    assert serving.words[-1] == "Saveguard stopped."
    assert "make: " not in "\n".join(serving.lines)


@pytest.mark.skipif(shutil.which("make") is None, reason="NOT TESTED: make up; there is no make")
@pytest.mark.parametrize("goal", [".venv/.runtime", ".venv/.dev"])
def test_make_says_that_it_installs_before_it_does(goal: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "locks").mkdir()
    for needed in ("locks/runtime.txt", "locks/dev.txt", "pyproject.toml"):
        (tmp_path / needed).touch()

    planned = subprocess.run(  # noqa: S603 - our own Makefile, which only says what it would do
        ["make", "--dry-run", goal],  # noqa: S607 - wherever make is
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},  # not what a make around us has to say
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()

    assert planned[0].startswith('echo "Installing')
    assert "pip" not in planned[0]


# Where somebody else listens.

NO_DATABASE = "postgresql:///nowhere?host=/nowhere"


@pytest.mark.parametrize(
    ("argv", "variable", "remedy"),
    [
        (UP, "SAVEGUARD_PORT", "--port or SAVEGUARD_PORT"),
        (SPLIT, "SAVEGUARD_PORT", "--port or SAVEGUARD_PORT"),
        (SPLIT, "SAVEGUARD_API_PORT", "SAVEGUARD_API_PORT"),
        (DASHBOARD, "SAVEGUARD_PORT", "--port or SAVEGUARD_PORT"),
        (API, "SAVEGUARD_API_PORT", "--port or SAVEGUARD_API_PORT"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_a_port_in_use_is_one_line_before_the_database_is_touched(
    shell: Shell, tmp_path: Path, argv: list[str], variable: str, remedy: str
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        shell.patch.setenv("SAVEGUARD_PORT", str(free_port()))
        shell.patch.setenv("SAVEGUARD_API_PORT", str(free_port()))
        shell.patch.setenv(variable, str(port))

        ended = shell(*argv)

    assert (ended.code, ended.out) == (2, "")
    assert one_line(ended.err).endswith(
        f"port {port} is in use: stop what listens there, or choose another with {remedy}"
    )
    assert list(tmp_path.iterdir()) == []


def test_dashboard_and_api_apart_need_a_port_each(shell: Shell, tmp_path: Path) -> None:
    shell.patch.setenv("SAVEGUARD_API_PORT", str(free_port()))

    line = shell.refused("up", "--split", "--port", os.environ["SAVEGUARD_API_PORT"])

    assert "dashboard and API cannot both have port" in line
    assert list(tmp_path.iterdir()) == []


def test_a_split_api_listens_where_the_dashboard_was_told_to(serve: Serve) -> None:
    serving = serve("up", "--split", "--host", "localhost")

    announced = {serving.read_until("API on", "Dashboard on") for _ in range(2)}

    assert announced == {
        f"Dashboard on http://localhost:{serve.port}",
        f"API on http://localhost:{serve.api_port}/api/openapi.json",
    }


# An API apart is kept alive, and never left alone.


def api_of(serving: Serving) -> psutil.Process:
    """The API's process below a command's."""
    (child,) = [
        each
        for each in psutil.Process(serving.pid).children(recursive=True)
        if "--part" in each.cmdline()
    ]
    return child


def test_a_split_api_that_dies_is_started_again(serve: Serve) -> None:
    serving = serve("up", "--split")
    for _ in range(2):
        serving.read_until("API on", "Dashboard on")
    first = api_of(serving)

    first.kill()
    serving.read_until("API on")

    assert api_of(serving).pid != first.pid
    assert httpx.get(f"http://127.0.0.1:{serve.api_port}/readyz", trust_env=False).is_success
    assert any('"api_process_died"' in line for line in serving.lines)
    assert serving.stop(signal.SIGTERM) == 0


def test_a_split_api_does_not_outlive_the_command(serve: Serve) -> None:
    serving = serve("up", "--split")
    for _ in range(2):
        serving.read_until("API on", "Dashboard on")
    child = api_of(serving)

    psutil.Process(serving.pid).kill()

    assert psutil.wait_procs([child], timeout=30) == ([child], [])
    serving.end()
    require_free("127.0.0.1", serve.api_port, "")


def test_two_api_processes_share_an_agents_limit(serve: Serve, target: Target) -> None:
    clock = SystemClock()
    with Session(owner_engine(target.app)) as session:
        limited, other = (
            add_agent(session, clock, name=name, email=f"{name}@a.example", rate_limit_per_minute=6)
            for name in ("ana", "bea")
        )
        session.commit()
    urls = []
    for _ in range(2):
        serve.environ["SAVEGUARD_API_PORT"] = str(free_port())
        serve("api").read_until("API on ")
        urls.append(f"http://127.0.0.1:{serve.environ['SAVEGUARD_API_PORT']}/api/agents/quotes")

    def burst(key: str, count: int) -> list[httpx.Response]:
        headers = {"Authorization": f"Bearer {key}"}
        return [
            httpx.post(urls[number % 2], json=quote_body(taxes=1), headers=headers, trust_env=False)
            for number in range(count)
        ]

    answers, others = burst(limited.api_key, 12), burst(other.api_key, 6)

    assert [answer.status_code for answer in answers] == [201] * 6 + [429] * 6
    assert all("retry-after" in answer.headers for answer in answers[6:])
    assert [answer.status_code for answer in others] == [201] * 6
    for serving in serve.started:
        assert serving.stop(signal.SIGTERM) == 0
    used = value(target.owner, "SELECT count(*) FROM api_key WHERE last_used_at IS NOT NULL")
    assert used == 2  # stored as the processes ended
