"""Signing in with a password or by a provider, being signed in, and signing out everywhere."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from engine.access import passwords, signing_in
from engine.access.administration import set_password
from engine.access.audit import Actor
from engine.access.passwords import hash_password
from engine.access.roles import Role
from engine.access.sign_ins import SignedIn, SignIns, forget_old
from engine.access.signing_in import (
    NewSignIn,
    OutsideIdentity,
    hash_token,
    local_account,
    sign_in_with_identity,
    sign_in_with_password,
    sign_out,
)
from engine.access.tables import Account
from engine.clock import FrozenClock
from engine.database.pool import Pool, Unreachable
from engine.database.target import Target
from engine.errors import ErrorCode, Refusal
from engine.runtime import Runtime
from engine.settings import Settings
from tests.database.people import NOBODY, RIGHT, account, acting, stored, trail, transaction
from tests.support import new_agency

ELSEWHERE = replace(NOBODY, address="198.51.100.2")


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(datetime(2026, 11, 26, 12, tzinfo=UTC))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, bad_passwords=3)


class Door:
    """Where people sign in."""

    def __init__(self, target: Target, settings: Settings, clock: FrozenClock) -> None:
        self.target, self.settings, self.clock = target, settings, clock

    def try_password(
        self, email: str, password: str = RIGHT, actor: Actor = NOBODY
    ) -> NewSignIn | Refusal:
        with transaction(self.target) as session:
            return sign_in_with_password(
                session, self.clock, self.settings, actor, email=email, password=password
            )

    def enter(self, email: str, actor: Actor = NOBODY) -> NewSignIn:
        let_in = self.try_password(email, actor=actor)
        assert isinstance(let_in, NewSignIn)
        return let_in

    def try_identity(self, known: OutsideIdentity) -> NewSignIn | Refusal:
        with transaction(self.target) as session:
            return sign_in_with_identity(session, self.clock, self.settings, NOBODY, known)

    def known(self, **changes: object) -> OutsideIdentity:
        known = OutsideIdentity(
            issuer="https://id.example",
            subject="7",
            email="rui@people.example",
            is_email_verified=True,
            name="Rui",
            role=Role.LEAD,
            has_roles=True,
            token_hash=hash_token("one"),
            issued_at=self.clock.now(),
        )
        return replace(known, **changes)  # type: ignore[arg-type]


@pytest.fixture
def door(target: Target, settings: Settings, clock: FrozenClock) -> Door:
    return Door(target, settings, clock)


@pytest.fixture
def pool(target: Target, settings: Settings, clock: FrozenClock) -> Iterator[Pool]:
    opened = Pool(target, settings, clock, size=2)
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def sign_ins(pool: Pool, settings: Settings, clock: FrozenClock) -> SignIns:
    return SignIns(pool, settings, clock)


@pytest.fixture
def lead(target: Target, clock: FrozenClock) -> Account:
    return account(target, clock, Role.LEAD, email="Lia@people.example", has_password=True)


def code_of(result: object) -> ErrorCode:
    assert isinstance(result, Refusal)
    return result.code


# With a password.


@pytest.mark.parametrize("email", ["Lia@people.example", "lia@PEOPLE.example"])
def test_the_right_password_lets_in_whoever_has_a_role(
    door: Door, lead: Account, sign_ins: SignIns, email: str
) -> None:
    let_in = door.enter(email)

    found = sign_ins.find(hash_token(let_in.token))
    assert found is not None
    assert (found.account_id, found.role, found.method) == (lead.id, Role.LEAD, "password")
    assert found.agent_id is None
    assert let_in.expires_at == door.clock.now() + timedelta(hours=12)
    (event,) = trail(door.target)
    assert (event["action"], event["outcome"], event["account_id"]) == (
        "signed in", "done", lead.id,
    )  # fmt: skip
    assert (event["address"], event["correlation_id"]) == ("192.0.2.1", "REQ-TEST-NOBODY")


def test_what_a_browser_holds_is_stored_nowhere(door: Door, lead: Account) -> None:
    token = door.enter(lead.email).token

    with psycopg.connect(door.target.app) as connection:
        rows = connection.execute("SELECT s::text FROM sign_in s").fetchall()
        events = connection.execute("SELECT e::text FROM audit_event e").fetchall()
    assert len(token) == 43
    assert token not in str([rows, events])


@pytest.mark.parametrize(
    "kind", ["wrong", "unknown", "no password", "disabled", "no role and no agent"]
)
def test_whatever_is_wrong_the_answer_is_the_same_and_is_written_down(
    door: Door, clock: FrozenClock, lead: Account, kind: str
) -> None:
    email, typed = lead.email, RIGHT
    if kind == "wrong":
        typed = "wrong horse battery"
    if kind == "unknown":
        email = "nobody@people.example"
    if kind == "no password":
        email = account(door.target, clock, Role.LEAD).email
    if kind == "no role and no agent":
        email = account(door.target, clock, has_password=True).email
    if kind == "disabled":
        with psycopg.connect(door.target.app) as connection:
            connection.execute("UPDATE account SET disabled_at = now()")

    refused = door.try_password(email, typed)

    assert refused == Refusal(
        ErrorCode.AUTHENTICATION_FAILED, "E-mail address or password is not right."
    )
    (event,) = trail(door.target)
    assert (event["action"], event["error_code"]) == ("signed in", "AUTHENTICATION_FAILED")
    # What was typed where a name goes may be a password.
    assert "nobody@people.example" not in str(event)


def test_an_agent_without_a_role_signs_in_and_is_known_as_that_agent(
    door: Door, runtime: Runtime, clock: FrozenClock, sign_ins: SignIns
) -> None:
    agency = new_agency(runtime)
    someone = account(door.target, clock, Role.LEAD, has_password=True)
    with psycopg.connect(door.target.app) as connection:
        (email,) = connection.execute(
            "SELECT email FROM account WHERE id = %s", [agency.account_id]
        ).fetchone() or ("",)
        connection.execute(
            "INSERT INTO account_password SELECT %s, password_hash, now() FROM account_password"
            " WHERE account_id = %s",
            [agency.account_id, someone.id],
        )

    found = sign_ins.find(hash_token(door.enter(email).token))

    assert found is not None
    assert (found.role, found.agent_id) == (None, agency.agent_id)


def test_after_some_wrong_passwords_one_has_to_wait_the_right_one_too(
    door: Door, lead: Account
) -> None:
    for _ in range(3):
        assert code_of(door.try_password(lead.email, "wrong")) == "AUTHENTICATION_FAILED"

    refused = door.try_password(lead.email)

    assert code_of(refused) == "RATE_LIMIT_EXCEEDED"
    assert isinstance(refused, Refusal)
    assert refused.details == {"retryAfterSeconds": 900}
    assert [each["error_code"] for each in trail(door.target)] == [
        *["AUTHENTICATION_FAILED"] * 3, "RATE_LIMIT_EXCEEDED",
    ]  # fmt: skip


def test_the_rightful_owner_comes_in_from_elsewhere_meanwhile(door: Door, lead: Account) -> None:
    for _ in range(5):
        door.try_password(lead.email, "wrong")

    assert isinstance(door.try_password(lead.email, actor=ELSEWHERE), NewSignIn)
    assert code_of(door.try_password(lead.email)) == "RATE_LIMIT_EXCEEDED"


def test_a_network_of_many_addresses_counts_as_one(door: Door, lead: Account) -> None:
    for number in range(3):
        door.try_password(lead.email, "wrong", replace(NOBODY, address=f"2001:db8::{number}"))

    near = door.try_password(lead.email, actor=replace(NOBODY, address="2001:db8::ffff"))
    far = door.try_password(lead.email, actor=replace(NOBODY, address="2001:db8:0:1::1"))

    assert code_of(near) == "RATE_LIMIT_EXCEEDED"
    assert isinstance(far, NewSignIn)


def test_who_waits_as_told_may_try_again(door: Door, lead: Account) -> None:
    for _ in range(3):
        door.try_password(lead.email, "wrong")
        door.clock.advance(timedelta(minutes=1))
    refused = door.try_password(lead.email)
    assert isinstance(refused, Refusal)
    assert refused.details == {"retryAfterSeconds": 12 * 60}

    door.clock.advance(timedelta(minutes=12))

    assert isinstance(door.try_password(lead.email), NewSignIn)


def test_waiting_is_not_made_longer_by_trying(door: Door, lead: Account) -> None:
    for _ in range(3):
        door.try_password(lead.email, "wrong")
    for _ in range(10):
        door.clock.advance(timedelta(minutes=1))
        door.try_password(lead.email, "wrong")

    door.clock.advance(timedelta(minutes=5))

    assert isinstance(door.try_password(lead.email), NewSignIn)


def test_getting_in_starts_the_count_anew(door: Door, lead: Account) -> None:
    for _ in range(2):
        for _ in range(2):
            door.try_password(lead.email, "wrong")
            door.clock.advance(timedelta(seconds=1))
        door.enter(lead.email)
        door.clock.advance(timedelta(seconds=1))

    assert code_of(door.try_password(lead.email, "wrong")) == "AUTHENTICATION_FAILED"


def test_a_password_that_was_reset_meanwhile_lets_nobody_in(
    door: Door, lead: Account, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one is being looked at while an administrator sets another."""
    admin = account(door.target, clock, Role.ADMIN)
    look = passwords.is_right

    def reset_meanwhile(password: str, stored: str | None) -> bool:
        found = look(password, stored)
        with transaction(door.target) as session:
            set_password(session, clock, acting(admin), lead.id, "another horse entirely")
        return found

    monkeypatch.setattr(signing_in, "is_right", reset_meanwhile)
    monkeypatch.setattr(signing_in, "is_outdated", lambda _stored: True)

    refused = door.try_password(lead.email)

    assert code_of(refused) == "AUTHENTICATION_FAILED"
    monkeypatch.undo()
    assert isinstance(door.try_password(lead.email, "another horse entirely"), NewSignIn)


