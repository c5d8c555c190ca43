"""The calls that save: from an exchange to a save request, and back to an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, assert_never
from uuid import UUID

from engine.access.canaries import is_canary
from engine.access.identities import Identity
from engine.api.exchange import Answer, Exchange, Unread, refusal_to_answer
from engine.api.gate import Admission, Gate, headers_of
from engine.api.media import JSON, is_json, is_plain
from engine.attempts.outcome import UNKNOWN_AGENT, Source
from engine.errors import ErrorCode, Refusal
from engine.payload import MalformedBody, parse_object
from engine.quotes.lifecycle import Operation, quote_not_found
from engine.quotes.shape import parse_uuid
from engine.saving.answer import Refused, Replayed, Saved, SaveResult
from engine.saving.refusals import from_failure
from engine.saving.request import SaveRequest, read_request
from engine.saving.save import Reporter, Saver
from engine.settings import Settings

_CREATED, _REQUEST_TIMEOUT, _TOO_LARGE, _UNSUPPORTED_MEDIA_TYPE = 201, 408, 413, 415

_NOBODY: Final = Admission(None, None)

# These make no sense without a body; the others may come without one.
_NEEDS_BODY: Final = frozenset({Operation.CREATE, Operation.UPDATE})


class Writes:
    """Answers the calls that save; runs in a save thread, not on the event loop."""

    def __init__(self, saver: Saver, gate: Gate, settings: Settings, report: Reporter) -> None:
        self._saver = saver
        self._gate = gate
        self._settings = settings
        self._report = report

    def answer(self, exchange: Exchange, operation: Operation, quote_id: str | None) -> Answer:
        """Admits, reads, saves and answers; every way through leaves one attempt."""
        admission = _NOBODY
        try:
            admission = self._gate.admit(exchange, saves=True)
            request, refusal = self._read(exchange, admission, operation, quote_id)
        except Exception as error:  # noqa: BLE001  # a bug of ours is an attempt all the same
            self._report(exchange.correlation_id, error)
            request = _save_request(exchange, operation, None, None, None)
            refusal = from_failure(ErrorCode.INTERNAL_ERROR)
        result = (
            self._saver.save(request) if refusal is None else self._saver.refuse(request, refusal)
        )
        answer, limit = self._spell(exchange, result), headers_of(admission.standing)
        return replace(answer, headers={**answer.headers, **limit}) if limit else answer

    def _read(
        self,
        exchange: Exchange,
        admission: Admission,
        operation: Operation,
        quote_id: str | None,
    ) -> tuple[SaveRequest, Refusal | None]:
        """What is asked, and the refusal if the engine need not look at it."""
        identity, refusal, _ = admission
        target = None if quote_id is None else parse_uuid(quote_id)
        body: Mapping[str, Any] | None = None
        if refusal is None:
            read = self._read_body(exchange, operation)
            if isinstance(read, Refusal):
                refusal = read
            else:
                body = read
        request = _save_request(exchange, operation, identity, target, body)
        if refusal is None and quote_id is not None and target is None:
            # An id that can be nobody's is as good as an absent one: the shape comes first.
            wrong = read_request(request)
            refusal = wrong if isinstance(wrong, Refusal) else quote_not_found()
        return request, refusal

    def _read_body(self, exchange: Exchange, operation: Operation) -> Mapping[str, Any] | Refusal:
        raw = exchange.body
        if isinstance(raw, Unread):
            return self._unread(raw)
        if not raw and operation not in _NEEDS_BODY:
            return {}
        if not is_json(exchange.headers.get("content-type", "")):
            return Refusal(
                ErrorCode.QUOTE_VALIDATION_FAILED,
                f"Send the body as Content-Type: {JSON}, in UTF-8.",
                {"supported": [JSON]},
                _UNSUPPORTED_MEDIA_TYPE,
            )
        if not is_plain(exchange.headers.get("content-encoding", "")):
            return Refusal(
                ErrorCode.QUOTE_VALIDATION_FAILED,
                "Send the body as it is, without a Content-Encoding.",
                {"supportedEncodings": ["identity"]},
                _UNSUPPORTED_MEDIA_TYPE,
            )
        try:
            return parse_object(raw)
        except MalformedBody as malformed:
            return Refusal(ErrorCode.QUOTE_VALIDATION_FAILED, str(malformed), {"reason": "body"})

    def _unread(self, why: Unread) -> Refusal:
        match why:
            case Unread.TOO_LARGE:
                limit = self._settings.body_limit
                return Refusal(
                    ErrorCode.QUOTE_VALIDATION_FAILED,
                    f"The body is larger than {limit} bytes.",
                    {"limitBytes": limit},
                    _TOO_LARGE,
                )
            case Unread.TOO_SLOW:
                seconds = self._settings.body_time.total_seconds()
                return Refusal(
                    ErrorCode.QUOTE_VALIDATION_FAILED,
                    f"The body did not arrive within {seconds:g} seconds; send it again.",
                    {"limitSeconds": seconds},
                    _REQUEST_TIMEOUT,
                )
            case _:
                assert_never(why)

    def _spell(self, exchange: Exchange, result: SaveResult) -> Answer:
        match result:
            case Saved():
                return Answer(result.http_status, result.body(), _place_of(result))
            case Replayed():
                headers = {**_place_of(result), "idempotent-replayed": "true"}
                return Answer(result.http_status, result.body(), headers)
            case Refused():
                return refusal_to_answer(
                    exchange, result.refusal, result.refused_at, _hints(result.refusal)
                )


def _place_of(result: Saved | Replayed) -> dict[str, str]:
    """The headers that say where the quote stands; the same on a replay as the first time."""
    headers = {"etag": f'"{result.version}"'}
    if result.http_status == _CREATED:
        headers["location"] = f"/api/agents/quotes/{result.quote_id}"
    return headers


def _hints(refusal: Refusal) -> dict[str, str]:
    """A refused precondition or encoding says what it should have been."""
    hints: dict[str, str] = {}
    if "actualVersion" in refusal.details:
        hints["etag"] = f'"{refusal.details["actualVersion"]}"'
    if "supportedEncodings" in refusal.details:
        hints["accept-encoding"] = ", ".join(refusal.details["supportedEncodings"])
    return hints


def _save_request(
    exchange: Exchange,
    operation: Operation,
    identity: Identity | None,
    quote_id: UUID | None,
    body: Mapping[str, Any] | None,
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
        body=body or {},
        is_body_known=body is not None,
        if_match=exchange.headers.get("if-match"),
        query_version=exchange.query.get("version") if operation is Operation.DELETE else None,
        idempotency_key=exchange.headers.get("idempotency-key"),
        traceparent=exchange.traceparent,
        # A caller has no say in it: what counts as live is not for whoever sends it to decide.
        source=Source.SYNTHETIC
        if identity is not None and is_canary(identity.account_id)
        else Source.LIVE,
        max_active_quotes=0 if identity is None else identity.max_active_quotes or 0,
    )
