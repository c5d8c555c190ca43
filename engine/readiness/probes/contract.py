"""The contract of the calls that save, clause by clause, as any caller would find it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from engine.access.canaries import Canary
from engine.errors import TAXONOMY, ErrorCode
from engine.readiness.probes.calling import (
    CREATED,
    OK,
    QUOTES,
    Caller,
    Heard,
    Stage,
    over_http,
    quote_body,
)
from engine.readiness.probes.probe import Found, Question
from engine.readiness.probes.transcript import Transcript

_BAD, _UNAUTHORIZED, _NOT_FOUND = 400, 401, 404
_CONFLICT, _PRECONDITION_FAILED = 409, 412
_TOO_LARGE, _UNSUPPORTED, _UNPROCESSABLE = 413, 415, 422
_PROBLEM: Final = "application/problem+json"
_MEMBERS: Final = frozenset(
    {"success", "errorCode", "message", "severity", "retryable", "correlationId", "details",
     "timestamp"}
)  # fmt: skip
_OF_PROBLEM: Final = frozenset({"type", "title", "status", "instance"})
# As many digits as the API reads of a length.
_ANY_LIMIT: Final = 999_999_999_999
_VALIDATION: Final = ErrorCode.QUOTE_VALIDATION_FAILED

Ask = Callable[..., Heard]


@over_http()
def post_pack(question: Question, stage: Stage) -> Found:
    """`api.post.pack`: creating, replaying and every refusal of a create."""
    log, call = Transcript(), stage.caller()
    key = f"readiness-{question.runtime.clock.uuid7()}"
    body = quote_body()
    first = call("POST", body=body, Idempotency_Key=key)
    log.equal("a create answers 201", first.status, CREATED)
    log.equal("with version 1", first.version, 1)
    log.equal("and its ETag", first.etag, '"1"')
    log.check("and its Location", f"{QUOTES}/{first.quote_id}" == first.headers.get("location"),
              first.headers.get("location"))  # fmt: skip
    _replays(log, lambda: call("POST", body=body, Idempotency_Key=key), first)
    other = call("POST", body=quote_body(adults=3), Idempotency_Key=key)
    _refused(log, "the same key with another body", other, _UNPROCESSABLE, _VALIDATION)
    reason = other.body.get("details", {}).get("reason")
    log.equal("and says why", reason, "idempotency_key_reused")
    _in_flight(log, stage)
    _refusals(log, stage, "POST", "", body)
    _clean(call, first)
    return log.found("POST", f"POST {QUOTES} as the canary agent")


@over_http()
def patch_pack(question: Question, stage: Stage) -> Found:
    """`api.patch.pack`: changing from the right version, a stale one and none, and the refusals."""
    log, call = Transcript(), stage.caller()
    made = call("POST", body=quote_body())
    if not log.equal("there is a quote to change", made.status, CREATED):
        return log.found("PATCH", f"PATCH {QUOTES}/{{id}} as the canary agent")
    path = f"/{made.quote_id}"
    without = call("PATCH", path, {"adults": 3})
    _refused(log, "no version", without, _BAD, _VALIDATION)
    log.check("and names it", "version" in _fields(without), _fields(without))
    key = f"readiness-{question.runtime.clock.uuid7()}"
    change = {"version": 1, "adults": 3}
    first = call("PATCH", path, change, Idempotency_Key=key)
    log.equal("a change answers 200", first.status, OK)
    log.equal("with the next version", first.version, 2)
    log.equal("and its ETag", first.etag, '"2"')
    _replays(log, lambda: call("PATCH", path, change, Idempotency_Key=key), first)
    other = call("PATCH", path, {"version": 1, "adults": 4}, Idempotency_Key=key)
    _refused(log, "the same key with another body", other, _UNPROCESSABLE, _VALIDATION)
    stale = call("PATCH", path, {"version": 1, "adults": 4})
    _refused(log, "a stale version", stale, _CONFLICT, ErrorCode.QUOTE_CONFLICT_VERSION)
    _names_winner(log, stale)
    tagged = call("PATCH", path, {"adults": 4}, If_Match='"1"')
    _refused(
        log, "a stale If-Match", tagged, _PRECONDITION_FAILED, ErrorCode.QUOTE_CONFLICT_VERSION
    )
    _names_winner(log, tagged)
    log.equal("with the ETag that stands", tagged.etag, '"2"')
    second = call("PATCH", path, {"adults": 4}, If_Match='"2"')
    log.equal("If-Match with the right one answers 200", second.status, OK)
    log.equal("with the new ETag", second.etag, '"3"')
    absent = call("PATCH", f"/{question.runtime.clock.uuid7()}", {"version": 1, "adults": 3})
    _refused(log, "an absent quote", absent, _NOT_FOUND, ErrorCode.QUOTE_NOT_FOUND)
    _refusals(log, stage, "PATCH", path, {"version": 3, "adults": 5})
    log.equal("no refusal has changed it", call("GET", path).etag, '"3"')
    _clean(call, second)
    return log.found("PATCH", f"PATCH {QUOTES}/{{id}} as the canary agent")


def _replays(log: Transcript, again: Callable[[], Heard], first: Heard) -> None:
    replayed = again()
    log.equal("the same key again answers the same", replayed.status, first.status)
    log.check("to the byte", replayed.raw == first.raw, "another body")
    marker = replayed.headers.get("idempotent-replayed")
    log.equal("and says that it is a replay", marker, "true")
    log.equal("with the same ETag", replayed.etag, first.etag)


def _in_flight(log: Transcript, stage: Stage) -> None:
    """Two creates under one key at once: the second waits and has the first one's answer."""
    key = f"readiness-{stage.runtime.clock.uuid7()}"
    callers = [stage.caller(), stage.caller()]
    with ThreadPoolExecutor(len(callers)) as threads:
        answers = list(
            threads.map(lambda call: call("POST", body=quote_body(), Idempotency_Key=key), callers)
        )
    ids = {each.quote_id for each in answers}
    log.equal("two at once under one key are both answered 201",
              [each.status for each in answers], [CREATED, CREATED])  # fmt: skip
    log.equal("with one quote", len(ids), 1)
    markers = [each.headers.get("idempotent-replayed") == "true" for each in answers]
    log.equal("one of them as a replay", sorted(markers), [False, True])
    _clean(callers[0], answers[0])


