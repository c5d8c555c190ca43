"""Who gets in, and what of others they get to see."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from engine.access.canaries import Canary, keys_of_canaries
from engine.access.keys import make_api_key
from engine.access.roles import Permission, Role, may
from engine.errors import ErrorCode
from engine.readiness.assessment import Verdict
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
from engine.readiness.probes.probe import Found, Question, unknown
from engine.readiness.probes.transcript import Transcript

_UNAUTHORIZED, _NOT_FOUND, _TOO_MANY = 401, 404, 429
_AUTHENTICATION: Final = ErrorCode.AUTHENTICATION_FAILED.value
_RATE_LIMIT: Final = ErrorCode.RATE_LIMIT_EXCEEDED.value


class Endpoint(NamedTuple):
    """A call that there is.

    Attributes:
        method: of HTTP.
        path: after the quotes' address; a place for a quote's id.
        body: None for none.
        is_save: whether it leaves a row in the ledger.
    """

    method: str
    path: str
    body: object
    is_save: bool

    @property
    def name(self) -> str:
        """As transcripts name it."""
        return f"{self.method} {self.path or '/'}".replace("{}", "id")


ENDPOINTS: Final = (
    Endpoint("POST", "", {}, is_save=True),
    Endpoint("PATCH", "/{}", {"version": 1, "adults": 3}, is_save=True),
    Endpoint("DELETE", "/{}?version=1", None, is_save=True),
    Endpoint("POST", "/{}/send", {}, is_save=True),
    Endpoint("POST", "/{}/accept", {}, is_save=True),
    Endpoint("POST", "/{}/reject", {}, is_save=True),
    Endpoint("GET", "", None, is_save=False),
    Endpoint("GET", "/{}", None, is_save=False),
    Endpoint("GET", "/{}/history", None, is_save=False),
)
# An address that shows many wrong keys has to wait (`bad_credentials_per_minute`), so that a key
# which was revoked is shown to one call of each kind only.
_ONE_OF_EACH: Final = (ENDPOINTS[0], ENDPOINTS[7])
_AUTHZ_WITNESS: Final = f"{QUOTES}/{{id}} and below as another canary; roles and permissions"
# What no role short of a lead's may do, written a second time.
_MAY_SIGN: Final = {Role.VIEWER: False, Role.ON_CALL: False, Role.LEAD: True, Role.ADMIN: True}


@over_http()
def authn(question: Question, stage: Stage) -> Found:
    """`sec.authn`: no key, a wrong one, a revoked one and a good one, at every call."""
    runtime = question.runtime
    log, call = Transcript(), stage.caller()
    made = call("POST", body=quote_body())
    log.equal("valid key, POST /", made.status, CREATED)
    quote_id = made.quote_id or str(runtime.clock.uuid7())
    wrong = stage.with_key(make_api_key(runtime.clock))
    with keys_of_canaries(runtime.target, runtime.clock, Canary.AGENT) as keys:
        ended = stage.with_key(keys[Canary.AGENT])
        log.equal("a key before it is revoked", ended("GET", f"/{quote_id}").status, OK)
    runtime.clock.sleep(runtime.settings.identity_lifetime.total_seconds())
    refused: list[tuple[str, Endpoint, Heard]] = [
        *(("no key", each, _ask(stage.caller(None), each, quote_id)) for each in ENDPOINTS),
        *(("revoked key", each, _ask(ended, each, quote_id)) for each in _ONE_OF_EACH),
        *(("wrong key", each, _ask(wrong, each, quote_id)) for each in ENDPOINTS),
    ]
    rows = stage.rows([answer for _, _, answer in refused])
    limited = 0
    for kind, endpoint, answer in refused:
        name = f"{kind}, {endpoint.name}"
        is_limited = kind != "no key" and (answer.status, answer.code) == (_TOO_MANY, _RATE_LIMIT)
        limited += is_limited
        code = _RATE_LIMIT if is_limited else _AUTHENTICATION
        if not is_limited:
            log.equal(name, str(answer), f"{_UNAUTHORIZED} {_AUTHENTICATION}")
            asks = answer.headers.get("www-authenticate", "")
            log.check(f"{name}: says how", asks.startswith("Bearer"), asks)
        if endpoint.is_save:
            row = rows.get(answer.correlation_id, {})
            got = (row.get("error_code"), row.get("http_status"))
            log.equal(f"{name}: its row", got, (code, answer.status))
    log.check("not all wrong keys were kept waiting", limited < len(ENDPOINTS), limited)
    for endpoint in ENDPOINTS[6:]:
        log.equal(f"valid key, {endpoint.name}", _ask(call, endpoint, quote_id).status, OK)
    log.equal("no refusal has changed the quote", call("GET", f"/{quote_id}").etag, '"1"')
    if made.quote_id:
        call("DELETE", f"/{quote_id}?version=1")
    return log.found(
        f"{len(ENDPOINTS)} calls with no key, a wrong, a revoked and a good one",
        f"{QUOTES} and below; view ledger",
        refusals=len(refused),
        keptWaiting=limited,
    )


@over_http(Canary.STRANGER)
def authz(_question: Question, stage: Stage) -> Found:
    """`sec.authz`: another agent's quote is answered as one that there is not."""
    log, owner = Transcript(), stage.caller()
    stranger = stage.caller(Canary.STRANGER)
    made = owner("POST", body=quote_body())
    log.equal("there is a quote of somebody's", made.status, CREATED)
    absent = str(stage.runtime.clock.uuid7())
    answers: list[Heard] = []
    for endpoint in ENDPOINTS:
        if not endpoint.path:
            continue
        theirs = _ask(stranger, endpoint, made.quote_id or absent)
        nothing = _ask(stranger, endpoint, absent)
        name = f"another agent's, {endpoint.name}"
        log.equal(name, str(theirs), f"{_NOT_FOUND} {ErrorCode.QUOTE_NOT_FOUND.value}")
        same = _told(theirs) == _told(nothing)
        log.check(f"{name}: as what is absent", same, "in other words")
        answers += [theirs] if endpoint.is_save else []
    rows = stage.rows(answers)
    log.equal("each save has its row", len(rows), len(answers))
    log.equal("under who asked", {row["agent_id"] for row in rows.values()}, {Canary.STRANGER.id})
    listed = stranger("GET", "?limit=100")
    is_listed = made.quote_id in _ids(listed.body.get("quotes", []))
    log.check("it is in no list of theirs", not is_listed, "listed")
    read = owner("GET", f"/{made.quote_id}")
    log.equal("the owner's is as it was", (read.status, read.etag), (OK, '"1"'))
    got = {role: may(role, Permission.SIGN_OFF) for role in Role}
    log.equal("who may sign", got, _MAY_SIGN)
    if made.quote_id:
        owner("DELETE", f"/{made.quote_id}?version=1")
    found = log.found("Another agent's quote, and who may sign", _AUTHZ_WITNESS)
    if found.verdict is Verdict.PASSING and listed.status != OK:
        # No list is none that it is not in.
        return unknown(
            f"Their list was answered with {listed}: what is in it cannot be told", _AUTHZ_WITNESS
        )
    return found


def _ask(call: Caller, endpoint: Endpoint, quote_id: str) -> Heard:
    return call(endpoint.method, endpoint.path.format(quote_id), endpoint.body)


def _told(answer: Heard) -> tuple[int, Mapping[str, Any]]:
    """An answer but for what is of one call alone."""
    return answer.status, {
        name: json.dumps(value, sort_keys=True)
        for name, value in answer.body.items()
        if name not in {"correlationId", "timestamp"}
    }


def _ids(quotes: Sequence[Any]) -> set[str]:
    return {str(each.get("id")) for each in quotes if isinstance(each, dict)}