def test_a_suspended_agent_without_a_role_is_not_let_in(door: Door, runtime: Runtime) -> None:
    agency = new_agency(runtime)
    with psycopg.connect(door.target.app) as connection:
        (email,) = connection.execute(
            "UPDATE account SET email = 'ana@agency.example' WHERE id = %s RETURNING email",
            [agency.account_id],
        ).fetchone() or ("",)
        connection.execute("UPDATE agent SET status = 'SUSPENDED'")
        connection.execute(
            "INSERT INTO account_password VALUES (%s, %s, now())",
            [agency.account_id, hash_password(RIGHT)],
        )

    assert code_of(door.try_password(email)) == "AUTHENTICATION_FAILED"


def test_an_unknown_name_has_to_wait_like_a_known_one(door: Door) -> None:
    for _ in range(3):
        assert code_of(door.try_password("x@people.example")) == "AUTHENTICATION_FAILED"

    assert code_of(door.try_password("X@people.example ")) == "RATE_LIMIT_EXCEEDED"


# By a provider.


def test_a_provider_lets_in_somebody_new_with_the_role_of_the_claim(
    door: Door, sign_ins: SignIns
) -> None:
    let_in = door.try_identity(door.known())

    assert isinstance(let_in, NewSignIn)
    found = sign_ins.find(hash_token("one"))
    assert found is not None
    assert (found.email, found.name, found.role) == ("rui@people.example", "Rui", Role.LEAD)
    assert [each["action"] for each in trail(door.target)] == [
        "account added", "role changed", "signed in",
    ]  # fmt: skip


