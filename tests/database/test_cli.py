"""The console commands: what they print, how they end, and what they say when they cannot."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from engine.access.keys import hash_api_key
from engine.cli.main import cli, run
from engine.database.target import Target
from engine.quotes.lifecycle import Operation
from engine.settings import Settings
from tests.database.databases import CANARY, CLOCK, blank_database, value
from tests.support import Agency

ROOT = Path(__file__).parents[2]


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def facts(self) -> Any:
        """What it printed as JSON; nothing else may be there."""
        return json.loads(self.out)


class Shell:
    """An operator's shell: an environment, and commands run in it."""

    def __init__(self, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self.patch = patch
        self._capture = capture

    def __call__(self, *argv: str) -> Ended:
        """Runs `saveguard` in this process, the way the console script does."""
        self.patch.setattr(sys, "argv", ["saveguard", *argv])
        self._capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            run(cli)
        out, err = self._capture.readouterr()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else int(code is not None), out, err)

    def refused(self, *argv: str) -> str:
        """Runs a command that cannot do its work; returns the one line that says why."""
        ended = self(*argv)
        assert (ended.code, ended.out) == (2, "")
        return one_line(ended.err)


def one_line(err: str) -> str:
    """What an operator reads: one line, no traceback, no secret."""
    (line,) = err.splitlines()
    assert line.startswith("saveguard: ")
    assert CANARY not in line
    assert "sgk_" not in line
    for internal in ("Traceback", "Error(", "psycopg", "sqlalchemy", "INSERT", "SELECT", "DETAIL"):
        assert internal not in line
    return line


def url_of(conninfo: str, **more: str) -> str:
    """A conninfo as the URL that an operator would set; the password is a secret."""
    found = {name: str(part) for name, part in conninfo_to_dict(conninfo).items()}
    given = {"password": CANARY} | found | more
    database = given.pop("dbname")
    return f"postgresql:///{database}?{urlencode(given, quote_via=quote)}"


@pytest.fixture
def shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Shell]:
    """A shell without a database of its own yet."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("SAVEGUARD_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    yield Shell(monkeypatch, capsys)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def saveguard(shell: Shell, target: Target) -> Shell:
    """A shell whose DATABASE_URL names a migrated database of the test's own."""
    shell.patch.setenv("DATABASE_URL", url_of(target.app))
    shell.patch.setenv("SAVEGUARD_OWNER_DATABASE_URL", url_of(target.owner))
    return shell


# People.


def test_agent_add_prints_the_agent_and_its_key_as_json(saveguard: Shell, target: Target) -> None:
    ended = saveguard("agent", "add", "Ana", "--email", "ana@agency.example", "--json")

    assert (ended.code, ended.err) == (0, "")
    assert set(ended.facts) == {"agentId", "apiKey"}
    assert UUID(ended.facts["agentId"]).version == 7
    assert ended.facts["apiKey"].startswith("sgk_")
    (row,) = agents(target)
    assert row == (UUID(ended.facts["agentId"]), "Ana", "ana@agency.example", 100_000, None)


def test_agent_add_takes_a_quota_and_a_rate_limit(saveguard: Shell, target: Target) -> None:
    ended = saveguard(
        "agent", "add", "Ana", "--email", "a@b.example", "--quota", "7", "--rate-limit", "60"
    )

    assert ended.code == 0
    assert [row[3:] for row in agents(target)] == [(7, 60)]


def test_agent_add_tells_a_person_to_keep_the_key(saveguard: Shell) -> None:
    ended = saveguard("agent", "add", "Ana", "--email", "a@b.example")

    names = [line.partition(": ")[0] for line in ended.out.splitlines()]
    assert (ended.code, names) == (0, ["agentId", "apiKey"])
    assert ended.err == "The key is shown this once and stored nowhere; keep it now.\n"


def test_a_key_is_stored_as_its_hash_alone(saveguard: Shell, target: Target) -> None:
    key = saveguard("agent", "add", "Ana", "--email", "a@b.example", "--json").facts["apiKey"]

    with psycopg.connect(target.owner) as connection:
        stored = connection.execute("SELECT key_hash, api_key::text FROM api_key").fetchall()
    assert [bytes(each) for each, _ in stored] == [hash_api_key(key)]
    assert key not in stored[0][1]


def test_user_add_prints_the_user_and_its_key_as_json(saveguard: Shell, target: Target) -> None:
    ended = saveguard("user", "add", "--email", "u@b.example", "--json")

    assert (ended.code, ended.err) == (0, "")
    assert set(ended.facts) == {"userId", "apiKey"}
    assert value(target.owner, "SELECT id FROM account") == UUID(ended.facts["userId"])
    assert agents(target) == []


