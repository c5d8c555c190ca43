"""Every kind of key with every call: what is answered, and what is written down of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlmodel import Session
from structlog.testing import capture_logs

from engine.access.accounts import add_user
from engine.access.keyring import NewKey, Unrotatable, add_key, find_key, revoke, rotate
from engine.access.keys import Scope
from engine.access.tables import Account
from engine.attempts.outcome import UNKNOWN_AGENT
from engine.clock import Clock
from engine.database.migrate import owner_engine
from engine.worker import own_jobs
from tests.api.caller import Caller, calling, client_of
from tests.api.calls import CALLS, ON_A_QUOTE, READS, WRITES, Call, MovedClock, send, without_ids
from tests.api.refusals import refusal
from tests.api.service import CLOCK, QUOTES, Service, served, settings_in
from tests.database.databases import cloned

_DAY: Final = timedelta(days=1)
_BAD: Final = ("AUTHENTICATION_FAILED", 401)


@dataclass(frozen=True)
class Holder:
    """Who shows a key, and what becomes of every call with it.

    Attributes:
        key: what is shown; None for nothing.
        agent_id: whose attempt it is in the ledger.
        account_id: whom the audit trail names; None for nobody.
        email: of that account.
        saves: code and status of a save; None where it passes.
        reads: the same of a read.
        ended_by: what the audit trail says of the key.
    """

    key: str | None
    agent_id: UUID = UNKNOWN_AGENT
    account_id: UUID | None = None
    email: str = "unknown"
    saves: tuple[str, int] | None = _BAD
    reads: tuple[str, int] | None = _BAD
    ended_by: str | None = None


HOLDERS: Final = (
    "none",
    "malformed",
    "unknown",
    "expired",
    "revoked",
    "rotated away",
    "account disabled",
    "no agent",
    "suspended",
    "read only",
    "rate limited",
)
_ENDED: Final = ("expired", "revoked", "rotated away", "account disabled")


def new_key(service: Service, account_id: UUID, **how: Any) -> NewKey:
    """One more key of an account."""
    with Session(owner_engine(service.runtime.target.app)) as session:
        made = add_key(session, service.runtime.clock, account_id, **how)
        session.commit()
    return made


def rotated(
    service: Service, clock: Clock, key_id: UUID, overlap: timedelta
) -> NewKey | Unrotatable:
    """What came of rotating a key."""
    with Session(owner_engine(service.runtime.target.app)) as session:
        key = find_key(session, key_id)
        assert key is not None
        made = rotate(session, clock, key, overlap)
        session.commit()
    return made


def email_of(service: Service, account_id: UUID) -> str:
    with Session(owner_engine(service.runtime.target.app)) as session:
        return session.get_one(Account, account_id).email


def audited(service: Service, correlation_id: str) -> list[dict[str, Any]]:
    """The rows of the audit trail with a correlation id."""
    with service.database.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "SELECT * FROM audit_event WHERE correlation_id = %s", [correlation_id]
        ).fetchall()


def _holders(service: Service) -> dict[str, Holder]:
    """One of each kind."""
    agency = service.agency()
    known: dict[str, Any] = {
        "agent_id": agency.agent_id,
        "account_id": agency.account_id,
        "email": email_of(service, agency.account_id),
    }
    expired = new_key(service, agency.account_id, expires_at=CLOCK.now())
    revoked = new_key(service, agency.account_id)
    service.execute("UPDATE api_key SET revoked_at = now() WHERE id = %s", revoked.key_id)
    away = new_key(service, agency.account_id)
    assert isinstance(rotated(service, CLOCK, away.key_id, timedelta(0)), NewKey)
    read_only = new_key(service, agency.account_id, scope=Scope.READ)
    disabled, suspended = service.agency(), service.agency()
    service.execute("UPDATE account SET disabled_at = now() WHERE id = %s", disabled.account_id)
    service.execute("UPDATE agent SET status = 'SUSPENDED' WHERE id = %s", suspended.agent_id)
    limited = service.agency(rate_limit_per_minute=1)
    with client_of(service, limited.api_key) as http:
        assert http.get(QUOTES).status_code == 200
    with Session(owner_engine(service.runtime.target.app)) as session:
        user = add_user(session, CLOCK, email=f"{CLOCK.uuid7()}@users.example")
        session.commit()
    too_fast, suspension = ("RATE_LIMIT_EXCEEDED", 429), ("AUTHORIZATION_FAILED", 403)
    no_agent = ("AGENT_NOT_FOUND", 404)
    return {
        "none": Holder(None),
        "malformed": Holder("sgk_short"),
        "unknown": Holder("sgk_" + "A" * 43),
        "expired": Holder(expired.api_key, **known, ended_by="expired"),
        "revoked": Holder(revoked.api_key, **known, ended_by="revoked"),
        "rotated away": Holder(away.api_key, **known, ended_by="expired"),
        "account disabled": Holder(
            disabled.api_key,
            disabled.agent_id,
            disabled.account_id,
            email_of(service, disabled.account_id),
            ended_by="account disabled",
        ),
        "no agent": Holder(
            user.api_key,
            account_id=user.account_id,
            email=email_of(service, user.account_id),
            saves=no_agent,
            reads=no_agent,
        ),
        "suspended": Holder(
            suspended.api_key,
            suspended.agent_id,
            suspended.account_id,
            email_of(service, suspended.account_id),
            suspension,
            suspension,
        ),
        "read only": Holder(read_only.api_key, **known, saves=suspension, reads=None),
        "rate limited": Holder(
            limited.api_key,
            limited.agent_id,
            limited.account_id,
            email_of(service, limited.account_id),
            too_fast,
            too_fast,
        ),
    }


@pytest.fixture(scope="module")
def holders(module_service: Service) -> dict[str, Holder]:
    return _holders(module_service)


@pytest.mark.parametrize("call", WRITES)
@pytest.mark.parametrize("kind", HOLDERS)
def test_a_save_with_a_key_that_does_not_permit_it_is_refused_and_in_the_ledger_once(
    service: Service, holders: dict[str, Holder], kind: str, call: Call
) -> None:
    holder = holders[kind]
    assert holder.saves is not None
    before = service.stock()

    with client_of(service, holder.key) as http:
        answer = send(http, call, str(CLOCK.uuid7()))

    body = refusal(answer, *holder.saves)
    row = service.attempt(body["correlationId"])
    assert (row["agent_id"], row["outcome"]) == (holder.agent_id, "rejected")
    assert (row["error_code"], row["http_status"]) == holder.saves
    assert service.stock() == before.after_refusals(1)
    assert audited(service, body["correlationId"]) == []


@pytest.mark.parametrize("call", READS)
@pytest.mark.parametrize("kind", [kind for kind in HOLDERS if kind != "read only"])
def test_a_read_with_a_key_that_does_not_permit_it_is_refused_and_in_the_audit_trail_once(
    service: Service, holders: dict[str, Holder], kind: str, call: Call
) -> None:
    holder, quote_id = holders[kind], CLOCK.uuid7()
    assert holder.reads is not None
    before = service.stock()

    with client_of(service, holder.key) as http:
        answer = send(http, call, str(quote_id))

    body = refusal(answer, *holder.reads)
    (row,) = audited(service, body["correlationId"])
    assert (row["action"], row["outcome"]) == ("call refused", "refused")
    assert row["error_code"] == holder.reads[0]
    assert (row["account_id"], row["actor"]) == (holder.account_id, holder.email)
    assert (row["way"], row["address"]) == ("API", "127.0.0.1")
    is_on_a_quote = call in ON_A_QUOTE
    assert row["subject_kind"] == ("quote" if is_on_a_quote else None)
    assert row["subject_id"] == (str(quote_id) if is_on_a_quote else None)
    assert row["details"].get("key") == holder.ended_by
    assert set(row["details"]) <= {"key", "keyId"}
    assert service.stock() == before


@pytest.mark.parametrize("call", CALLS)
def test_a_key_that_has_ended_is_answered_like_one_that_never_was(
    service: Service, holders: dict[str, Holder], call: Call
) -> None:
    quote_id, answers = str(CLOCK.uuid7()), {}

    for kind in ("unknown", *_ENDED):
        with client_of(service, holders[kind].key) as http:
            answers[kind] = without_ids(send(http, call, quote_id))

    assert all(answers[kind] == answers["unknown"] for kind in _ENDED)


@pytest.mark.parametrize("call", READS)
def test_a_key_of_scope_read_reads_and_leaves_nothing_behind(
    service: Service, caller: Caller, call: Call
) -> None:
    quote_id = caller.create()
    key = new_key(service, caller.agency.account_id, scope=Scope.READ)
    before = service.stock()

    with client_of(service, key.api_key) as http:
        answer = send(http, call, quote_id)

    assert answer.status_code == 200
    assert audited(service, answer.headers["x-correlation-id"]) == []
    assert service.stock() == before


@pytest.mark.parametrize("call", CALLS)
def test_a_key_of_scope_write_may_make_every_call(
    service: Service, caller: Caller, call: Call
) -> None:
    is_answer = "accept" in call[1] or "reject" in call[1]
    quote_id = caller.sent() if is_answer else caller.create()
    body = {"version": 2} if is_answer else call[2]
    key = new_key(service, caller.agency.account_id, expires_at=CLOCK.now() + _DAY)

    with client_of(service, key.api_key) as http:
        answer = send(http, (call[0], call[1], body), quote_id)

    assert answer.status_code in {200, 201}, answer.text
    assert audited(service, answer.headers["x-correlation-id"]) == []


# Another agent's quote, and one that is not there.


@pytest.mark.parametrize("call", [call for call in READS if call in ON_A_QUOTE])
def test_a_quote_that_is_not_there_and_anothers_leave_the_same_row(
    caller: Caller, stranger: Caller, call: Call
) -> None:
    others, absent = caller.create(), str(CLOCK.uuid7())

    answers = [send(stranger.http, call, quote) for quote in (others, absent)]

    rows = []
    for answer, quote in zip(answers, (others, absent), strict=True):
        refusal(answer, "QUOTE_NOT_FOUND", 404)
        (row,) = audited(caller.service, answer.headers["x-correlation-id"])
        assert row["subject_id"] == quote
        assert row["account_id"] == stranger.agency.account_id
        differing = ("id", "happened_at", "subject_id", "correlation_id")
        rows.append({name: value for name, value in row.items() if name not in differing})
    assert rows[0] == rows[1]


@pytest.mark.parametrize("call", ON_A_QUOTE)
def test_a_quote_that_is_not_there_and_anothers_take_the_same_statements(
    caller: Caller, stranger: Caller, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes the same way takes the same time; the clock is not asked."""
    others, absent = caller.create(), str(CLOCK.uuid7())
    statements: list[object] = []
    execute = psycopg.Cursor.execute

    def counting(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        if self.connection.info.user != "saveguard_owner":  # not the test's own
            statements.append(query)
        return execute(self, query, *args, **kwargs)

    def made(quote_id: str) -> list[object]:
        statements.clear()
        with monkeypatch.context() as patch:
            patch.setattr(psycopg.Cursor, "execute", counting)
            refusal(send(stranger.http, call, quote_id), "QUOTE_NOT_FOUND", 404)
        return list(statements)

    made(absent)  # what a process does once, it does now

    there, nowhere = made(others), made(absent)

    assert there == nowhere
    assert len(there) >= 2


@pytest.mark.parametrize("path", ["?limit=0", "?cursor=x", "/{id}/history?cursor=x"])
def test_a_misspelled_read_leaves_no_row(caller: Caller, path: str) -> None:
    answer = caller.call("GET", path.format(id=CLOCK.uuid7()))

    refusal(answer, "QUOTE_VALIDATION_FAILED", 400)
    assert audited(caller.service, answer.headers["x-correlation-id"]) == []


@pytest.mark.parametrize("path", ["/api/nothing", "/api/agents/quotes/x/y/z"])
def test_a_call_to_an_address_that_does_not_exist_leaves_no_row(caller: Caller, path: str) -> None:
    answer = caller.http.get(path)

    assert answer.status_code == 404
    assert audited(caller.service, answer.headers["x-correlation-id"]) == []


def test_what_a_path_says_that_is_no_id_is_not_written_down(caller: Caller) -> None:
    answer = caller.call("GET", "/ines@example.org")

    refusal(answer, "QUOTE_NOT_FOUND", 404)
    (row,) = audited(caller.service, answer.headers["x-correlation-id"])
    assert (row["subject_kind"], row["subject_id"]) == (None, None)
    assert "ines" not in repr(row)


def test_a_refusal_that_cannot_be_written_down_is_answered_and_logged(
    own_service: Service,
) -> None:
    own_service.execute("REVOKE INSERT ON audit_event FROM saveguard_app")
    quote_id = str(CLOCK.uuid7())
    with calling(own_service) as caller, capture_logs() as logs:
        answer = caller.call("GET", f"/{quote_id}")

    refusal(answer, "QUOTE_NOT_FOUND", 404)
    (line,) = [each for each in logs if each["event"] == "read_refused"]
    assert line["correlation_id"] == answer.headers["x-correlation-id"]
    assert (line["error_code"], line["quote_id"]) == ("QUOTE_NOT_FOUND", quote_id)
    assert line["account_id"] == str(caller.agency.account_id)
    assert caller.agency.api_key not in repr(line)


# Time.


@pytest.fixture
def moved(server: str, template: str, tmp_path: Path) -> Iterator[tuple[Service, MovedClock]]:
    """A server that trusts a key for five seconds."""
    clock = MovedClock()
    settings = settings_in(tmp_path, identity_lifetime=5)
    with cloned(server, template) as target, served(target, settings, clock) as service:
        yield service, clock


def statuses(service: Service, *keys: str) -> list[int]:
    """What a read is answered with each of these keys."""
    answers = []
    for key in keys:
        with client_of(service, key) as http:
            answers.append(http.get(QUOTES).status_code)
    return answers


def test_a_key_expires_on_the_instant_also_while_it_is_trusted(
    moved: tuple[Service, MovedClock],
) -> None:
    service, clock = moved
    key = new_key(service, service.agency().account_id, expires_at=clock.now() + _DAY).api_key
    asked = service.runtime.read_pool.stats()["requests_num"]

    before = statuses(service, key)
    clock.set_forward(_DAY)  # while no time passes: nobody asks the database about the key
    after = statuses(service, key)

    assert (before, after) == ([200], [401])
    # The key, the page, the count of bad credentials and the row of the audit trail.
    assert service.runtime.read_pool.stats()["requests_num"] == asked + 4


def test_a_rotated_key_works_on_for_the_overlap_and_the_new_one_from_the_start(
    moved: tuple[Service, MovedClock],
) -> None:
    service, clock = moved
    account_id = service.agency().account_id
    old = new_key(service, account_id, name="import", expires_at=clock.now() + 30 * _DAY)
    new = rotated(service, clock, old.key_id, _DAY)
    assert isinstance(new, NewKey)

    during = statuses(service, old.api_key, new.api_key)
    clock.move(_DAY - timedelta(seconds=30))
    nearly = statuses(service, old.api_key, new.api_key)
    clock.move(timedelta(seconds=30))
    after = statuses(service, old.api_key, new.api_key)
    clock.move(29 * _DAY + timedelta(seconds=30))
    at_its_end = statuses(service, new.api_key)

    assert (during, nearly, after) == ([200, 200], [200, 200], [401, 200])
    assert at_its_end == [401]


def test_a_key_never_lives_longer_because_it_was_rotated(
    moved: tuple[Service, MovedClock],
) -> None:
    service, clock = moved
    account_id = service.agency().account_id
    old = new_key(service, account_id, expires_at=clock.now() + timedelta(hours=1))
    assert isinstance(rotated(service, clock, old.key_id, _DAY), NewKey)

    clock.move(timedelta(hours=1))

    assert statuses(service, old.api_key) == [401]


@pytest.mark.parametrize("why", list(Unrotatable), ids=[why.name for why in Unrotatable])
def test_a_key_that_has_ended_or_was_rotated_is_not_rotated(
    service: Service, why: Unrotatable
) -> None:
    account_id = service.agency().account_id
    ends = CLOCK.now() if why is Unrotatable.EXPIRED else None
    key = new_key(service, account_id, expires_at=ends)
    with Session(owner_engine(service.runtime.target.app)) as session:
        found = find_key(session, key.key_id)
        assert found is not None
        if why is Unrotatable.REVOKED:
            revoke(session, CLOCK.now(), [found])
        elif why is Unrotatable.REPLACED:
            rotate(session, CLOCK, found, _DAY)
        session.commit()
    count = "SELECT count(*) FROM api_key"
    before = service.database.execute(count).fetchone()

    assert rotated(service, CLOCK, key.key_id, _DAY) is why
    assert service.database.execute(count).fetchone() == before


def test_two_who_rotate_a_key_at_once_make_one(service: Service) -> None:
    key = new_key(service, service.agency().account_id)
    with (
        Session(owner_engine(service.runtime.target.app)) as first,
        Session(owner_engine(service.runtime.target.app)) as second,
    ):
        known = [find_key(each, key.key_id) for each in (first, second)]
        assert known[0] is not None
        assert known[1] is not None
        assert isinstance(rotate(first, CLOCK, known[0], _DAY), NewKey)
        first.commit()

        assert rotate(second, CLOCK, known[1], _DAY) is Unrotatable.REPLACED


@pytest.mark.parametrize("change", ["revoked", "account disabled"])
def test_a_key_that_is_taken_away_works_no_longer_than_it_was_trusted(
    moved: tuple[Service, MovedClock], change: str
) -> None:
    service, clock = moved
    agency = service.agency()
    assert statuses(service, agency.api_key) == [200]
    service.execute(
        "UPDATE api_key SET revoked_at = now() WHERE account_id = %s"
        if change == "revoked"
        else "UPDATE account SET disabled_at = now() WHERE id = %s",
        agency.account_id,
    )

    clock.move(timedelta(seconds=5))

    assert statuses(service, agency.api_key) == [401]


def test_an_account_that_is_enabled_again_has_its_keys_back(
    moved: tuple[Service, MovedClock],
) -> None:
    service, clock = moved
    agency = service.agency()
    service.execute("UPDATE account SET disabled_at = now() WHERE id = %s", agency.account_id)
    disabled = statuses(service, agency.api_key)
    service.execute("UPDATE account SET disabled_at = NULL WHERE id = %s", agency.account_id)

    clock.move(timedelta(seconds=5))

    assert (disabled, statuses(service, agency.api_key)) == ([401], [200])


# When a key was last used.


def last_used(service: Service, key_id: UUID) -> Any:
    row = service.database.execute(
        "SELECT last_used_at FROM api_key WHERE id = %s", [key_id]
    ).fetchone()
    assert row is not None
    return row[0]


def store_uses(service: Service) -> int:
    (job,) = [each for each in own_jobs(service.runtime) if each.name == "key uses"]
    assert job.runs_at_end
    return job.run()


def test_when_a_key_was_last_used_is_stored_apart_from_the_call_and_only_forwards(
    moved: tuple[Service, MovedClock],
) -> None:
    service, clock = moved
    account_id = service.agency().account_id
    key, idle = new_key(service, account_id), new_key(service, account_id)
    began = clock.now()
    statuses(service, key.api_key)

    at_once = last_used(service, key.key_id)
    stored = store_uses(service)
    first = last_used(service, key.key_id)
    clock.set_forward(timedelta(hours=-1))
    statuses(service, key.api_key)

    assert (at_once, stored) == (None, 1)
    assert first is not None
    assert abs(first - began) < timedelta(minutes=1)
    assert store_uses(service) == 0
    assert store_uses(service) == 0
    assert last_used(service, key.key_id) == first
    assert last_used(service, idle.key_id) is None


def test_a_key_that_opened_nothing_was_not_used(moved: tuple[Service, MovedClock]) -> None:
    service, clock = moved
    key = new_key(service, service.agency().account_id, expires_at=clock.now())

    assert statuses(service, key.api_key) == [401]

    assert store_uses(service) == 0
    assert last_used(service, key.key_id) is None


def test_uses_that_could_not_be_stored_are_kept(own_service: Service) -> None:
    key = new_key(own_service, own_service.agency().account_id)
    statuses(own_service, key.api_key)
    own_service.execute("REVOKE UPDATE ON api_key FROM saveguard_app")

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        store_uses(own_service)
    own_service.execute("GRANT UPDATE ON api_key TO saveguard_app")

    assert store_uses(own_service) == 1
    assert last_used(own_service, key.key_id) is not None