def test_the_same_login_seen_again_is_once(door: Door) -> None:
    door.try_identity(door.known())
    before = trail(door.target)

    door.try_identity(door.known())

    assert trail(door.target) == before


def test_a_role_that_the_claim_no_longer_has_is_taken_away(door: Door) -> None:
    first = door.try_identity(door.known())
    assert isinstance(first, NewSignIn)

    second = door.try_identity(door.known(role=None, token_hash=hash_token("two")))

    assert code_of(second) == "AUTHORIZATION_FAILED"
    assert stored(door.target, first.account_id)["role"] is None


def test_roles_of_the_table_are_left_alone_where_the_claim_has_none_to_say(
    door: Door, lead: Account
) -> None:
    known = door.known(email=lead.email, role=None, has_roles=False)

    let_in = door.try_identity(known)

    assert isinstance(let_in, NewSignIn)
    assert let_in.account_id == lead.id
    assert stored(door.target, lead.id)["role"] == "lead"


def test_an_address_that_the_provider_does_not_vouch_for_opens_no_account(
    door: Door, lead: Account
) -> None:
    refused = door.try_identity(door.known(email=lead.email, is_email_verified=False))

    assert code_of(refused) == "AUTHORIZATION_FAILED"
    assert stored(door.target, lead.id)["subject"] is None