def test_client_add_prints_the_client_as_json(saveguard: Shell, target: Target) -> None:
    agent_id = saveguard("agent", "add", "Ana", "--email", "a@b.example", "--json").facts["agentId"]

    ended = saveguard(*client_of(agent_id), "--json")

    assert (ended.code, ended.err) == (0, "")
    assert set(ended.facts) == {"clientId"}
    client_id = UUID(ended.facts["clientId"])
    assert value(target.owner, "SELECT id FROM client WHERE status = 'ACTIVE'") == client_id


@pytest.mark.parametrize("again", ["a@b.example", "A@B.EXAMPLE"])
@pytest.mark.parametrize("kind", ["agent", "user"])
def test_an_email_address_is_taken_once(
    saveguard: Shell, target: Target, kind: str, again: str
) -> None:
    saveguard("agent", "add", "Ana", "--email", "a@b.example")
    name = ["Bruno"] if kind == "agent" else []

    line = saveguard.refused(kind, "add", *name, "--email", again, "--json")

    assert line == f"saveguard: there is an account for {again} already"
    assert value(target.owner, "SELECT count(*) FROM account") == 1
    assert value(target.owner, "SELECT count(*) FROM api_key") == 1


def test_a_client_of_an_agent_that_is_not_there_is_refused(
    saveguard: Shell, target: Target
) -> None:
    absent = str(CLOCK.uuid7())

    line = saveguard.refused(*client_of(absent), "--json")

    assert line == f"saveguard: there is no agent {absent}; see: saveguard agent add"
    assert value(target.owner, "SELECT count(*) FROM client") == 0


@pytest.mark.parametrize(
    ("name", "email"),
    [
        ("O'Brien; DROP TABLE agent; --", "x'--@b.example"),
        ("%s %(x)s {0}", "%s@b.example"),
        ("Inês \N{GRINNING FACE}", "inês@exämple.example"),
        ("x" * 5_000, "y" * 64 + "@b.example"),
        ("line\nbreak", "a@b.example"),
    ],
    ids=["SQL", "formats", "Unicode", "long", "a line break"],
)
def test_a_name_is_what_it_is(saveguard: Shell, target: Target, name: str, email: str) -> None:
    ended = saveguard("agent", "add", name, "--email", email, "--json")

    assert ended.code == 0, ended.err
    assert [row[1:3] for row in agents(target)] == [(name, email)]


@pytest.mark.parametrize(
    "argv",
    [
        ["agent", "add", "--email", "a@b.example"],
        ["agent", "add", "Ana"],
        ["agent", "add", "Ana", "--email"],
        ["agent", "add", "Ana", "Bruno", "--email", "a@b.example"],
        ["agent", "add", "Ana", "--email", "a@b.example", "--rate-limit", "0"],
        ["agent", "add", "Ana", "--email", "a@b.example", "--rate-limit", "often"],
        ["agent", "add", "Ana", "--email", "a@b.example", "--quota", "1.5"],
        ["agent", "remove", "Ana"],
        ["client", "add", "--agent", "no-uuid", "--first-name", "a", "--last-name", "b"],
        ["user", "add"],
        ["attempts"],
        ["migrate", "sideways"],
        ["nonsense"],
        ["--nonsense"],
    ],
    ids=" ".join,
)
def test_a_command_that_is_not_complete_says_how_it_goes(shell: Shell, argv: list[str]) -> None:
    """Before anything else: no database is asked, none is started."""
    ended = shell(*argv)

    assert (ended.code, ended.out) == (2, "")
    assert "Error: " in ended.err
    assert "Traceback" not in ended.err


# The ledger.


@pytest.fixture
def correlation_id(agency: Agency) -> str:
    """The id of a save and of another attempt with it."""
    quote_id = agency.create()
    given = "cli-0000-0001"
    agency.save(Operation.UPDATE, quote_id, {"version": 1, "taxes": 1}, correlation_id=given)
    agency.save(Operation.UPDATE, quote_id, {"version": 1, "taxes": 2}, correlation_id=given)
    return given


def test_attempts_prints_the_rows_as_json_oldest_first(
    saveguard: Shell, correlation_id: str, agency: Agency, settings: Settings
) -> None:
    ended = saveguard("attempts", correlation_id, "--json")

    assert (ended.code, ended.err) == (0, "")
    committed, conflict = ended.facts
    assert (committed["outcome"], committed["error_code"]) == ("committed", None)
    assert (conflict["outcome"], conflict["error_code"]) == ("conflict", "QUOTE_CONFLICT_VERSION")
    assert (conflict["http_status"], conflict["retryable"]) == (409, True)
    for row in ended.facts:
        assert row["correlation_id"] == correlation_id
        assert row["agent_id"] == str(agency.agent_id)
        assert row["operation"] == "UPDATE"
        assert len(bytes.fromhex(row["payload_hash"])) == 32
        assert row["started_at"].endswith("+00:00")
        assert row["instance"] == settings.instance
    assert committed["changed_fields"] == ["taxes"]


