"""The console commands: what they print, how they end, and what they say when they cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from engine.clock import SystemClock
from engine.database.cluster import Cluster
from engine.database.target import Target
from engine.quotes.lifecycle import Operation
from engine.settings import Settings
from tests.database.databases import CANARY, blank_database, value
from tests.database.shell import Shell, one_line, url_of
from tests.support import Agency

CLOCK = SystemClock()
ROOT = Path(__file__).parents[2]


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
        assert (row["taken_for"], row["certainty"]) == ("correlation id", "exact")
        assert row["reason"] == "exact correlation id"
        assert row["instance"] == settings.instance
    assert committed["changed_fields"] == ["taxes"]


def test_attempts_prints_what_a_person_can_read(saveguard: Shell, correlation_id: str) -> None:
    ended = saveguard("attempts", correlation_id)

    assert (ended.code, ended.err) == (0, "")
    committed, conflict = ended.out.split("\n\n")
    quote = f"UPDATE of quote QT-{CLOCK.now().year}-"
    assert committed.startswith(quote)
    assert "; version 2 is stored; " in committed.splitlines()[0]
    assert conflict.startswith(quote)
    assert "; the winner was cli-0000-0001, " in conflict.splitlines()[0]
    assert "not stored" in conflict
    for told in (committed, conflict):
        assert ["correlation", "id", correlation_id] in [line.split() for line in told.splitlines()]


@pytest.mark.parametrize("given", ["REQ-NOBODY-KNOWS", "", "'; --", "x" * 10_000, "é%s"])
def test_attempts_of_a_text_that_means_nothing_here_says_why_and_ends_with_1(
    saveguard: Shell, given: str
) -> None:
    as_json, plain = saveguard("attempts", given, "--json"), saveguard("attempts", given)

    assert (as_json.code, as_json.facts, as_json.err) == (1, [], "")
    assert (plain.code, plain.out) == (1, "")
    assert plain.err.startswith(("Nothing ", "There is nothing to look for in it: "))


def test_attempts_takes_a_log_line_as_well_as_an_id(saveguard: Shell, correlation_id: str) -> None:
    line = f'14:03 INFO {{"correlationId": "{correlation_id}", "outcome": "conflict"}}'

    assert saveguard("attempts", line) == saveguard("attempts", correlation_id)


def test_attempts_of_a_line_that_names_more_tells_the_narrowest_and_names_the_rest(
    saveguard: Shell, agency: Agency
) -> None:
    quote_id = agency.create()
    (row,) = agency.attempts()
    line = f"saved {quote_id} of {agency.agent_id} as {row['correlation_id']}"

    ended, as_json = saveguard("attempts", line), saveguard("attempts", line, "--json")

    story, besides = ended.out.rstrip().split("\n\n")
    assert story.startswith("CREATE of quote QT-")
    assert besides == f"Named besides: quote id {quote_id}, agent id {agency.agent_id}"
    assert [fact["taken_for"] for fact in as_json.facts] == ["correlation id"]


def test_attempts_of_a_mistyped_id_says_which_was_meant_and_why(
    saveguard: Shell, agency: Agency
) -> None:
    agency.create()
    (row,) = agency.attempts()
    right = row["correlation_id"]
    wrong = right[:20] + ("7" if right[20] != "7" else "9") + right[21:]

    plain, as_json = saveguard("attempts", wrong), saveguard("attempts", wrong, "--json")

    first, guess = plain.out.split("\n\n")
    assert (plain.code, plain.err, first) == (0, "", "Nothing is there just so. It may mean:")
    assert guess.startswith(f"correlation id {right} (one character ")
    assert guess.splitlines()[0].endswith(f": its check character fits {right})")
    assert f" UTC  {right}  CREATE of quote " in guess.splitlines()[1]
    (fact,) = as_json.facts
    assert (fact["correlation_id"], fact["certainty"]) == (right, "likely")
    assert fact["taken_for"] == "correlation id"


def test_attempts_of_a_quote_are_told_oldest_first(saveguard: Shell, agency: Agency) -> None:
    quote_id = agency.create()
    agency.update(quote_id, 1, taxes=3)

    ended = saveguard("attempts", f"/v1/quotes/{quote_id}")

    assert ended.code == 0
    assert [told.split()[0] for told in ended.out.split("\n\n")] == ["CREATE", "UPDATE"]


def test_attempts_ends_no_line_in_blanks(saveguard: Shell, correlation_id: str) -> None:
    ended = saveguard("attempts", correlation_id)

    assert [line for line in ended.out.splitlines() if line != line.rstrip()] == []


# Verification.


def test_verify_says_first_what_it_looks_at(
    saveguard: Shell, correlation_id: str, target: Target
) -> None:
    ended = saveguard("verify")

    name = conninfo_to_dict(target.app)["dbname"]
    first, blank, heads, *_, last = ended.out.splitlines()
    assert correlation_id
    assert ended.code == 0
    assert first.startswith(f"Checking the database {name} at ")
    assert CANARY not in ended.out
    assert (blank, heads.split()[:2]) == ("", ["rule", "verdict"])
    assert last == "Nothing found: 16 rules checked."


def test_verify_says_that_a_database_holds_no_quotes(saveguard: Shell) -> None:
    ended = saveguard("verify")

    last = ended.out.splitlines()[-1]
    assert (ended.code, last) == (
        0,
        "The database holds no quotes. 16 rules checked, nothing found.",
    )


# Commands that look, or change what is there, make no database.


@pytest.mark.parametrize(
    "argv",
    [
        ["attempts", "REQ-1"],
        ["attempts", "REQ-1", "--json"],
        ["verify"],
        ["verify", "--json"],
        ["migrate", "status"],
        ["migrate", "down", "base", "--yes"],
        ["agent", "add", "Ana", "--email", "a@b.example", "--existing"],
        ["agent", "set", "--email", "a@b.example", "--quota", "1"],
        ["key", "add", "--email", "a@b.example"],
        ["key", "list", "--email", "a@b.example"],
        ["key", "revoke", "--email", "a@b.example"],
    ],
    ids=" ".join,
)
def test_a_command_that_looks_makes_no_database(
    shell: Shell, tmp_path: Path, argv: list[str]
) -> None:
    line = shell.refused(*argv)

    assert line == f"saveguard: no database in {tmp_path}; start one with: saveguard up"
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_exists_once_its_directory_holds_one(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "postgresql")
    missing = cluster.exists
    cluster.data.mkdir(parents=True)
    empty = cluster.exists
    (cluster.data / "PG_VERSION").touch()

    assert (missing, empty, cluster.exists) == (False, False, True)


def test_a_relative_data_directory_is_named_in_full(shell: Shell, tmp_path: Path) -> None:
    shell.patch.chdir(tmp_path)

    line = shell.refused("verify", "--data-dir", "mistyped")

    assert f"no database in {tmp_path / 'mistyped'};" in line
    assert list(tmp_path.iterdir()) == []


# A replay goes where the server of the same settings listens.


@pytest.mark.parametrize(("host", "written"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_a_replay_over_http_goes_where_the_settings_say(
    saveguard: Shell, host: str, written: str
) -> None:
    saveguard.patch.setenv("SAVEGUARD_HOST", host)
    saveguard.patch.setenv("SAVEGUARD_PORT", "1")
    sample = str(ROOT / "docs" / "how-to" / "bookings-sample.csv.gz")

    by_settings = saveguard.refused("replay", sample, "--via", "http")
    by_option = saveguard.refused("replay", sample, "--via", "http", "--url", "http://127.0.0.1:2")

    assert f"no Saveguard answers at http://{written}:1;" in by_settings
    assert "no Saveguard answers at http://127.0.0.1:2;" in by_option
    help_text = " ".join(saveguard("replay", "--help").out.split())
    assert "[default: (at SAVEGUARD_HOST and SAVEGUARD_PORT)]" in help_text


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


def test_an_argument_that_is_no_text_is_refused(saveguard: Shell) -> None:
    """What the shell hands over when a byte of it is not UTF-8."""
    for argv in (["user", "add", "--email", "\udcff@b.example"], ["attempts", "\udcff"]):
        assert saveguard(*argv).code == 2


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
    assert "there is an account for a@b.example already" in one_line(again.stderr)
    assert "cannot use the database" in one_line(wrong.stderr)
