"""The calls that save: from an exchange to a save request, and back to an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from engine.access.identities import Identity
from engine.api.exchange import JSON, Answer, Exchange, refusal_to_answer
from engine.api.gate import Gate
from engine.attempts.outcome import UNKNOWN_AGENT
from engine.clock import Clock
from engine.errors import ErrorCode, Refusal
from engine.payload import MalformedBody, parse_object
from engine.quotes.lifecycle import Operation, quote_not_found
from engine.quotes.shape import parse_uuid
from engine.saving.answer import Refused, Replayed, Saved, SaveResult
from engine.saving.request import SaveRequest
from engine.saving.save import Saver

_TOO_LARGE, _UNSUPPORTED_MEDIA_TYPE = 413, 415

# These make no sense without a body; the others may come without one.
_NEEDS_BODY: Final = frozenset({Operation.CREATE, Operation.UPDATE})


class Writes:
    """Answers the calls that save; runs in a save thread, not on the event loop."""

    def __init__(self, saver: Saver, gate: Gate, clock: Clock, body_limit: int) -> None:
        self._saver = saver
        self._gate = gate
        self._clock = clock
        self._body_limit = body_limit

    def answer(self, exchange: Exchange, operation: Operation, quote_id: str | None) -> Answer:
        """Admits, reads, saves and answers; every way through leaves one attempt."""
        identity, refusal = self._gate.admit(exchange)
        target = None if quote_id is None else parse_uuid(quote_id)
        body: Mapping[str, Any] = {}
        if refusal is None:
            read = self._read_body(exchange, operation)
            if isinstance(read, Refusal):
                refusal = read
            elif quote_id is not None and target is None:
                refusal = quote_not_found()
            else:
                body = read
        request = _save_request(exchange, operation, identity, target, body)
        if refusal is None:
            return self._spell(exchange, self._saver.save(request))
        return self._spell(exchange, self._saver.refuse(request, refusal))

    def _read_body(self, exchange: Exchange, operation: Operation) -> Mapping[str, Any] | Refusal:
        raw = exchange.body
        if raw is None:
            return Refusal(
                ErrorCode.QUOTE_VALIDATION_FAILED,
                f"The body is larger than {self._body_limit} bytes.",
                {"limitBytes": self._body_limit},
                _TOO_LARGE,
            )
        if not raw and operation not in _NEEDS_BODY:
            return {}
        media_type = exchange.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != JSON:
            return Refusal(
                ErrorCode.QUOTE_VALIDATION_FAILED,
                f"Send the body as Content-Type: {JSON}.",
                {"supported": [JSON]},
                _UNSUPPORTED_MEDIA_TYPE,
            )
        try:
            return parse_object(raw)
        except MalformedBody as malformed:
            return Refusal(ErrorCode.QUOTE_VALIDATION_FAILED, str(malformed), {"reason": "body"})

    def _spell(self, exchange: Exchange, result: SaveResult) -> Answer:
        match result:
            case Saved():
                headers = {"etag": f'"{result.version}"'}
                if result.operation is Operation.CREATE:
                    headers["location"] = f"/api/agents/quotes/{result.quote_id}"
                return Answer(result.http_status, result.body(), headers)
            case Replayed():
                headers = {"etag": f'"{result.version}"', "idempotent-replayed": "true"}
                return Answer(result.http_status, result.body(), headers)
            case Refused():
                return refusal_to_answer(
                    exchange, result.refusal, result.refused_at, _hints(result.refusal)
                )


def _hints(refusal: Refusal) -> dict[str, str]:
    """A refused precondition says what the precondition should have been."""
    version = refusal.details.get("actualVersion")
    return {} if version is None else {"etag": f'"{version}"'}


def _save_request(
    exchange: Exchange,
    operation: Operation,
    identity: Identity | None,
    quote_id: UUID | None,
    body: Mapping[str, Any],
) -> SaveRequest:
    agent_id = None if identity is None else identity.agent_id
    return SaveRequest(
        operation=operation,
        agent_id=agent_id or UNKNOWN_AGENT,
        modified_by="" if identity is None else str(identity.account_id),
        correlation_id=exchange.correlation_id,
        attempt_id=exchange.attempt_id,
        started_at=exchange.started_at,
        received=exchange.received,
        quote_id=quote_id,
        body=body,
        if_match=exchange.headers.get("if-match"),
        query_version=exchange.query.get("version") if operation is Operation.DELETE else None,
        idempotency_key=exchange.headers.get("idempotency-key"),
        traceparent=exchange.traceparent,
        max_active_quotes=0 if identity is None else identity.max_active_quotes or 0,
    )