def test_attempts_prints_what_a_person_can_read(saveguard: Shell, correlation_id: str) -> None:
    ended = saveguard("attempts", correlation_id)

    assert (ended.code, ended.err) == (0, "")
    words = [line.split() for line in ended.out.splitlines()]
    assert words.count(["correlation_id", correlation_id]) == 2
    assert ["outcome", "committed"] in words
    assert ["outcome", "conflict"] in words


@pytest.mark.parametrize("given", ["REQ-NOBODY-KNOWS", "", "'; --", "x" * 10_000, "é%s"])
def test_attempts_with_an_id_that_nobody_knows_ends_with_1(saveguard: Shell, given: str) -> None:
    as_json, plain = saveguard("attempts", given, "--json"), saveguard("attempts", given)

    assert (as_json.code, as_json.facts, as_json.err) == (1, [], "")
    assert (plain.code, plain.out) == (1, "")
    assert plain.err == f"no attempt has the correlation id {given}\n"


# Migrations.


def test_migrate_status_says_that_nothing_is_pending(saveguard: Shell) -> None:
    as_json, plain = saveguard("migrate", "status", "--json"), saveguard("migrate", "status")

    facts = as_json.facts
    assert (as_json.code, as_json.err) == (0, "")
    assert facts == {"current": facts["head"], "head": facts["head"], "pending": []}
    assert (plain.code, plain.out) == (0, f"at revision {facts['head']} of {facts['head']}\n")


def test_migrate_goes_up_and_down_step_by_step(shell: Shell, server: str) -> None:
    with blank_database(server) as blank:
        shell.patch.setenv("DATABASE_URL", url_of(blank.owner))
        before = shell("migrate", "status", "--json").facts
        refused = shell.refused("attempts", "x")
        up = shell("migrate", "up")
        after = shell("migrate", "status", "--json").facts
        down = shell("migrate", "down", "base", "--yes")
        gone = shell("migrate", "status", "--json").facts

    ids = [each["id"] for each in before["pending"]]
    assert (before["current"], after["current"], gone["current"]) == (None, before["head"], None)
    assert ids == sorted(ids)
    assert ids[-1] == before["head"]
    assert all(set(each) == {"id", "title"} and each["title"] for each in before["pending"])
    assert after["pending"] == []
    assert gone == before
    assert (up.code, up.out) == (0, f"at revision {before['head']} of {before['head']}\n")
    assert (down.code, down.out) == (0, "at revision base\n")
    assert refused.endswith(
        f"the database is at revision base, this release needs {before['head']};"
        " run: saveguard migrate up"
    )


def test_migrate_down_asks_first(saveguard: Shell, target: Target) -> None:
    with saveguard.patch.context() as patch:
        patch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115, PTH123 - closed at exit
        ended = saveguard("migrate", "down", "base")
        sys.stdin.close()

    assert ended.code == 1
    assert "Go on?" in ended.out + ended.err
    assert value(target.owner, "SELECT count(*) FROM quote") == 0


# What cannot be: one line, exit code 2, no secret.

SOCKETS = "postgresql:///nowhere?host=/nowhere&password=" + CANARY
COMMANDS = [
    ["agent", "add", "Ana", "--email", "a@b.example", "--json"],
    ["user", "add", "--email", "a@b.example"],
    ["attempts", "x", "--json"],
    ["migrate", "status", "--json"],
    ["migrate", "up"],
    ["worker"],
    ["api"],
]


@pytest.mark.parametrize("argv", COMMANDS, ids=" ".join)
def test_a_database_that_is_not_there_is_one_clear_line(shell: Shell, argv: list[str]) -> None:
    shell.patch.setenv("DATABASE_URL", SOCKETS)

    line = shell.refused(*argv)

    assert line.startswith("saveguard: DATABASE_URL: cannot use the database at /nowhere:5432: ")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"mysql://root:{CANARY}@db/x", "must start with postgresql://"),
        (f"root:{CANARY}@db/x", "must start with postgresql://"),
        (CANARY, "must start with postgresql://"),
        (f"postgresql://u:{CANARY}@db:port/x", ""),
        (f"postgresql://u:{CANARY}@[::1/x", "is not a well-formed database URL"),
        (f"postgresql://u:{CANARY}%zz@db/x", "is not a well-formed database URL"),
        (f"postgresql://u:{CANARY}@127.0.0.1:1/x", "cannot use the database at 127.0.0.1:1"),
        (f"postgresql://u:{CANARY}@127.0.0.1:1/x?nonsense=1", "is not a well-formed database URL"),
    ],
)
def test_a_database_url_that_makes_no_sense_is_one_clear_line(
    shell: Shell, url: str, reason: str
) -> None:
    shell.patch.setenv("DATABASE_URL", url)

    line = shell.refused("migrate", "status", "--json")

    assert line.startswith("saveguard: DATABASE_URL: ")
    assert reason in line


