"""The commands about who may see what: roles, passwords, signing out."""

from __future__ import annotations

import io
from datetime import timedelta

import psycopg
import pytest

from engine.access.passwords import is_right
from engine.access.roles import Role
from engine.cli.acting import machine_user
from engine.database.target import Target
from tests.database.databases import CLOCK, value
from tests.database.people import RIGHT, account, trail
from tests.database.shell import Shell

EMAIL = "lia@people.example"


def test_a_person_with_a_role_gets_no_key(saveguard: Shell, target: Target) -> None:
    ended = saveguard("user", "add", "--email", EMAIL, "--role", "lead", "--name", "Lia", "--json")

    assert (ended.code, set(ended.facts)) == (0, {"userId"})
    assert value(target.app, "SELECT role || ' ' || name FROM account") == "lead Lia"
    (event,) = trail(target)
    assert (event["action"], event["way"], event["actor"], event["details"]) == (
        "account added", "terminal", machine_user(), {"role": "lead"},
    )  # fmt: skip


def test_a_person_who_is_a_program_too_gets_a_key_on_request(saveguard: Shell) -> None:
    ended = saveguard("user", "add", "--email", EMAIL, "--role", "viewer", "--key", "--json")

    assert set(ended.facts) == {"userId", "apiKey"}


@pytest.mark.parametrize(("word", "stored"), [("on-call", "on-call"), ("none", None)])
def test_a_role_is_changed(saveguard: Shell, target: Target, word: str, stored: object) -> None:
    account(target, CLOCK, Role.LEAD, email=EMAIL)

    ended = saveguard("user", "set", "--email", EMAIL, "--role", word, "--json")

    assert (ended.code, ended.facts["role"]) == (0, stored)
    assert value(target.app, "SELECT role FROM account") == stored
    assert trail(target)[-1]["details"] == {"old": "lead", "new": stored}


def test_a_disabled_account_is_listed_as_such(saveguard: Shell, target: Target) -> None:
    account(target, CLOCK, Role.LEAD, email=EMAIL, has_password=True)

    saveguard("user", "set", "--email", EMAIL, "--status", "disabled")

    assert saveguard("user", "list").out == f"{EMAIL}  lead, disabled, password\n"
    (listed,) = saveguard("user", "list", "--json").facts
    assert (listed["status"], listed["hasPassword"], listed["signIns"]) == ("disabled", True, 0)


def test_a_password_is_piped_in_and_is_never_an_argument(
    saveguard: Shell, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    account(target, CLOCK, Role.LEAD, email=EMAIL)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{RIGHT}\n"))

    ended = saveguard("user", "password", "--email", EMAIL, "--stdin")

    assert (ended.code, ended.err) == (0, "")
    assert RIGHT not in ended.out
    assert is_right(RIGHT, value(target.app, "SELECT password_hash FROM account_password"))


def test_a_weak_password_is_refused_and_that_is_written_down(
    saveguard: Shell, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    account(target, CLOCK, Role.LEAD, email=EMAIL)
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))

    line = saveguard.refused("user", "password", "--email", EMAIL, "--stdin")

    assert "at least 12 characters" in line
    assert trail(target)[-1]["outcome"] == "refused"


def test_a_password_that_nobody_can_type_is_not_waited_for(
    saveguard: Shell, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    account(target, CLOCK, Role.LEAD, email=EMAIL)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))

    assert "--stdin" in saveguard.refused("user", "password", "--email", EMAIL)


def test_signing_out_says_how_many_sign_ins_ended(saveguard: Shell, target: Target) -> None:
    lia = account(target, CLOCK, Role.LEAD, email=EMAIL)
    with psycopg.connect(target.app) as connection:
        connection.execute(
            "INSERT INTO sign_in VALUES (sha256('t'), %s, 'oidc', %s, %s, NULL, NULL)",
            [lia.id, CLOCK.now(), CLOCK.now() + timedelta(hours=1)],
        )

    ended = saveguard("user", "sign-out", "--email", EMAIL, "--json")

    assert ended.facts["signInsEnded"] == 1
    assert value(target.app, "SELECT count(*) FROM sign_in WHERE ended_at IS NULL") == 0


@pytest.mark.parametrize("command", [("set", "--role", "lead"), ("password",), ("sign-out",)])
def test_an_account_that_is_not_there_is_said(saveguard: Shell, command: tuple[str, ...]) -> None:
    line = saveguard.refused("user", command[0], "--email", EMAIL, *command[1:])

    assert f"there is no account for {EMAIL}" in line
