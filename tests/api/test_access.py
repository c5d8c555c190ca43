"""Who may call: credentials, suspended agents, revoked keys, and what is another agent's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlmodel import Session

from engine.access.accounts import NewUser, add_user
from engine.database.migrate import owner_engine
from tests.api.caller import Caller, calling, client_of
from tests.api.calls import CALLS, ON_A_QUOTE, READS, WRITES, Call, MovedClock, send, without_ids
from tests.api.refusals import refusal
from tests.api.service import CLOCK, QUOTES, Service, served, settings_in
from tests.database.databases import cloned
from tests.support import quote_body

NOBODY = UUID(int=0)
UNKNOWN_KEY = "sgk_" + "A" * 43


def new_user(service: Service) -> NewUser:
    """An account without an agent profile."""
    with Session(owner_engine(service.runtime.target.app)) as session:
        user = add_user(session, CLOCK, email=f"{CLOCK.uuid7()}@users.example")
        session.commit()
    return user


# Credentials.


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        f"Bearer {UNKNOWN_KEY}",
        f"Basic {UNKNOWN_KEY}",
        UNKNOWN_KEY,
        "Bearer null",
        f"Bearer {UNKNOWN_KEY} {UNKNOWN_KEY}",
        f"Bearer {UNKNOWN_KEY}, Bearer {UNKNOWN_KEY}",
        "Bearer sgk_" + "é" * 43,
        "Bearer sgk_" + "A" * 42,
        "Bearer sgk_" + "A" * 44,
        "Bearer " + "A" * 60_000,
        "Bearer ' OR 1=1 --",
    ],
)
@pytest.mark.parametrize("call", [WRITES[0], READS[0]])
def test_a_caller_without_a_known_key_is_told_to_log_in(
    service: Service, authorization: str | None, call: Call
) -> None:
    before = service.stock()
    headers = {} if authorization is None else {b"Authorization": authorization.encode()}

    with client_of(service, None) as http:
        answer = http.request(call[0], QUOTES, headers=headers, content=b"{}")

    body = refusal(answer, "AUTHENTICATION_FAILED", 401)
    assert re.fullmatch(r'Bearer realm="[a-z]+"', answer.headers["www-authenticate"])
    assert body["details"] == {}
    is_write = call in WRITES
    assert service.stock() == before.after_refusals(int(is_write))
    if is_write:
        row = service.attempt(body["correlationId"])
        assert row["agent_id"] == NOBODY
        assert (row["outcome"], row["http_status"]) == ("rejected", 401)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_may_be_spelled_in_any_case(caller: Caller, scheme: str) -> None:
    header = {"Authorization": f"{scheme} {caller.agency.api_key}"}

    with client_of(caller.service, None) as http:
        assert http.get(QUOTES, headers=header).status_code == 200


@pytest.mark.parametrize("order", [1, -1])
def test_two_authorization_headers_are_refused_whichever_comes_first(
    caller: Caller, order: int
) -> None:
    pair = [
        ("Authorization", f"Bearer {caller.agency.api_key}"),
        ("Authorization", f"Bearer {UNKNOWN_KEY}"),
    ][::order]

    with client_of(caller.service, None) as http:
        answer = http.get(QUOTES, headers=pair)

    refusal(answer, "AUTHENTICATION_FAILED", 401)


@pytest.mark.parametrize("call", CALLS)
def test_a_user_without_an_agent_profile_is_told_so(service: Service, call: Call) -> None:
    user = new_user(service)
    before = service.stock()

    with client_of(service, user.api_key) as http:
        answer = send(http, call, str(CLOCK.uuid7()))

    body = refusal(answer, "AGENT_NOT_FOUND", 404)
    is_write = call in WRITES
    assert service.stock() == before.after_refusals(int(is_write))
    if is_write:
        assert service.attempt(body["correlationId"])["agent_id"] == NOBODY


@pytest.mark.parametrize("call", CALLS)
def test_a_suspended_agent_may_do_nothing(service: Service, caller: Caller, call: Call) -> None:
    quote_id = caller.create()
    service.execute("UPDATE agent SET status = 'SUSPENDED' WHERE id = %s", caller.agency.agent_id)
    before = service.stock()

    answer = send(caller.http, call, quote_id)

    body = refusal(answer, "AUTHORIZATION_FAILED", 403)
    is_write = call in WRITES
    assert service.stock() == before.after_refusals(int(is_write))
    if is_write:
        assert service.attempt(body["correlationId"])["agent_id"] == caller.agency.agent_id


@pytest.fixture
def moved(server: str, template: str, tmp_path: Path) -> Iterator[tuple[Service, MovedClock]]:
    """A server that trusts a key for two seconds, as it does by default."""
    clock = MovedClock()
    settings = settings_in(tmp_path, identity_lifetime=2)
    with cloned(server, template) as target, served(target, settings, clock) as service:
        yield service, clock


def test_a_revoked_key_works_no_longer_than_it_was_trusted(
    moved: tuple[Service, MovedClock],
) -> None:
    service, clock = moved
    with calling(service) as caller:
        assert caller.call("GET").status_code == 200
        service.execute(
            "UPDATE api_key SET revoked_at = now() WHERE account_id = %s", caller.agency.account_id
        )
        while_trusted = caller.call("GET")
        clock.move(timedelta(seconds=2))
        afterwards = [send(caller.http, call, str(CLOCK.uuid7())) for call in CALLS]

    assert while_trusted.status_code == 200
    for answer in afterwards:
        refusal(answer, "AUTHENTICATION_FAILED", 401)


# What is another agent's.


Prepare = Callable[[Caller], str]
OTHERS_QUOTES: dict[str, Prepare] = {
    "draft": lambda owner: owner.create(),
    "sent": lambda owner: owner.sent(),
    "with a client": lambda owner: owner.create(clientId=str(owner.agency.client_id)),
}


def test_a_busy_database_is_no_reason_to_trust_a_key_any_longer(
    server: str, template: str, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path, pool_wait=0.1)
    with (
        cloned(server, template) as target,
        served(target, settings) as service,
        calling(service) as caller,
    ):
        caller.create()
        with ExitStack() as busy:
            for _ in range(4):
                busy.enter_context(service.runtime.read_pool.connection())

            answer = caller.call("POST", body=quote_body())

        body = refusal(answer, "DATABASE_TIMEOUT", 504)
        assert service.stock().quotes == 1
        # Whose attempt it was is known all the same.
        assert service.attempt(body["correlationId"])["agent_id"] == caller.agency.agent_id


@pytest.mark.parametrize("accept", ["application/json", "application/problem+json"])
@pytest.mark.parametrize("prepare", OTHERS_QUOTES.values(), ids=list(OTHERS_QUOTES))
@pytest.mark.parametrize("call", ON_A_QUOTE)
def test_anothers_quote_looks_like_one_that_never_was(
    caller: Caller,
    stranger: Caller,
    call: Call,
    prepare: Prepare,
    accept: str,
) -> None:
    others, absent = prepare(caller), str(CLOCK.uuid7())
    version = caller.service.version(others)

    answers = [send(stranger.http, call, quote, Accept=accept) for quote in (others, absent)]

    there, nowhere = (
        (status, headers, body.replace(quote.encode(), b"QUOTE"))
        for (status, headers, body), quote in zip(
            map(without_ids, answers), (others, absent), strict=True
        )
    )
    assert there == nowhere
    assert there[0] == 404
    assert caller.service.version(others) == version


@pytest.mark.parametrize("state", ["deleted", "malformed"])
@pytest.mark.parametrize("call", ON_A_QUOTE)
def test_a_deleted_quote_and_a_malformed_id_look_like_one_that_never_was(
    caller: Caller, call: Call, state: str
) -> None:
    gone = "no-uuid"
    if state == "deleted":
        gone = caller.create()
        assert caller.call("DELETE", f"/{gone}").status_code == 200

    answers = [send(caller.http, call, quote) for quote in (gone, str(CLOCK.uuid7()))]

    assert without_ids(answers[0]) == without_ids(answers[1])
    refusal(answers[0], "QUOTE_NOT_FOUND", 404)


@pytest.mark.parametrize("kind", ["absent", "another agent's", "archived"])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_client_that_does_not_fit_is_refused_in_the_same_words_whatever_the_reason(
    caller: Caller, stranger: Caller, method: str, kind: str
) -> None:
    client_id = {
        "absent": CLOCK.uuid7(),
        "another agent's": stranger.agency.client_id,
        "archived": caller.agency.client_id,
    }[kind]
    quote_id = caller.create()
    caller.service.execute("UPDATE client SET status = 'ARCHIVED' WHERE id = %s", client_id)
    caller.service.execute(
        "UPDATE client SET status = 'ACTIVE' WHERE id = %s", stranger.agency.client_id
    )
    before = caller.service.stock()

    answer = (
        caller.call("POST", body=quote_body(clientId=str(client_id)))
        if method == "POST"
        else caller.call("PATCH", f"/{quote_id}", {"version": 1, "clientId": str(client_id)})
    )

    body = refusal(answer, "CLIENT_NOT_FOUND", 404)
    assert (body["message"], body["details"]) == (
        "There is no such active client; choose another.",
        {},
    )
    assert caller.service.stock() == before.after_refusals(1)


def test_a_quote_keeps_a_client_that_was_archived_when_it_is_only_moved(caller: Caller) -> None:
    quote_id = caller.create(clientId=str(caller.agency.client_id))
    caller.service.execute(
        "UPDATE client SET status = 'ARCHIVED' WHERE id = %s", caller.agency.client_id
    )

    changed = caller.call("PATCH", f"/{quote_id}", {"version": 1, "tripName": "Porto"})
    sent = caller.call("POST", f"/{quote_id}/send")

    refusal(changed, "CLIENT_NOT_FOUND", 404)
    assert sent.status_code == 200


# Reads leave no trace in the ledger.


@pytest.mark.parametrize("call", READS)
def test_a_read_leaves_no_attempt(caller: Caller, call: Call) -> None:
    quote_id = caller.create()
    before = caller.service.stock()

    assert send(caller.http, call, quote_id).status_code == 200
    assert send(caller.http, (call[0], call[1] + "?limit=0", None), "x").status_code >= 400

    assert caller.service.stock() == before


@pytest.mark.parametrize("call", WRITES)
def test_a_write_leaves_one_attempt_that_knows_what_it_was(caller: Caller, call: Call) -> None:
    is_answer = "accept" in call[1] or "reject" in call[1]
    quote_id = caller.sent() if is_answer else caller.create()
    if is_answer and call[2] and "version" in call[2]:
        call = (call[0], call[1], {"version": 2})
    before = caller.service.stock()

    answer = send(caller.http, call, quote_id)

    assert answer.status_code in {200, 201}, answer.text
    row = caller.service.attempt(answer.headers["x-correlation-id"])
    assert caller.service.stock().attempts == before.attempts + 1
    assert (row["outcome"], row["error_code"], row["severity"]) == ("committed", None, None)
    assert row["http_status"] == answer.status_code
    assert row["agent_id"] == caller.agency.agent_id
    assert str(row["quote_id"]) == answer.json()["quoteId"]
    assert row["actual_version"] == answer.json()["version"]
    assert (row["path"], row["source"]) == ("hardened", "live")
    assert len(row["payload_hash"]) == 32
    assert 0 < row["database_us"] <= row["duration_us"]
