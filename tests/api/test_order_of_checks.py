"""When a request is wrong in two ways, the earlier check of the two answers.

authentication → agent → rate limit → shape → quote exists → status → version → business bounds →
client → pricing → write: one test for each neighbouring pair.
"""

from __future__ import annotations

from typing import Any

import httpx
import psycopg
import pytest
from sqlmodel import Session

from engine.access.accounts import add_user
from engine.database.migrate import owner_engine
from tests.api.caller import Caller, calling, client_of
from tests.api.refusals import fields, marks, refusal
from tests.api.service import CLOCK, QUOTES, Service
from tests.support import quote_body

UNKNOWN_FIELD = {"nonsense": 1}
NEGATIVE_TOTAL = {"discount": 99_999}
ABSENT = "01900000-0000-7000-8000-000000000000"


def spent(service: Service, caller: Caller) -> None:
    """Uses up an agent's one request a minute."""
    service.execute(
        "UPDATE agent SET rate_limit_per_minute = 1 WHERE id = %s", caller.agency.agent_id
    )
    assert caller.call("GET").status_code == 200


def test_authentication_comes_before_the_agent(service: Service) -> None:
    """A revoked key of a user who is no agent."""
    with Session(owner_engine(service.runtime.target.app)) as session:
        user = add_user(session, CLOCK, email=f"{CLOCK.uuid7()}@users.example")
        session.commit()
    service.execute("UPDATE api_key SET revoked_at = now() WHERE account_id = %s", user.account_id)

    with client_of(service, user.api_key) as http:
        refusal(http.post(QUOTES, json={}), "AUTHENTICATION_FAILED", 401)


def test_the_agent_comes_before_the_rate_limit(service: Service, caller: Caller) -> None:
    spent(service, caller)
    service.execute("UPDATE agent SET status = 'SUSPENDED' WHERE id = %s", caller.agency.agent_id)

    refusal(caller.call("POST", body={}), "AUTHORIZATION_FAILED", 403)


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"{", {}),
        (b'{"nonsense":1}', {}),
        (b"x" * (1024 * 1024 + 1), {}),
        (b"{}", {"Content_Type": "text/plain"}),
        (b"{}", {"Idempotency_Key": "a b"}),
    ],
)
def test_the_rate_limit_comes_before_the_shape(
    service: Service, caller: Caller, content: bytes, headers: dict[str, str]
) -> None:
    spent(service, caller)

    answer = caller.call("POST", body=content, **headers)

    refusal(answer, "RATE_LIMIT_EXCEEDED", 429)
    refusal(caller.call("GET", "?limit=0"), "RATE_LIMIT_EXCEEDED", 429)


@pytest.mark.parametrize("quote_id", [ABSENT, "no-uuid", "another agent's", "deleted"])
@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("PATCH", "", {"version": 1, **UNKNOWN_FIELD}, "nonsense"),
        ("PATCH", "", {"tripName": "Porto"}, "version"),
        ("PATCH", "", {"version": 1, "status": "SENT"}, "status"),
        ("PATCH", "", {"version": 1, "adults": "two"}, "adults"),
        ("DELETE", "", UNKNOWN_FIELD, "nonsense"),
        ("DELETE", "?version=0", None, "version"),
        ("POST", "/send", {"channel": "fax"}, "channel"),
        ("POST", "/accept", {"version": 0}, "version"),
        ("POST", "/reject", {"reason": 1}, "reason"),
        ("GET", "/history?limit=0", None, "limit"),
    ],
)
def test_the_shape_comes_before_whether_the_quote_exists(
    caller: Caller,
    stranger: Caller,
    quote_id: str,
    method: str,
    path: str,
    body: dict[str, Any] | None,
    field: str,
) -> None:
    if quote_id == "another agent's":
        quote_id = stranger.create()
    elif quote_id == "deleted":
        quote_id = caller.create()
        assert caller.call("DELETE", f"/{quote_id}").status_code == 200

    answer = caller.call(method, f"/{quote_id}{path}", body)

    assert fields(refusal(answer, "QUOTE_VALIDATION_FAILED", 400)) == {field}


def test_a_body_that_is_no_json_is_refused_before_a_malformed_id(caller: Caller) -> None:
    answer = caller.call("PATCH", "/no-uuid", body=b"{")

    refusal(answer, "QUOTE_VALIDATION_FAILED", 400)


