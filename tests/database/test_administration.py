"""What administrators do: who may, what becomes of it, and what the audit trail says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlmodel import Session

from engine.access import administration
from engine.access.administration import Limits
from engine.access.audit import Actor, Way
from engine.access.canaries import Canary, see_to_canaries
from engine.access.keyring import NewKey, add_key, keys_of
from engine.access.keys import Scope
from engine.access.passwords import is_right
from engine.access.roles import Role
from engine.access.tables import Account, ApiKey
from engine.clock import FrozenClock
from engine.database.target import Target
from engine.errors import ErrorCode, Refusal
from engine.runtime import Runtime
from tests.database.people import NOBODY, RIGHT, account, acting, stored, trail, transaction
from tests.support import new_agency

NEW = "another horse entirely"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(datetime(2026, 11, 26, 12, tzinfo=UTC))


@pytest.fixture
def admin(target: Target, clock: FrozenClock) -> Account:
    return account(target, clock, Role.ADMIN)


@pytest.fixture
def someone(target: Target, clock: FrozenClock) -> Account:
    return account(target, clock, Role.VIEWER)


class Office:
    """Everything that may be asked for, each on the same somebody."""

    def __init__(self, target: Target, clock: FrozenClock, someone: Account) -> None:
        self.target, self.clock, self.someone = target, clock, someone

    def ask(self, actor: Actor, what: str) -> Any:
        with transaction(self.target) as session:
            return self.asks(session, actor)[what]()

    def asks(self, session: Session, actor: Actor) -> dict[str, Callable[[], Any]]:
        clock, who, office = self.clock, self.someone.id, administration
        return {
            "add account": lambda: office.add_account(
                session, clock, actor, email="new@people.example", role=Role.LEAD
            ),
            "set role": lambda: office.set_role(session, clock, actor, who, Role.LEAD),
            "disable": lambda: office.set_disabled(session, clock, actor, who, is_disabled=True),
            "enable": lambda: office.set_disabled(session, clock, actor, who, is_disabled=False),
            "end sign-ins": lambda: office.end_all_sign_ins(session, clock, actor, who),
            "set password": lambda: office.set_password(session, clock, actor, who, NEW),
            "set limits": lambda: office.set_limits(session, clock, actor, who, Limits(60, 7)),
            "add key": lambda: office.issue_key(
                session, clock, actor, who, name="n", scope=Scope.READ, expires_at=None
            ),
            "rotate key": lambda: office.rotate_key(
                session, clock, actor, self.key_id(session), timedelta(hours=1)
            ),
            "revoke key": lambda: office.revoke_key(session, clock, actor, self.key_id(session)),
        }

    def key_id(self, session: Session) -> UUID:
        return next((key.id for key in keys_of(session, self.someone.id)), self.someone.id)


ASKS = [
    "add account", "set role", "disable", "enable", "end sign-ins", "set password", "set limits",
    "add key", "rotate key", "revoke key",
]  # fmt: skip
OWN = {"end sign-ins", "set password", "rotate key", "revoke key"}


@pytest.fixture
def office(target: Target, clock: FrozenClock, someone: Account) -> Office:
    return Office(target, clock, someone)


def code_of(result: object) -> ErrorCode:
    assert isinstance(result, Refusal)
    return result.code


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("who", ["nobody", "no role", "viewer", "on-call", "lead", "disabled"])
def test_nobody_but_an_administrator_may(
    office: Office, clock: FrozenClock, ask: str, who: str
) -> None:
    if who == "nobody":
        actor = NOBODY
    else:
        role = {"no role": None, "disabled": Role.ADMIN}.get(who) or (
            None if who == "no role" else Role(who)
        )
        asking = account(office.target, clock, role)
        actor = acting(asking)
        if who == "disabled":
            with psycopg.connect(office.target.app) as connection:
                connection.execute(
                    "UPDATE account SET disabled_at = now() WHERE id = %s", [asking.id]
                )
    before = stored(office.target, office.someone.id)

    refused = office.ask(actor, ask)

    assert code_of(refused) == "AUTHORIZATION_FAILED"
    assert stored(office.target, office.someone.id) == before
    (event,) = trail(office.target)
    assert (event["outcome"], event["error_code"]) == ("refused", "AUTHORIZATION_FAILED")
    assert (event["account_id"], event["correlation_id"]) == (
        actor.account_id, actor.correlation_id,
    )  # fmt: skip


@pytest.mark.parametrize("ask", ASKS)
def test_everybody_sees_to_their_own_password_sign_ins_and_keys_and_nothing_else(
    office: Office, admin: Account, ask: str
) -> None:
    office.ask(acting(admin), "add key")

    result = office.ask(acting(office.someone), ask)

    if ask in OWN:
        assert not isinstance(result, Refusal)
    else:
        assert code_of(result) == "AUTHORIZATION_FAILED"


def test_a_role_that_was_taken_away_a_moment_ago_opens_nothing(
    office: Office, admin: Account
) -> None:
    with psycopg.connect(office.target.app) as connection:
        connection.execute("UPDATE account SET role = 'lead' WHERE id = %s", [admin.id])

    assert code_of(office.ask(acting(admin), "set role")) == "AUTHORIZATION_FAILED"


def test_a_role_being_taken_away_is_waited_for(office: Office, admin: Account) -> None:
    """The change is under way when the administrator asks, and commits before they are answered."""
    results: list[Any] = []
    with psycopg.connect(office.target.app) as connection:
        connection.execute("UPDATE account SET role = NULL WHERE id = %s", [admin.id])
        asking = threading.Thread(
            target=lambda: results.append(office.ask(acting(admin), "set role"))
        )
        asking.start()
        with psycopg.connect(office.target.app, autocommit=True) as other:
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype <> 'advisory'"
            while asking.is_alive() and other.execute(waiting).fetchone() == (0,):
                pass
    asking.join()

    assert code_of(results[0]) == "AUTHORIZATION_FAILED"


def test_a_role_is_changed_and_the_trail_has_the_old_and_the_new(
    office: Office, admin: Account
) -> None:
    assert office.ask(acting(admin), "set role") is None

    assert stored(office.target, office.someone.id)["role"] == "lead"
    (event,) = trail(office.target)
    assert event["details"] == {"old": "viewer", "new": "lead"}
    assert (event["subject_kind"], event["subject_id"]) == ("account", str(office.someone.id))
    assert event["address"] == "192.0.2.7"


def test_the_last_administrator_stays_one(office: Office, admin: Account) -> None:
    office.someone = admin

    assert code_of(office.ask(acting(admin), "set role")) == "AUTHORIZATION_FAILED"
    assert code_of(office.ask(acting(admin), "disable")) == "AUTHORIZATION_FAILED"
    assert stored(office.target, admin.id)["role"] == "admin"


def test_an_administrator_who_cannot_sign_in_is_not_counted(
    office: Office, clock: FrozenClock
) -> None:
    admin = account(office.target, clock, Role.ADMIN, has_password=True)
    account(office.target, clock, Role.ADMIN)
    office.someone = admin

    assert code_of(office.ask(acting(admin), "set role")) == "AUTHORIZATION_FAILED"


def test_two_who_take_each_others_role_away_do_not_both_succeed(
    target: Target, clock: FrozenClock
) -> None:
    two = [account(target, clock, Role.ADMIN, has_password=True) for _ in range(2)]
    start = threading.Barrier(2)

    def take(own: Account, others: Account) -> None:
        start.wait()
        with transaction(target) as session:
            administration.set_role(session, clock, acting(own), others.id, None)

    takers = [threading.Thread(target=take, args=pair) for pair in (two, two[::-1])]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()

    assert sorted(str(stored(target, each.id)["role"]) for each in two) == ["None", "admin"]
    assert sorted(each["outcome"] for each in trail(target)) == ["done", "refused"]


def test_at_the_terminal_no_role_is_asked_for(office: Office) -> None:
    actor = Actor(None, "root", Way.TERMINAL, None, "REQ-TEST-TERMINAL")

    assert office.ask(actor, "set role") is None
    (event,) = trail(office.target)
    assert (event["actor"], event["way"], event["account_id"]) == ("root", "terminal", None)


def test_an_account_is_made_once(office: Office, admin: Account) -> None:
    made = office.ask(acting(admin), "add account")
    again = office.ask(acting(admin), "add account")

    assert isinstance(made, UUID)
    assert stored(office.target, made)["role"] == "lead"
    assert code_of(again) == "QUOTE_VALIDATION_FAILED"


def test_disabling_ends_sign_ins_and_enabling_brings_none_back(
    office: Office, admin: Account, clock: FrozenClock
) -> None:
    with psycopg.connect(office.target.app) as connection:
        connection.execute(
            "INSERT INTO sign_in VALUES (sha256('t'), %s, 'oidc', %s, %s, NULL, NULL)",
            [office.someone.id, clock.now(), clock.now() + timedelta(hours=1)],
        )

    office.ask(acting(admin), "disable")
    office.ask(acting(admin), "enable")

    with psycopg.connect(office.target.app) as connection:
        (live,) = connection.execute(
            "SELECT count(*) FROM sign_in WHERE ended_at IS NULL"
        ).fetchone() or (None,)
    assert live == 0
    assert [each["details"] for each in trail(office.target)] == [{"signInsEnded": 1}, {}]


def test_a_password_is_set_and_ends_what_was_signed_in(office: Office, admin: Account) -> None:
    assert office.ask(acting(admin), "set password") is None

    with psycopg.connect(office.target.app) as connection:
        (kept,) = connection.execute("SELECT password_hash FROM account_password").fetchone() or (
            "",
        )
    assert is_right(NEW, kept)
    assert not is_right(RIGHT, kept)
    assert stored(office.target, office.someone.id)["signed_out_at"] == office.clock.now()
    assert NEW not in str(trail(office.target))


def test_an_unfit_password_is_refused_with_the_reason(office: Office, admin: Account) -> None:
    with transaction(office.target) as session:
        refused = administration.set_password(
            session, office.clock, acting(admin), office.someone.id, "short"
        )

    assert code_of(refused) == "QUOTE_VALIDATION_FAILED"
    (event,) = trail(office.target)
    assert event["error_code"] == "QUOTE_VALIDATION_FAILED"


def test_limits_are_set_and_the_trail_has_the_old_and_the_new(
    office: Office, admin: Account, runtime: Runtime
) -> None:
    agency = new_agency(runtime)

    with transaction(office.target) as session:
        done = administration.set_limits(
            session, office.clock, acting(admin), agency.agent_id, Limits(60, 7)
        )

    assert done is None
    (event,) = trail(office.target)
    assert event["details"] == {
        "old": {"rate_limit_per_minute": None, "max_active_quotes": 100_000},
        "new": {"rate_limit_per_minute": 60, "max_active_quotes": 7},
    }


@pytest.mark.parametrize("limits", [Limits(0, 1), Limits(2**31, 1), Limits(1, -1)])
def test_a_limit_that_is_no_number_of_requests_is_refused(
    office: Office, admin: Account, runtime: Runtime, limits: Limits
) -> None:
    agency = new_agency(runtime)

    with transaction(office.target) as session:
        refused = administration.set_limits(
            session, office.clock, acting(admin), agency.agent_id, limits
        )

    assert code_of(refused) == "QUOTE_VALIDATION_FAILED"


@pytest.mark.parametrize("ask", ["set role", "disable", "end sign-ins", "set password", "add key"])
def test_what_is_not_there_is_not_changed(
    office: Office, admin: Account, clock: FrozenClock, ask: str
) -> None:
    office.someone = Account(id=clock.uuid7(), email="x", created_at=clock.now())

    assert code_of(office.ask(acting(admin), ask)) == "QUOTE_VALIDATION_FAILED"
    assert trail(office.target)[-1]["outcome"] == "refused"


def test_a_key_is_made_rotated_and_revoked_and_none_of_it_is_in_the_trail(
    office: Office, admin: Account
) -> None:
    made = office.ask(acting(admin), "add key")
    rotated = office.ask(acting(admin), "rotate key")
    office.ask(acting(admin), "revoke key")

    assert isinstance(made, NewKey)
    assert isinstance(rotated, NewKey)
    events = trail(office.target)
    assert [each["action"] for each in events] == ["key added", "key rotated", "key revoked"]
    assert events[1]["details"] == {"newKeyId": str(rotated.key_id), "overlapSeconds": 3600}
    assert "sgk_" not in str(events)
    again = office.ask(acting(admin), "rotate key")
    assert code_of(again) == "QUOTE_VALIDATION_FAILED"


@pytest.mark.parametrize("who", ["its owner", "an administrator", "at the terminal"])
def test_a_key_lasts_no_longer_for_having_been_rotated_by_its_owner(
    office: Office, clock: FrozenClock, admin: Account, who: str
) -> None:
    ends_at = clock.now() + timedelta(days=30)
    with transaction(office.target) as session:
        key = add_key(session, clock, office.someone.id, expires_at=ends_at)
    actor = acting(admin if who == "an administrator" else office.someone)
    if who == "at the terminal":
        actor = Actor(None, "ops", Way.TERMINAL, None, "REQ-TEST-OPS")

    for _ in range(2):
        clock.advance(timedelta(days=10))
        with transaction(office.target) as session:
            made = administration.rotate_key(session, clock, actor, key.key_id, timedelta(hours=1))
        assert isinstance(made, NewKey)
        key = made

    with transaction(office.target) as session:
        stored_end = session.get_one(ApiKey, key.key_id).expires_at
    assert stored_end == key.expires_at
    assert (stored_end == ends_at) is (who == "its owner")


def test_a_key_without_an_end_has_none_after_its_owner_rotated_it(
    office: Office, clock: FrozenClock
) -> None:
    with transaction(office.target) as session:
        key = add_key(session, clock, office.someone.id)
    with transaction(office.target) as session:
        made = administration.rotate_key(
            session, clock, acting(office.someone), key.key_id, timedelta(hours=1)
        )

    assert isinstance(made, NewKey)
    assert made.expires_at is None


def test_the_trail_is_append_only_for_everybody(office: Office, admin: Account) -> None:
    office.ask(acting(admin), "set role")

    for conninfo in (office.target.app, office.target.owner):
        for change in ("UPDATE audit_event SET actor = 'x'", "DELETE FROM audit_event",
                       "TRUNCATE audit_event"):  # fmt: skip
            with (
                psycopg.connect(conninfo) as connection,
                pytest.raises(psycopg.errors.InsufficientPrivilege),
            ):
                connection.execute(change.encode())


@pytest.mark.parametrize("act", ["role", "disable", "password", "key", "rotate"])
def test_a_canarys_account_is_nobodys_to_change(
    target: Target, clock: FrozenClock, admin: Account, act: str
) -> None:
    see_to_canaries(target, clock, Canary.AGENT)
    with transaction(target) as session:
        key_id = add_key(session, clock, Canary.AGENT.id, name=None).key_id
    acts: dict[str, Callable[[Session, Actor], Any]] = {
        "role": lambda session, actor: administration.set_role(
            session, clock, actor, Canary.AGENT.id, Role.ADMIN
        ),
        "disable": lambda session, actor: administration.set_disabled(
            session, clock, actor, Canary.AGENT.id, is_disabled=True
        ),
        "password": lambda session, actor: administration.set_password(
            session, clock, actor, Canary.AGENT.id, RIGHT
        ),
        "key": lambda session, actor: administration.issue_key(
            session, clock, actor, Canary.AGENT.id, name=None, scope=Scope.READ, expires_at=None
        ),
        "rotate": lambda session, actor: administration.rotate_key(
            session, clock, actor, key_id, timedelta(0)
        ),
    }

    with transaction(target) as session:
        refusal = acts[act](session, acting(admin))

    assert code_of(refusal) is ErrorCode.AUTHORIZATION_FAILED
    assert "canary" in refusal.message
    assert stored(target, Canary.AGENT.id)["role"] is None
    assert stored(target, Canary.AGENT.id)["disabled_at"] is None
    assert trail(target)[-1]["outcome"] == "refused"
