"""Limits over HTTP: of an agent over several processes, and of bad credentials by address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from engine.access.keys import Scope, make_api_key
from engine.database.target import Target
from engine.rollups.counts import Traffic
from engine.rollups.parts import TRAFFIC
from engine.worker import all_jobs
from tests.api.caller import Caller, calling, client_of
from tests.api.calls import CALLS, Call, MovedClock, send
from tests.api.refusals import refusal
from tests.api.service import CLOCK, QUOTES, Service, served, settings_in
from tests.api.test_key_matrix import audited, new_key
from tests.database.databases import cloned
from tests.support import Agency, quote_body

_MOST: Final = 3


def read_with(
    service: Service, key: str | None, *, address: str = "127.0.0.1", call: str = "GET"
) -> httpx.Response:
    """What a call from an address of loopback is answered."""
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    transport = httpx.HTTPTransport(local_address=address, verify=False)
    with httpx.Client(transport=transport, base_url=service.url, timeout=30) as http:
        return http.request(call, QUOTES, headers=headers, json={} if call == "POST" else None)


def wrong_key() -> str:
    return make_api_key(CLOCK)


# Of an agent.


@pytest.fixture(scope="module")
def two(
    server: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, Service]]:
    """Two APIs on one database."""
    with cloned(server, template) as target, ExitStack() as opened:
        one, other = (
            opened.enter_context(served(target, settings_in(tmp_path_factory.mktemp("api"))))
            for _ in range(2)
        )
        yield one, other


def test_a_burst_of_twice_the_limit_over_two_processes_is_let_in_up_to_the_limit(
    two: tuple[Service, Service],
) -> None:
    agency, other = two[0].agency(rate_limit_per_minute=10), two[0].agency(rate_limit_per_minute=10)
    answers, others = [], []

    with ExitStack() as callers:
        sending = [
            tuple(callers.enter_context(calling(service, each)) for each in (agency, other))
            for service in two
        ]
        for number in range(20):
            caller, neighbour = sending[number % 2]
            answers.append(caller.call("POST", body=quote_body()))
            if number % 2:
                others.append(neighbour.call("POST", body=quote_body()))

    passed = [answer for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert (len(passed), len(refused)) == (10, 10)
    assert [left(answer) for answer in passed] == list(range(9, -1, -1))
    for answer in refused:
        body = refusal(answer, "RATE_LIMIT_EXCEEDED", 429)
        assert answer.headers["retry-after"] == str(body["details"]["retryAfterSeconds"])
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert two[0].attempt(body["correlationId"])["agent_id"] == agency.agent_id
    assert [answer.status_code for answer in others] == [201] * 10


def left(answer: httpx.Response) -> int:
    """How many more an answer says that there are."""
    return int(answer.headers["ratelimit"].partition("r=")[2].partition(";")[0])


@pytest.mark.parametrize("call", CALLS)
def test_every_answer_to_an_agent_with_a_limit_says_how_it_stands(
    service: Service, call: Call
) -> None:
    with calling(service, service.agency(rate_limit_per_minute=50)) as caller:
        is_answer = "accept" in call[1] or "reject" in call[1]
        quote_id = caller.sent() if is_answer else caller.create()
        body = {"version": 2} if is_answer else call[2]
        used = 2 if is_answer else 1

        done = send(caller.http, (call[0], call[1], body), quote_id)
        refused = send(caller.http, (call[0], call[1] + "?limit=x", {"nonsense": 1}), "absent")

    assert (done.status_code, refused.status_code) in {(200, 404), (201, 400), (200, 400)}
    for number, answer in enumerate((done, refused), 1):
        assert answer.headers["ratelimit-policy"] == '"agent";q=50;w=60'
        name, remaining, reset = answer.headers["ratelimit"].split(";")
        assert (name, remaining) == ('"agent"', f"r={50 - used - number}")
        assert 1 <= int(reset.removeprefix("t=")) <= 60


def test_answers_without_a_body_say_so_as_well(service: Service) -> None:
    with calling(service, service.agency(rate_limit_per_minute=50)) as caller:
        quote_id = caller.create()

        answer = caller.call("GET", f"/{quote_id}", If_None_Match="*")

    assert answer.status_code == 304
    assert left(answer) == 48


def test_who_may_not_is_counted_all_the_same(service: Service) -> None:
    """Else a key that may only read could be used for a flood of refused saves."""
    agency = service.agency(rate_limit_per_minute=2)
    key = new_key(service, agency.account_id, scope=Scope.READ)

    with client_of(service, key.api_key) as http:
        answers = [http.post(QUOTES, json={}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [403, 403, 429]
    assert [left(answer) for answer in answers] == [1, 0, 0]


def test_a_suspended_agent_hears_that_first(service: Service) -> None:
    with calling(service, service.agency(rate_limit_per_minute=1)) as caller:
        service.execute(
            "UPDATE agent SET status = 'SUSPENDED' WHERE id = %s", caller.agency.agent_id
        )

        answers = [caller.call("GET") for _ in range(2)]

    for answer in answers:
        refusal(answer, "AUTHORIZATION_FAILED", 403)
        assert "ratelimit" in answer.headers


def test_an_agent_without_a_limit_hears_of_none_and_costs_nothing(
    service: Service, caller: Caller
) -> None:
    caller.create()  # what a process does once, it does now
    asked = [pool.stats()["requests_num"] for pool in pools(service)]

    answer = caller.call("POST", body=quote_body())

    assert answer.status_code == 201
    assert not {"ratelimit", "ratelimit-policy"} & set(answer.headers)
    # The key on one pool, the save on the other; no question besides.
    assert [pool.stats()["requests_num"] for pool in pools(service)] == [asked[0] + 1, asked[1] + 1]


def test_the_limit_of_a_save_does_not_wait_for_reads(service: Service) -> None:
    """It is counted on a connection that only saves have."""
    with calling(service, service.agency(rate_limit_per_minute=50)) as caller:
        caller.create()
        asked = [pool.stats()["requests_num"] for pool in pools(service)]

        caller.create()

    assert [pool.stats()["requests_num"] for pool in pools(service)] == [asked[0] + 1, asked[1] + 2]


def pools(service: Service) -> tuple[Any, Any]:
    return service.runtime.read_pool, service.runtime.save_pool


# Of bad credentials.


@contextmanager
def wary(target: Target, directory: Path, **more: Any) -> Iterator[Service]:
    """An API that takes three bad credentials a minute from an address."""
    settings = settings_in(directory, bad_credentials_per_minute=_MOST, **more)
    with served(target, settings) as service:
        yield service


@pytest.fixture
def guarded(server: str, template: str, tmp_path: Path) -> Iterator[tuple[Service, Agency]]:
    with cloned(server, template) as target, wary(target, tmp_path) as service:
        yield service, service.agency()


def test_guesses_from_one_address_are_slowed_and_every_one_is_recorded(
    guarded: tuple[Service, Agency],
) -> None:
    service, _ = guarded

    answers = [
        read_with(service, wrong_key(), call="GET" if number % 2 else "POST")
        for number in range(2 * _MOST)
    ]

    assert [answer.status_code for answer in answers] == [401] * _MOST + [429] * _MOST
    for number, answer in enumerate(answers):
        correlation_id = answer.headers["x-correlation-id"]
        assert len(service.attempts(correlation_id)) == (number + 1) % 2
        assert len(audited(service, correlation_id)) == number % 2
    for answer in answers[_MOST:]:
        refusal(answer, "RATE_LIMIT_EXCEEDED", 429)
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert "ratelimit" not in answer.headers


def test_the_rightful_are_let_in_from_another_address_and_from_the_same(
    guarded: tuple[Service, Agency],
) -> None:
    """Many may share an address; a key that holds is let in also when it was never seen."""
    service, agency = guarded
    for _ in range(2 * _MOST):
        read_with(service, wrong_key())

    other, same = (read_with(service, agency.api_key, address=f"127.0.0.{n}") for n in (2, 1))
    elsewhere = read_with(service, wrong_key(), address="127.0.0.2")

    assert [other.status_code, same.status_code] == [200, 200]
    assert elsewhere.status_code == 401


def test_processes_share_what_they_know_of_an_address(
    server: str, template: str, tmp_path: Path
) -> None:
    with (
        cloned(server, template) as target,
        wary(target, tmp_path / "one") as one,
        wary(target, tmp_path / "other") as other,
    ):
        first = [read_with(one, wrong_key()).status_code for _ in range(_MOST)]

        assert read_with(other, wrong_key()).status_code == 429
        assert first == [401] * _MOST


def test_calls_without_credentials_are_no_guesses(guarded: tuple[Service, Agency]) -> None:
    service, _ = guarded

    answers = [read_with(service, None) for _ in range(2 * _MOST)]

    assert {answer.status_code for answer in answers} == {401}


@pytest.mark.parametrize("kind", ["malformed", "expired", "revoked", "account disabled"])
def test_every_kind_of_bad_credentials_counts(guarded: tuple[Service, Agency], kind: str) -> None:
    service, agency = guarded
    key = new_key(service, agency.account_id, expires_at=CLOCK.now() if kind == "expired" else None)
    if kind == "revoked":
        service.execute("UPDATE api_key SET revoked_at = now() WHERE id = %s", key.key_id)
    elif kind == "account disabled":
        service.execute("UPDATE account SET disabled_at = now()")

    shown = "nonsense" if kind == "malformed" else key.api_key
    answers = [read_with(service, shown, call="POST") for _ in range(_MOST + 1)]

    assert [answer.status_code for answer in answers] == [401] * _MOST + [429]
    # A flood with somebody's old key spends nobody's error budget.
    last = service.attempt(answers[-1].headers["x-correlation-id"])
    assert last["agent_id"] != agency.agent_id


def test_a_bad_key_of_a_waiting_address_is_refused_without_asking_the_database(
    server: str, template: str, tmp_path: Path
) -> None:
    clock = MovedClock()
    settings = settings_in(tmp_path, bad_credentials_per_minute=1, identity_lifetime=5)
    with cloned(server, template) as target, served(target, settings, clock) as service:
        key = wrong_key()
        statuses = [read_with(service, key, call="POST").status_code for _ in range(2)]
        asked = [pool.stats()["requests_num"] for pool in pools(service)]

        answer = read_with(service, key, call="POST")

        assert statuses == [401, 429]
        refusal(answer, "RATE_LIMIT_EXCEEDED", 429)
        # One question: the row of the ledger.
        assert [pool.stats()["requests_num"] for pool in pools(service)] == [asked[0], asked[1] + 1]


def test_attempts_with_an_ended_key_spend_no_error_budget(
    guarded: tuple[Service, Agency],
) -> None:
    """They stand under the agent, and with those of unknown callers in the rollups."""
    service, agency = guarded
    key = new_key(service, agency.account_id, expires_at=CLOCK.now() - timedelta(days=1))

    answer = read_with(service, key.api_key, call="POST")

    row = service.attempt(answer.headers["x-correlation-id"])
    assert (row["agent_id"], row["error_code"]) == (agency.agent_id, "AUTHENTICATION_FAILED")
    (roll,) = [job for job in all_jobs(service.runtime) if job.name == "roll"]
    assert roll.run() == 1
    counted = service.database.execute("SELECT DISTINCT traffic FROM attempt_rollup").fetchall()
    assert counted == [(Traffic.UNKNOWN_CALLER,)]
    for traffic, attempts in ((Traffic.UNKNOWN_CALLER, 1), (Traffic.LIVE, 0)):
        listed = service.database.execute(
            f"SELECT count(*) FROM attempt WHERE {TRAFFIC[traffic]}".encode()  # noqa: S608  # ours
        ).fetchone()
        assert listed == (attempts,)