def test_the_machines_own_account_is_opened_by_no_provider(door: Door, clock: FrozenClock) -> None:
    with transaction(door.target) as session:
        local_account(session, clock, "ops")

    refused = door.try_identity(door.known(email="ops@localhost"))

    assert code_of(refused) == "AUTHORIZATION_FAILED"


def test_an_account_of_one_subject_is_not_opened_by_another(door: Door) -> None:
    door.try_identity(door.known())

    refused = door.try_identity(door.known(subject="8", token_hash=hash_token("two")))

    assert code_of(refused) == "AUTHORIZATION_FAILED"


def test_the_same_subject_is_the_same_account_under_another_address(door: Door) -> None:
    first = door.try_identity(door.known())
    second = door.try_identity(door.known(email="new@people.example", token_hash=hash_token("two")))

    assert isinstance(first, NewSignIn)
    assert isinstance(second, NewSignIn)
    assert first.account_id == second.account_id


def test_a_disabled_account_is_not_let_in(door: Door) -> None:
    door.try_identity(door.known())
    with psycopg.connect(door.target.app) as connection:
        connection.execute("UPDATE account SET disabled_at = now()")

    refused = door.try_identity(door.known(token_hash=hash_token("two")))

    assert code_of(refused) == "AUTHORIZATION_FAILED"
    assert trail(door.target)[-1]["error_code"] == "AUTHORIZATION_FAILED"


def test_a_login_is_not_older_than_a_sign_in_may_be(door: Door) -> None:
    issued_at = door.clock.now()
    door.clock.advance(timedelta(hours=12))

    assert code_of(door.try_identity(door.known(issued_at=issued_at))) == "AUTHENTICATION_FAILED"


def test_a_login_from_before_a_sign_out_is_let_in_no_more(door: Door) -> None:
    first = door.try_identity(door.known())
    assert isinstance(first, NewSignIn)
    issued_at = door.clock.now()
    door.clock.advance(timedelta(minutes=1))
    with transaction(door.target) as session:
        who = session.get_one(Account, first.account_id)
        sign_out(session, door.clock, acting(who))

    unseen = door.try_identity(door.known(token_hash=hash_token("two"), issued_at=issued_at))
    seen = door.try_identity(door.known())
    later = door.try_identity(door.known(token_hash=hash_token("three")))

    assert code_of(unseen) == "AUTHENTICATION_FAILED"
    assert code_of(seen) == "AUTHENTICATION_FAILED"
    assert isinstance(later, NewSignIn)


# Being signed in.