def _refusals(
    log: Transcript, stage: Stage, method: str, path: str, body: Mapping[str, object]
) -> None:
    """What every call that saves refuses, as JSON and as a problem document."""
    call, nobody = stage.caller(), stage.caller(None)
    asked: list[tuple[str, Ask, int, ErrorCode]] = [
        (
            "no key",
            lambda **more: nobody(method, path, body, **more),
            _UNAUTHORIZED,
            ErrorCode.AUTHENTICATION_FAILED,
        ),
        (
            "another media type",
            lambda **more: call(method, path, b"{}", Content_Type="text/plain", **more),
            _UNSUPPORTED,
            _VALIDATION,
        ),
        ("no JSON", lambda **more: call(method, path, b'{"a": ', **more), _BAD, _VALIDATION),
        (
            "a field that there is not",
            lambda **more: call(method, path, {**body, "noSuchField": 1}, **more),
            _BAD,
            _VALIDATION,
        ),
        (
            "a value that is none",
            lambda **more: call(method, path, {**body, "adults": 0}, **more),
            _BAD,
            _VALIDATION,
        ),
        (
            "a currency that there is not",
            lambda **more: call(method, path, {**body, "currency": "XXX"}, **more),
            _BAD,
            ErrorCode.CURRENCY_INVALID,
        ),
    ]
    for name, ask, status, code in asked:
        _refused(log, name, ask(), status, code)
        _problem(log, name, ask(Accept=_PROBLEM), status, code)
    large = call.declares(method, path, _ANY_LIMIT)
    _refused(log, "a body that is too large", large, _TOO_LARGE, _VALIDATION)


def _refused(log: Transcript, name: str, answer: Heard, status: int, code: ErrorCode) -> None:
    log.equal(f"{name}: refused", str(answer), f"{status} {code.value}")
    body, meaning = answer.body, TAXONOMY[code]
    log.check(f"{name}: every member is there", body.keys() >= _MEMBERS, sorted(body))
    got = (body.get("success"), body.get("severity"), body.get("retryable"))
    log.equal(f"{name}: as the code is", got, (False, meaning.severity.name, meaning.retryable))
    log.check(
        f"{name}: one correlation id",
        bool(answer.correlation_id) and body.get("correlationId") == answer.correlation_id,
        "two, or none",
    )


def _problem(log: Transcript, name: str, answer: Heard, status: int, code: ErrorCode) -> None:
    body = answer.body
    log.equal(f"{name}: as a problem", answer.headers.get("content-type"), _PROBLEM)
    log.check(f"{name}: with its members", body.keys() >= _MEMBERS | _OF_PROBLEM, sorted(body))
    got = (answer.status, body.get("status"), body.get("errorCode"), body.get("retryable"))
    log.equal(f"{name}: which agree", got, (status, status, code.value, TAXONOMY[code].retryable))


def _names_winner(log: Transcript, stale: Heard) -> None:
    details: Mapping[str, Any] = stale.body.get("details", {})
    log.equal("a conflict says which version stands", details.get("actualVersion"), 2)
    log.equal("and who saved it", details.get("lastModifiedBy"), str(Canary.AGENT.id))
    log.equal("and what was changed", details.get("changedFields"), ["adults"])


def _fields(answer: Heard) -> list[str]:
    errors = answer.body.get("details", {}).get("errors", [])
    return [str(each.get("field")) for each in errors if isinstance(each, dict)]


def _clean(call: Caller, saved: Heard) -> None:
    """Deletes what was made; nobody is to stumble over it."""
    if saved.quote_id:
        call("DELETE", f"/{saved.quote_id}?version={saved.version}")
