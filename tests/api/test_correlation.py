"""One correlation id for each request: in the header, the body, the ledger and the history."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from engine.correlation import has_valid_check
from tests.api.caller import Caller, client_of
from tests.api.refusals import refusal
from tests.api.service import QUOTES
from tests.api.wire import hear_once, request
from tests.support import quote_body

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
GIVEN = ["12345678", "x" * 64, "a.b_c-D9", "........", "REQ-0000", "00000000-0000-0000-0000-0"]
MALFORMED = [
    "", "1234567", "x" * 65, "x" * 4_000, "with space", "tab\tinside", "semi;colon", "sla/sh/es",
    "a,b,c,d,e", "'; DROP TABLE quote --", "<script>alert(1)</script>", "%0d%0aSet-Cookie:a=b",
    "${jndi:ldap://x}", "{correlation}",
]  # fmt: skip


@pytest.fixture
def logs() -> Iterator[list[dict[str, object]]]:
    """What is logged while the test runs."""
    with capture_logs() as captured:
        yield captured  # type: ignore[misc]


@pytest.mark.parametrize("given", GIVEN)
def test_a_well_formed_id_is_taken_and_goes_everywhere(caller: Caller, given: str) -> None:
    answer = caller.call("POST", body=quote_body(), X_Correlation_ID=given, Traceparent=TRACEPARENT)

    quote_id = answer.json()["quoteId"]
    assert answer.headers.get_list("x-correlation-id") == [given]
    assert answer.json()["correlationId"] == given
    row = next(row for row in caller.service.attempts(given) if str(row["quote_id"]) == quote_id)
    assert (row["operation"], row["traceparent"]) == ("CREATE", TRACEPARENT)
    (revision,) = caller.call("GET", f"/{quote_id}/history").json()["revisions"]
    assert revision["correlationId"] == given


@pytest.mark.parametrize("given", MALFORMED)
def test_a_malformed_id_is_replaced_and_that_is_logged(
    caller: Caller, logs: list[dict[str, object]], given: str
) -> None:
    answer = caller.call("POST", body={}, X_Correlation_ID=given)

    made = refusal(answer, "QUOTE_VALIDATION_FAILED", 400)["correlationId"]
    assert has_valid_check(made)
    assert len(made) == 31
    assert caller.service.attempt(made)["outcome"] == "rejected"
    (line,) = (each for each in logs if each["event"] == "correlation_id_replaced")
    assert line["correlation_id"] == made
    # It is the caller's own text and may be anything, a secret even.
    assert not given or given not in json.dumps(line)


def test_an_id_of_strange_bytes_is_replaced(caller: Caller) -> None:
    heard = hear_once(
        caller.service,
        request("GET", QUOTES, b"X-Correlation-ID: \xff\xfe\x80\x81\x82\x83\x84\x85"),
    )

    assert has_valid_check(heard.headers["X-Correlation-ID"])


def test_without_an_id_one_is_made_and_nothing_is_logged(
    caller: Caller, logs: list[dict[str, object]]
) -> None:
    first, second = caller.call("GET"), caller.call("GET")

    ids = [answer.headers["x-correlation-id"] for answer in (first, second)]
    assert all(map(has_valid_check, ids))
    assert ids[0] != ids[1]
    assert logs == []


@pytest.mark.parametrize(
    "address",
    [
        QUOTES,
        f"{QUOTES}?limit=0",
        f"{QUOTES}/nonsense",
        f"{QUOTES}/nonsense/history",
        f"{QUOTES}/nonsense/send",
        f"{QUOTES}/nonsense/no/such/call",
        "/api/nowhere",
        "/api/",
        "/api/openapi.json",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_the_id_is_on_every_answer(caller: Caller, method: str, address: str) -> None:
    answer = caller.http.request(method, address, headers={"X-Correlation-ID": "mine-0001"})

    assert answer.headers.get_list("x-correlation-id") == ["mine-0001"]
    if answer.status_code != 200:
        assert answer.json()["correlationId"] == "mine-0001"


def test_the_id_is_on_the_answer_to_nobody(caller: Caller) -> None:
    with client_of(caller.service, None) as nobody:
        answer = nobody.post(QUOTES, headers={"X-Correlation-ID": "mine-0002"})

    assert refusal(answer, "AUTHENTICATION_FAILED", 401)["correlationId"] == "mine-0002"
    assert caller.service.attempt("mine-0002")["error_code"] == "AUTHENTICATION_FAILED"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_the_id_is_on_the_answers_to_supervisors(caller: Caller, path: str) -> None:
    given = caller.http.get(path, headers={"X-Correlation-ID": "probe-0001"})
    made = caller.http.get(path)

    assert given.status_code == made.status_code == 200
    assert given.headers.get_list("x-correlation-id") == ["probe-0001"]
    assert has_valid_check(made.headers["x-correlation-id"])


def test_a_callers_own_retry_is_an_attempt_of_its_own(caller: Caller) -> None:
    for _ in range(2):
        caller.call("POST", body=quote_body(), X_Correlation_ID="mine-0003")

    rows = caller.service.attempts("mine-0003")
    assert len(rows) == 2
    assert len({row["id"] for row in rows}) == 2


@pytest.mark.parametrize(
    "malformed",
    ["", "00", TRACEPARENT.upper(), TRACEPARENT + "-00", "ff" + TRACEPARENT[2:], TRACEPARENT[:-1],
     "00-" + "0" * 32 + TRACEPARENT[35:], TRACEPARENT[:36] + "0" * 16 + "-01", "x" * 5_000],
)  # fmt: skip
def test_a_malformed_traceparent_is_as_good_as_none(caller: Caller, malformed: str) -> None:
    answer = caller.call("POST", body=quote_body(), Traceparent=malformed)

    assert answer.status_code == 201
    assert caller.service.attempt(answer.headers["x-correlation-id"])["traceparent"] is None


def test_a_traceparent_is_recorded_with_a_refusal(caller: Caller) -> None:
    answer = caller.call("POST", body={}, Traceparent=TRACEPARENT)

    row = caller.service.attempt(answer.headers["x-correlation-id"])
    assert row["traceparent"] == TRACEPARENT


def test_what_was_replaced_is_counted(caller: Caller) -> None:
    def counted() -> float:
        value = caller.service.metrics.registry.get_sample_value(
            "saveguard_malformed_correlation_ids_total"
        )
        assert value is not None
        return value

    before = counted()
    caller.call("GET", X_Correlation_ID="short")
    caller.call("GET", X_Correlation_ID="long-enough")
    caller.call("GET")

    assert counted() == before + 1