def test_signing_out_ends_every_sign_in_of_the_account_and_nobody_elses(
    door: Door, lead: Account, clock: FrozenClock, sign_ins: SignIns
) -> None:
    other = account(door.target, clock, Role.VIEWER, has_password=True)
    own = [hash_token(door.enter(lead.email).token) for _ in range(2)]
    others = hash_token(door.enter(other.email).token)
    assert all(sign_ins.find(each) for each in [*own, others])

    with transaction(door.target) as session:
        assert sign_out(session, clock, acting(lead)) == 2
    while_trusted = sign_ins.find(own[0])
    clock.advance(timedelta(seconds=2))

    assert while_trusted is not None
    assert [sign_ins.find(each) for each in own] == [None, None]
    assert sign_ins.find(others) is not None
    assert trail(door.target)[-1]["details"] == {"signInsEnded": 2}


def test_a_role_that_was_changed_holds_within_seconds(
    door: Door, lead: Account, clock: FrozenClock, sign_ins: SignIns
) -> None:
    held = hash_token(door.enter(lead.email).token)
    assert sign_ins.find(held) is not None
    with psycopg.connect(door.target.app) as connection:
        connection.execute("UPDATE account SET role = 'viewer' WHERE id = %s", [lead.id])

    clock.advance(timedelta(seconds=2))

    found = sign_ins.find(held)
    assert found is not None
    assert found.role is Role.VIEWER


def test_a_sign_in_ends_by_itself_to_the_second(
    door: Door, lead: Account, clock: FrozenClock, sign_ins: SignIns
) -> None:
    held = hash_token(door.enter(lead.email).token)
    clock.advance(timedelta(hours=12) - timedelta(seconds=1))
    assert sign_ins.find(held) is not None

    clock.advance(timedelta(seconds=1))

    assert sign_ins.find(held) is None