@pytest.mark.parametrize("quote_id", [ABSENT, "no-uuid"])
def test_a_malformed_key_is_refused_before_the_quote_is_looked_for(
    caller: Caller, quote_id: str
) -> None:
    answer = caller.call("DELETE", f"/{quote_id}", Idempotency_Key="a b")

    assert fields(refusal(answer, "QUOTE_VALIDATION_FAILED", 400)) == {"Idempotency-Key"}


def test_whether_the_quote_exists_comes_before_its_status(caller: Caller, stranger: Caller) -> None:
    others = stranger.sent()

    refusal(caller.call("PATCH", f"/{others}", {"version": 2}), "QUOTE_NOT_FOUND", 404)


def test_the_status_comes_before_the_version(caller: Caller) -> None:
    quote_id = caller.sent()

    stale = caller.call("PATCH", f"/{quote_id}", {"version": 1})
    by_tag = caller.call("PATCH", f"/{quote_id}", {"taxes": 1}, If_Match='"1"')

    refusal(stale, "QUOTE_ALREADY_SENT", 409)
    refusal(by_tag, "QUOTE_ALREADY_SENT", 409)


@pytest.mark.parametrize(
    "wrong",
    [
        {"adults": 0},
        {"adults": 30, "children": 30},
        {"endDate": "2020-01-01"},
        {"tripName": "  "},
        {"currency": "XXX"},
        {"taxes": 0.001},
        {"agentMarkupPercent": 101},
        {"customItems": [{"price": 1}]},
    ],
)
def test_the_version_comes_before_the_business_bounds(
    caller: Caller, wrong: dict[str, Any]
) -> None:
    quote_id = caller.create()

    answer = caller.http.patch(f"{QUOTES}/{quote_id}", json={"version": 7, **wrong})

    refusal(answer, "QUOTE_CONFLICT_VERSION", 409)
    # The same is refused for itself once the version fits.
    again = caller.http.patch(f"{QUOTES}/{quote_id}", json={"version": 1, **wrong})
    assert again.status_code == 400
    assert again.json()["details"]["errors"]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_the_business_bounds_come_before_the_client(caller: Caller, method: str) -> None:
    wrong = {"adults": 30, "children": 30, "clientId": ABSENT}

    answer = created_or_changed(caller, method, wrong)

    assert marks(refusal(answer, "QUOTE_VALIDATION_FAILED", 400)) == [("adults", "range")]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("wrong", [NEGATIVE_TOTAL, {"total": 1}])
def test_the_client_comes_before_the_price(
    caller: Caller, method: str, wrong: dict[str, Any]
) -> None:
    answer = created_or_changed(caller, method, {"clientId": ABSENT, **wrong})

    refusal(answer, "CLIENT_NOT_FOUND", 404)


def test_an_archived_client_that_the_change_does_not_name_comes_before_the_price(
    caller: Caller,
) -> None:
    quote_id = caller.create(clientId=str(caller.agency.client_id))
    caller.service.execute(
        "UPDATE client SET status = 'ARCHIVED' WHERE id = %s", caller.agency.client_id
    )

    answer = caller.call("PATCH", f"/{quote_id}", {"version": 1, **NEGATIVE_TOTAL})

    refusal(answer, "CLIENT_NOT_FOUND", 404)


def test_the_price_comes_before_the_write(caller: Caller) -> None:
    """The row is locked by somebody else: a write would wait, a price does not."""
    quote_id = caller.create()
    with psycopg.connect(caller.service.runtime.target.owner) as other:
        other.execute("SELECT FROM quote WHERE id = %s FOR UPDATE", [quote_id])

        answer = caller.call("PATCH", f"/{quote_id}", {"version": 1, **NEGATIVE_TOTAL})

    refusal(answer, "PRICING_VALIDATION_FAILED", 400)


def test_a_negative_total_comes_before_a_total_that_does_not_agree(caller: Caller) -> None:
    answer = caller.call("POST", body=quote_body(total=1, **NEGATIVE_TOTAL))

    refusal(answer, "PRICING_VALIDATION_FAILED", 400)


def test_every_limit_counts_per_agent(service: Service, caller: Caller) -> None:
    spent(service, caller)

    with calling(service) as other:
        assert other.call("GET").status_code == 200
    refusal(caller.call("GET"), "RATE_LIMIT_EXCEEDED", 429)


def created_or_changed(caller: Caller, method: str, fields: dict[str, Any]) -> httpx.Response:
    """Tries to create a quote with some fields, or to change one to them."""
    if method == "POST":
        return caller.call("POST", body=quote_body(**fields))
    return caller.call("PATCH", f"/{caller.create()}", {"version": 1, **fields})
