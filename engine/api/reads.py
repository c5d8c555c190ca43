"""The calls that read: one quote, a page of quotes, a page of a quote's history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import msgspec
import psycopg
from psycopg_pool import PoolTimeout

from engine.api.exchange import Answer, Exchange, refusal_to_answer
from engine.api.gate import Admission, Gate, headers_of
from engine.api.listing import (
    cursor_of,
    cursor_of_revision,
    read_history_listing,
    read_listing,
)
from engine.api.refused_reads import RefusedReads
from engine.clock import Clock
from engine.database.sqlstate import classify
from engine.errors import Refusal
from engine.payload import encode
from engine.quotes.lifecycle import quote_not_found
from engine.quotes.record import QuoteRecord
from engine.quotes.shape import parse_uuid
from engine.quotes.store import QuoteStore, Revision
from engine.saving.refusals import from_failure

_OK, _NOT_MODIFIED = 200, 304


class QuoteAnswer(msgspec.Struct, rename="camel"):
    """Body of one quote."""

    success: bool
    correlation_id: str
    quote: QuoteRecord


class PageAnswer(msgspec.Struct, rename="camel"):
    """Body of a page of quotes."""

    success: bool
    correlation_id: str
    quotes: list[QuoteRecord]
    next_cursor: str | None


class HistoryAnswer(msgspec.Struct, rename="camel"):
    """Body of a page of a quote's history, newest first."""

    success: bool
    correlation_id: str
    quote_id: UUID
    revisions: list[Revision]
    next_cursor: str | None


class Reads:
    """Answers the calls that read; runs in a read thread, not on the event loop."""

    def __init__(self, quotes: QuoteStore, gate: Gate, refused: RefusedReads, clock: Clock) -> None:
        self._quotes = quotes
        self._gate = gate
        self._refused = refused
        self._clock = clock

    def quote(self, exchange: Exchange, quote_id: str) -> Answer:
        """One quote, or 304 when the caller has this version already."""
        known = parse_uuid(quote_id)
        return self._guarded(
            exchange, lambda agent_id: self._quote(exchange, agent_id, known), known
        )

    def page(self, exchange: Exchange) -> Answer:
        """A page of the agent's quotes, newest first."""
        return self._guarded(exchange, lambda agent_id: self._page(exchange, agent_id), None)

    def history(self, exchange: Exchange, quote_id: str) -> Answer:
        """A page of a quote's versions, newest first."""
        known = parse_uuid(quote_id)
        return self._guarded(
            exchange, lambda agent_id: self._history(exchange, agent_id, known), known
        )

    def _guarded(
        self,
        exchange: Exchange,
        read: Callable[[UUID], Answer | Refusal],
        quote_id: UUID | None,
    ) -> Answer:
        admission = self._gate.admit(exchange, saves=False)
        answer = self._read(admission, read)
        if isinstance(answer, Refusal):
            self._refused.note(exchange, admission.identity, answer, quote_id)
            answer = refusal_to_answer(exchange, answer, self._clock.now(), {})
        limit = headers_of(admission.standing)
        return replace(answer, headers={**answer.headers, **limit}) if limit else answer

    def _read(
        self, admission: Admission, read: Callable[[UUID], Answer | Refusal]
    ) -> Answer | Refusal:
        if admission.refusal is not None:
            return admission.refusal
        if admission.identity is None or admission.identity.agent_id is None:
            return quote_not_found()
        try:
            return read(admission.identity.agent_id)
        except (psycopg.Error, PoolTimeout) as error:
            return from_failure(classify(error, write_was_sent=False).code)

    def _quote(self, exchange: Exchange, agent_id: UUID, quote_id: UUID | None) -> Answer | Refusal:
        quote = None if quote_id is None else self._quotes.get(agent_id, quote_id)
        if quote is None:
            return quote_not_found()
        headers = {"etag": f'"{quote.version}"'}
        if _names(exchange.headers.get("if-none-match"), headers["etag"]):
            return Answer(_NOT_MODIFIED, b"", headers)
        body = QuoteAnswer(success=True, correlation_id=exchange.correlation_id, quote=quote)
        return Answer(_OK, encode(body), headers)

    def _page(self, exchange: Exchange, agent_id: UUID) -> Answer | Refusal:
        asked = read_listing(exchange.query)
        if isinstance(asked, Refusal):
            return asked
        page = self._quotes.page(
            agent_id,
            limit=asked.limit,
            status=asked.status,
            client_id=asked.client_id,
            before=asked.before,
        )
        body = PageAnswer(
            success=True,
            correlation_id=exchange.correlation_id,
            quotes=list(page.quotes),
            next_cursor=None if page.next_after is None else cursor_of(page.next_after),
        )
        return Answer(_OK, encode(body))

    def _history(
        self, exchange: Exchange, agent_id: UUID, quote_id: UUID | None
    ) -> Answer | Refusal:
        asked = read_history_listing(exchange.query)
        if isinstance(asked, Refusal):
            return asked
        if quote_id is None:
            return quote_not_found()
        page = self._quotes.history(agent_id, quote_id, limit=asked.limit, before=asked.before)
        if page is None:
            return quote_not_found()
        body = HistoryAnswer(
            success=True,
            correlation_id=exchange.correlation_id,
            quote_id=quote_id,
            revisions=list(page.revisions),
            next_cursor=None if page.next_after is None else cursor_of_revision(page.next_after),
        )
        return Answer(_OK, encode(body))


def _names(header: str | None, tag: str) -> bool:
    """Whether If-None-Match names this tag; weak tags compare equal here (RFC 9110, 13.1.2)."""
    if header is None:
        return False
    return header.strip() == "*" or tag in (
        each.strip().removeprefix("W/") for each in header.split(",")
    )