def test_a_hundred_viewers_are_asked_for_in_one_statement(
    door: Door,
    lead: Account,
    clock: FrozenClock,
    sign_ins: SignIns,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = [hash_token(door.enter(lead.email).token) for _ in range(3)]
    for each in held:
        sign_ins.find(each)
    asked: list[int] = []
    read = sign_ins._read

    def counted(hashes: Iterable[bytes], deadline: float) -> dict[bytes, SignedIn]:
        asked.append(len([*hashes]))
        return read(hashes, deadline)

    monkeypatch.setattr(sign_ins, "_read", counted)

    clock.advance(timedelta(seconds=2))
    for _ in range(10):
        assert all(sign_ins.find(each) is not None for each in held)

    assert asked == [3]


def test_while_the_database_is_away_the_last_known_serve_on_and_nobody_new(
    door: Door,
    lead: Account,
    clock: FrozenClock,
    sign_ins: SignIns,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = hash_token(door.enter(lead.email).token)
    assert sign_ins.find(held) is not None

    def away(*_: object) -> None:
        raise Unreachable

    monkeypatch.setattr(sign_ins, "_read", away)
    clock.advance(timedelta(minutes=5))

    assert sign_ins.find(held) is not None
    with pytest.raises(Unreachable):
        sign_ins.find(hash_token("somebody else"))


@pytest.mark.parametrize("error", [Unreachable, PoolTimeout, psycopg.OperationalError])
def test_nobody_is_called_signed_out_without_having_been_asked_for(
    door: Door,
    lead: Account,
    sign_ins: SignIns,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
) -> None:
    first, second = (hash_token(door.enter(lead.email).token) for _ in range(2))
    assert sign_ins.find(first) is not None

    def failing(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(sign_ins, "_read", failing)
        for _ in range(3):
            with pytest.raises(error):
                sign_ins.find(second)
        assert sign_ins.find(first) is not None

    assert sign_ins.find(second) is not None


class Held:
    """A read that takes until it is let go."""

    def __init__(self, sign_ins: SignIns, patch: pytest.MonkeyPatch) -> None:
        self.began, self.go = threading.Event(), threading.Event()
        self.error: Exception | None = None
        self.count = 0
        self._read = sign_ins._read
        patch.setattr(sign_ins, "_read", self.read)

    def read(self, hashes: Iterable[bytes], deadline: float) -> dict[bytes, SignedIn]:
        self.count += 1
        found = self._read(hashes, deadline)
        self.began.set()
        assert self.go.wait(30)
        if self.error is not None:
            raise self.error
        return found


def test_a_viewer_whose_answer_is_fresh_waits_for_nobody_elses(
    door: Door, lead: Account, sign_ins: SignIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (hash_token(door.enter(lead.email).token) for _ in range(2))
    assert sign_ins.find(first) is not None
    held = Held(sign_ins, monkeypatch)

    with ThreadPoolExecutor(2) as threads:
        asking = threads.submit(sign_ins.find, second)
        assert held.began.wait(30)
        try:
            served = threads.submit(sign_ins.find, first).result(30)
        finally:
            held.go.set()
        assert asking.result(30) is not None

    assert served is not None


def test_an_answer_of_before_a_change_of_our_own_is_not_trusted(
    door: Door,
    lead: Account,
    clock: FrozenClock,
    sign_ins: SignIns,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token_hash = hash_token(door.enter(lead.email).token)
    held = Held(sign_ins, monkeypatch)

    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(sign_ins.find, token_hash)
        assert held.began.wait(30)
        with transaction(door.target) as session:
            sign_out(session, clock, acting(lead))
        sign_ins.forget()
        held.go.set()
        assert asking.result(30) is not None  # that was so when it was asked

    assert sign_ins.find(token_hash) is None


def test_who_waits_while_it_fails_does_not_wait_for_the_same_again(
    door: Door, lead: Account, sign_ins: SignIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (hash_token(door.enter(lead.email).token) for _ in range(2))
    held = Held(sign_ins, monkeypatch)
    held.error = Unreachable()
    came = threading.Event()
    is_fresh = sign_ins._is_fresh

    def noticed(token_hash: bytes, now: float) -> bool:
        if token_hash == second:
            came.set()
        return is_fresh(token_hash, now)

    monkeypatch.setattr(sign_ins, "_is_fresh", noticed)

    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(sign_ins.find, first)]
        assert held.began.wait(30)
        asked.append(threads.submit(sign_ins.find, second))
        assert came.wait(30)
        held.go.set()
        for each in asked:
            with pytest.raises(Unreachable):
                each.result(30)

    assert held.count == 1


def test_what_this_process_changed_itself_is_asked_for_at_once(
    door: Door, lead: Account, clock: FrozenClock, sign_ins: SignIns
) -> None:
    held = hash_token(door.enter(lead.email).token)
    assert sign_ins.find(held) is not None
    with transaction(door.target) as session:
        sign_out(session, clock, acting(lead))

    sign_ins.forget()

    assert sign_ins.find(held) is None


def test_rows_are_kept_for_a_month_after_they_ended(
    door: Door, lead: Account, clock: FrozenClock, pool: Pool
) -> None:
    door.enter(lead.email)
    ended = clock.now() + timedelta(hours=12)

    with pool.connection() as connection:
        assert forget_old(connection, ended + timedelta(days=30)) == 0
        assert forget_old(connection, ended + timedelta(days=30, seconds=1)) == 1


def test_the_machines_own_user_is_an_administrator_once_made_and_left_as_it_is(
    door: Door, clock: FrozenClock
) -> None:
    with transaction(door.target) as session:
        first = local_account(session, clock, "ops").id
    assert stored(door.target, first)["role"] == "admin"
    with psycopg.connect(door.target.app) as connection:
        connection.execute("UPDATE account SET role = 'viewer'")

    with transaction(door.target) as session:
        assert local_account(session, clock, "ops").id == first
    assert stored(door.target, first)["role"] == "viewer"