def test_a_database_or_user_that_does_not_exist_is_one_clear_line(
    shell: Shell, target: Target
) -> None:
    for more, words in (({"dbname": "nonsense"}, "nonsense"), ({"user": "nobody_here"}, "nobody")):
        shell.patch.setenv("DATABASE_URL", url_of(target.app, **more))

        line = shell.refused("attempts", "x")

        assert "does not exist" in line
        assert words in line


@pytest.mark.parametrize(
    ("name", "given", "reason"),
    [
        ("SAVEGUARD_NONSENSE", CANARY, "no such setting"),
        ("SAVEGUARD_DATABASE_URL", CANARY, "no such setting"),
        ("SAVEGUARD_POOL_SIZE", CANARY, "SAVEGUARD_POOL_SIZE: "),
        ("SAVEGUARD_POOL_SIZE", "0", "SAVEGUARD_POOL_SIZE: "),
        ("SAVEGUARD_LOCK_TIMEOUT", CANARY, "a number of seconds is needed"),
        ("SAVEGUARD_LOCK_TIMEOUT", "-1", "SAVEGUARD_LOCK_TIMEOUT: "),
        ("SAVEGUARD_INSTANCE", f"{CANARY} with blanks", "SAVEGUARD_INSTANCE: "),
        ("POOLER", CANARY, "POOLER: "),
    ],
)
@pytest.mark.parametrize("argv", COMMANDS[:4], ids=" ".join)
def test_a_variable_that_is_not_known_or_does_not_fit_is_named(
    saveguard: Shell, argv: list[str], name: str, given: str, reason: str
) -> None:
    saveguard.patch.setenv(name, given)

    line = saveguard.refused(*argv)

    assert name in line
    assert reason in line


def test_a_journal_that_cannot_be_written_is_one_clear_line(
    saveguard: Shell, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    saveguard.patch.setenv("SAVEGUARD_DATA_DIR", str(tmp_path / "file"))

    for command in ("api", "worker"):
        assert "cannot be written" in saveguard.refused(command)


# What no database could hold, or nobody could mean.


def test_a_negative_quota_is_called_by_its_name(saveguard: Shell) -> None:
    ended = saveguard("agent", "add", "Ana", "--email", "a@b.example", "--quota", "-1")

    assert ended.code == 2
    assert "quota" in ended.err


@pytest.mark.parametrize("option", ["--quota", "--rate-limit"])
def test_a_number_too_large_for_the_database_is_refused(saveguard: Shell, option: str) -> None:
    ended = saveguard("agent", "add", "Ana", "--email", "a@b.example", option, str(2**31))

    assert ended.code == 2
    assert "Traceback" not in ended.err


def test_an_argument_that_is_no_text_is_refused(saveguard: Shell) -> None:
    """What the shell hands over when a byte of it is not UTF-8."""
    for argv in (["user", "add", "--email", "\udcff@b.example"], ["attempts", "\udcff"]):
        assert saveguard(*argv).code == 2


def test_an_empty_email_address_is_called_by_its_name(saveguard: Shell) -> None:
    ended = saveguard("user", "add", "--email", "")

    assert ended.code == 2
    assert "already" not in ended.err


# The command as it is installed.


def test_the_console_command_is_the_same_outside_this_process(target: Target) -> None:
    environ = {**os.environ, "DATABASE_URL": url_of(target.app), "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "-W", "error", "-m", "dashboard"]

    made, again, wrong = (
        subprocess.run(  # noqa: S603 - our own program
            [*argv, *more],
            env=environ | extra,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        for more, extra in (
            (["agent", "add", "Ana", "--email", "a@b.example", "--json"], {}),
            (["agent", "add", "Ana", "--email", "a@b.example", "--json"], {}),
            (["attempts", "x"], {"DATABASE_URL": SOCKETS}),
        )
    )

    assert (made.returncode, made.stderr) == (0, "")
    assert set(json.loads(made.stdout)) == {"agentId", "apiKey"}
    assert (again.returncode, wrong.returncode) == (2, 2)
    assert one_line(again.stderr) == "saveguard: there is an account for a@b.example already"
    assert "cannot use the database" in one_line(wrong.stderr)


def agents(target: Target) -> list[tuple[Any, ...]]:
    """The agents that there are."""
    with psycopg.connect(target.owner) as connection:
        return connection.execute(
            "SELECT id, name, email, max_active_quotes, rate_limit_per_minute FROM agent"
        ).fetchall()


def client_of(agent_id: str) -> list[str]:
    """The command that makes a client of an agent."""
    return ["client", "add", "--agent", agent_id, "--first-name", "Inês", "--last-name", "Moreira",
            "--email", "ines@example.org"]  # fmt: skip
