"""The commands about who may save: agents, users, clients, and their keys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from engine.access.keys import hash_api_key
from engine.cli.acting import machine_user
from engine.database.target import Target
from tests.api.service import QUOTES, Service, served, settings_in
from tests.database.databases import CLOCK, value
from tests.database.shell import Shell


def _command(value: object) -> str | None:
    return " ".join(value) if isinstance(value, list) else None


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
@pytest.mark.parametrize(
    ("kind", "instead"),
    [
        ("agent", "to make it an agent, add --existing"),
        ("user", "for another key: saveguard key add"),
    ],
)
def test_an_email_address_is_taken_once_and_it_is_said_what_to_do_instead(
    saveguard: Shell, target: Target, kind: str, again: str, instead: str
) -> None:
    saveguard("agent", "add", "Ana", "--email", "a@b.example")
    name = ["Bruno"] if kind == "agent" else []

    line = saveguard.refused(kind, "add", *name, "--email", again, "--json")

    assert line == f"saveguard: there is an account for {again} already; {instead}"
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


def test_a_negative_quota_is_called_by_its_name(saveguard: Shell) -> None:
    ended = saveguard("agent", "add", "Ana", "--email", "a@b.example", "--quota", "-1")

    assert ended.code == 2
    assert "quota" in ended.err


@pytest.mark.parametrize("option", ["--quota", "--rate-limit"])
def test_a_number_too_large_for_the_database_is_refused(saveguard: Shell, option: str) -> None:
    ended = saveguard("agent", "add", "Ana", "--email", "a@b.example", option, str(2**31))

    assert ended.code == 2
    assert "Traceback" not in ended.err


def test_an_empty_email_address_is_called_by_its_name(saveguard: Shell) -> None:
    ended = saveguard("user", "add", "--email", "")

    assert ended.code == 2
    assert "already" not in ended.err


# An account becomes an agent.


def test_an_existing_account_becomes_an_agent_when_that_is_asked_for(
    saveguard: Shell, target: Target
) -> None:
    user = saveguard("user", "add", "--email", "u@b.example", "--json").facts

    ended = saveguard("agent", "add", "Ana", "--email", "U@b.example", "--existing", "--json")

    assert (ended.code, ended.err) == (0, "")
    assert set(ended.facts) == {"agentId"}
    (row,) = agents(target)
    assert row == (UUID(ended.facts["agentId"]), "Ana", "u@b.example", 100_000, None)
    assert value(target.owner, "SELECT account_id FROM agent") == UUID(user["userId"])
    with_key = "SELECT key_hash FROM api_key WHERE revoked_at IS NULL"
    assert bytes(value(target.owner, with_key)) == hash_api_key(user["apiKey"])


def test_an_agent_does_not_become_one_again(saveguard: Shell, target: Target) -> None:
    saveguard("agent", "add", "Ana", "--email", "a@b.example")

    line = saveguard.refused("agent", "add", "Bruno", "--email", "a@b.example", "--existing")

    assert line.endswith(
        "the account for a@b.example is an agent already; see: saveguard agent set"
    )
    assert [row[1] for row in agents(target)] == ["Ana"]


# An agent is changed.


@pytest.fixture
def agent_id(saveguard: Shell) -> str:
    """An agent with limits."""
    limits = ("--quota", "7", "--rate-limit", "60")
    made = saveguard("agent", "add", "Ana", "--email", "a@b.example", *limits, "--json")
    return str(made.facts["agentId"])


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        (["--quota", "200000"], {"maxActiveQuotes": 200_000}),
        (["--quota", "0"], {"maxActiveQuotes": 0}),
        (["--rate-limit", "5"], {"rateLimitPerMinute": 5}),
        (["--rate-limit", "none"], {"rateLimitPerMinute": None}),
        (["--status", "suspended"], {"status": "SUSPENDED"}),
        (["--status", "active", "--quota", "8"], {"maxActiveQuotes": 8}),
    ],
    ids=_command,
)
def test_agent_set_changes_what_is_named_and_nothing_else(
    saveguard: Shell, target: Target, agent_id: str, options: list[str], changed: dict[str, Any]
) -> None:
    before = {
        "agentId": agent_id,
        "email": "a@b.example",
        "status": "ACTIVE",
        "maxActiveQuotes": 7,
        "rateLimitPerMinute": 60,
    }

    by_email = saveguard("agent", "set", "--email", "A@B.example", *options, "--json")
    by_id = saveguard("agent", "set", "--agent", agent_id, *options, "--json")

    assert (by_email.code, by_email.err) == (0, "")
    assert by_email.facts == by_id.facts == before | changed
    stored = "SELECT status, max_active_quotes, rate_limit_per_minute FROM agent"
    with psycopg.connect(target.owner) as connection:
        assert connection.execute(stored).fetchall() == [tuple((before | changed).values())[2:]]


def test_a_suspended_agent_is_refused_until_it_is_active_again(
    saveguard: Shell, service: Service
) -> None:
    made = saveguard("agent", "add", "Ana", "--email", "a@b.example", "--json").facts
    asked = []

    for status in ("active", "suspended", "active"):
        saveguard("agent", "set", "--agent", made["agentId"], "--status", status)
        asked.append(status_for(service, made["apiKey"]))

    assert asked == [200, 403, 200]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--quota", "1"], "either --email or --agent"),
        (
            ["--email", "a@b.example", "--agent", str(UUID(int=1)), "--quota", "1"],
            "either --email or --agent",
        ),
        (["--email", "a@b.example"], "--quota, --rate-limit or --status"),
        (["--email", "a@b.example", "--rate-limit", "0"], "--rate-limit"),
        (["--email", "a@b.example", "--rate-limit", "often"], "--rate-limit"),
        (["--email", "a@b.example", "--status", "gone"], "--status"),
    ],
    ids=_command,
)
def test_agent_set_says_what_is_missing_or_wrong(
    saveguard: Shell, agent_id: str, options: list[str], said: str
) -> None:
    ended = saveguard("agent", "set", *options)

    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert agent_id not in ended.err


def test_agent_set_names_who_is_not_there_or_no_agent(saveguard: Shell) -> None:
    saveguard("user", "add", "--email", "u@b.example")
    absent = str(CLOCK.uuid7())

    nobody = saveguard.refused("agent", "set", "--email", "x@b.example", "--quota", "1")
    no_agent = saveguard.refused("agent", "set", "--email", "u@b.example", "--quota", "1")
    no_id = saveguard.refused("agent", "set", "--agent", absent, "--quota", "1")

    assert "there is no account for x@b.example" in nobody
    assert "saveguard agent add NAME --email u@b.example --existing" in no_agent
    assert no_id == f"saveguard: there is no agent {absent}"


# Keys.


def test_another_key_works_beside_the_first_until_that_is_revoked(
    saveguard: Shell, service: Service
) -> None:
    first = saveguard("agent", "add", "Ana", "--email", "a@b.example", "--json").facts["apiKey"]
    made = saveguard("key", "add", "--email", "a@b.example", "--json")
    listed = saveguard("key", "list", "--email", "a@b.example", "--json").facts

    assert (made.code, made.err, set(made.facts)) == (0, "", {"keyId", "apiKey", "expiresAt"})
    second = made.facts["apiKey"]
    assert [status_for(service, key) for key in (first, second)] == [200, 200]
    assert [key["revokedAt"] for key in listed] == [None, None]
    assert listed[1]["keyId"] == made.facts["keyId"]

    revoked = saveguard("key", "revoke", listed[0]["keyId"], "--json")

    assert (revoked.code, revoked.facts) == (0, {"revoked": [listed[0]["keyId"]]})
    assert [status_for(service, key) for key in (first, second)] == [401, 200]


def test_all_keys_of_an_account_are_revoked_at_once_and_no_other(
    saveguard: Shell, target: Target
) -> None:
    for email in ("a@b.example", "c@d.example"):
        saveguard("agent", "add", "Ana", "--email", email)
        saveguard("key", "add", "--email", email)

    ended = saveguard("key", "revoke", "--email", "A@b.example", "--json")

    assert len(ended.facts["revoked"]) == 2
    left = """
        SELECT array_agg(email ORDER BY email)
        FROM api_key k JOIN account a ON a.id = k.account_id WHERE revoked_at IS NULL
    """
    assert value(target.owner, left) == ["c@d.example"] * 2


def test_a_key_is_revoked_once_and_says_since_when(saveguard: Shell, target: Target) -> None:
    saveguard("agent", "add", "Ana", "--email", "a@b.example")
    first = saveguard("key", "revoke", "--email", "a@b.example")
    since = value(target.owner, "SELECT revoked_at FROM api_key")

    again = saveguard("key", "revoke", "--email", "a@b.example")
    as_json = saveguard("key", "revoke", "--email", "a@b.example", "--json")

    (key,) = saveguard("key", "list", "--email", "a@b.example", "--json").facts
    assert first.out == f"{key['keyId']}  revoked\n"
    assert "SAVEGUARD_IDENTITY_LIFETIME" in first.err
    assert (again.code, again.err) == (0, "")
    assert again.out == f"{key['keyId']}  revoked already, {key['revokedAt']}\n"
    assert as_json.facts == {"revoked": []}
    assert value(target.owner, "SELECT revoked_at FROM api_key") == since


def test_keys_are_listed_for_people_without_the_keys_themselves(saveguard: Shell) -> None:
    saveguard("agent", "add", "Ana", "--email", "a@b.example")
    saveguard("key", "revoke", "--email", "a@b.example")
    saveguard("key", "add", "--email", "a@b.example")

    ended = saveguard("key", "list", "--email", "a@b.example")

    revoked, working = ended.out.splitlines()
    assert (ended.code, ended.err) == (0, "")
    assert "revoked" in revoked
    assert "revoked" not in working
    assert "sgk_" not in ended.out


@pytest.mark.parametrize(
    "argv",
    [
        ["key", "revoke"],
        ["key", "revoke", str(UUID(int=1)), "--email", "a@b.example"],
        ["key", "revoke", "no-uuid"],
        ["key", "add"],
        ["key", "add", "--email", "a@b.example", "--scope", "admin"],
        ["key", "add", "--email", "a@b.example", "--expires-in", "0"],
        ["key", "list"],
        ["key", "rotate"],
        ["key", "rotate", str(UUID(int=1)), "--overlap", "-1"],
    ],
    ids=_command,
)
def test_a_key_command_that_is_not_complete_says_how_it_goes(
    saveguard: Shell, argv: list[str]
) -> None:
    ended = saveguard(*argv)

    assert (ended.code, ended.out) == (2, "")
    assert "Error: " in ended.err


def test_a_key_or_account_that_is_not_there_is_named(saveguard: Shell) -> None:
    absent = str(CLOCK.uuid7())

    for command in ("revoke", "rotate"):
        assert f"there is no key {absent}" in saveguard.refused("key", command, absent)
    for command in ("add", "list", "revoke"):
        line = saveguard.refused("key", command, "--email", "x@b.example")
        assert "there is no account for x@b.example" in line


def test_a_key_has_the_name_the_scope_and_the_end_that_it_was_given(saveguard: Shell) -> None:
    saveguard("user", "add", "--email", "a@b.example")
    saveguard(
        "key", "add", "--email", "a@b.example",
        "--name", "nightly import", "--scope", "read", "--expires-in", "30",
    )  # fmt: skip

    first, second = saveguard("key", "list", "--email", "a@b.example", "--json").facts
    lines = saveguard("key", "list", "--email", "a@b.example").out.splitlines()

    assert (first["name"], first["scope"], first["expiresAt"]) == (None, "write", None)
    assert (second["name"], second["scope"]) == ("nightly import", "read")
    made, ends = (datetime.fromisoformat(second[name]) for name in ("createdAt", "expiresAt"))
    assert abs(ends - made - timedelta(days=30)) < timedelta(seconds=1)
    assert "nightly import" in lines[1]
    assert f"expires {second['expiresAt']}" in lines[1]


def test_a_key_is_rotated_into_one_like_it_and_works_on_for_the_overlap(
    saveguard: Shell, service: Service
) -> None:
    saveguard("agent", "add", "Ana", "--email", "a@b.example")
    old = saveguard(
        "key", "add", "--email", "a@b.example", "--name", "import", "--expires-in", "30", "--json"
    ).facts

    new = saveguard("key", "rotate", old["keyId"], "--json").facts
    again = saveguard.refused("key", "rotate", old["keyId"])

    _, was, now = saveguard("key", "list", "--email", "a@b.example", "--json").facts
    assert [status_for(service, each["apiKey"]) for each in (old, new)] == [200, 200]
    assert again == "saveguard: This key was rotated already; nothing was changed."
    assert (was["replacedBy"], was["expiresAt"]) == (new["keyId"], new["oldKeyExpiresAt"])
    assert now["keyId"] == new["keyId"]
    assert (now["name"], now["scope"], now["replacedBy"]) == ("import", "write", None)
    made, ends, old_ends = (
        datetime.fromisoformat(each)
        for each in (now["createdAt"], now["expiresAt"], was["expiresAt"])
    )
    assert abs(ends - made - timedelta(days=30)) < timedelta(seconds=1)
    assert abs(old_ends - made - timedelta(hours=24)) < timedelta(seconds=1)


def test_a_rotated_key_without_an_overlap_ends_at_once(saveguard: Shell, service: Service) -> None:
    first = saveguard("agent", "add", "Ana", "--email", "a@b.example", "--json").facts["apiKey"]
    (key,) = saveguard("key", "list", "--email", "a@b.example", "--json").facts

    new = saveguard("key", "rotate", key["keyId"], "--overlap", "0", "--json").facts

    assert [status_for(service, each) for each in (first, new["apiKey"])] == [401, 200]
    assert new["expiresAt"] is None


def test_what_a_command_changes_is_in_the_audit_trail_and_what_it_leaves_is_not(
    saveguard: Shell, target: Target
) -> None:
    agent = saveguard("agent", "add", "Ana", "--email", "a@b.example", "--json").facts
    agent_id = agent["agentId"]
    (key,) = saveguard("key", "list", "--email", "a@b.example", "--json").facts
    saveguard("agent", "set", "--agent", agent_id, "--quota", "100000")
    saveguard("agent", "set", "--agent", agent_id, "--rate-limit", "60", "--status", "suspended")
    client = saveguard(*client_of(agent_id), "--json").facts
    new = saveguard("key", "rotate", key["keyId"], "--json").facts
    saveguard("key", "revoke", key["keyId"])
    saveguard("key", "revoke", key["keyId"])

    with psycopg.connect(target.owner) as connection:
        rows = connection.execute(
            """
            SELECT action, subject_kind, subject_id, details - 'accountId', outcome, way, actor
            FROM audit_event ORDER BY happened_at, id
            """
        ).fetchall()
        everything = repr(
            connection.execute("SELECT audit_event::text FROM audit_event").fetchall()
        )
    account_id = value(target.owner, "SELECT id FROM account")
    unlimited = {"rate_limit_per_minute": None, "max_active_quotes": 100_000}
    limited = unlimited | {"rate_limit_per_minute": 60}
    assert [row[:4] for row in rows] == [
        ("account added", "account", str(account_id), {}),
        ("key added", "api_key", key["keyId"], {"scope": "write", "expiresAt": None}),
        ("agent added", "agent", agent_id, {"limits": unlimited}),
        ("limit changed", "agent", agent_id, {"old": unlimited, "new": limited}),
        ("agent status changed", "agent", agent_id, {"old": "ACTIVE", "new": "SUSPENDED"}),
        ("client added", "client", client["clientId"], {"agentId": agent_id}),
        (
            "key rotated",
            "api_key",
            key["keyId"],
            {"newKeyId": new["keyId"], "overlapSeconds": 86_400},
        ),
        ("key revoked", "api_key", key["keyId"], {}),
    ]
    assert {row[4:] for row in rows} == {("done", "terminal", machine_user())}
    for secret in (agent["apiKey"], new["apiKey"], "Moreira"):
        assert secret not in everything


@pytest.fixture
def service(target: Target, tmp_path: Path) -> Iterator[Service]:
    """An API on the same database, which looks every key up anew."""
    with served(target, settings_in(tmp_path / "api")) as made:
        yield made


def status_for(service: Service, key: str) -> int:
    """What a caller with this key is answered."""
    headers = {"authorization": f"Bearer {key}"}
    return httpx.get(service.url + QUOTES, headers=headers).status_code


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
