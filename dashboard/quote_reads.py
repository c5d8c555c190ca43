"""What the page of a quote reads, each as one question that all its viewers share; see `memory`.

Records may be large: what is kept of them is what the page shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

import psycopg

from dashboard import engine_in_process, quote_words
from dashboard.memory import Known, recall
from engine.attempts import of_quote
from engine.attempts.of_quote import Attempts, Place, QuoteAttempt
from engine.integrity import one_quote, repricing
from engine.integrity.one_quote import QuoteCheck
from engine.quotes import versions
from engine.quotes.difference import Difference, difference
from engine.quotes.record import QuoteRecord
from engine.quotes.versions import VERSION_MAX, Version

VERSIONS: Final = 20


@dataclass(frozen=True, slots=True)
class Found:
    """A quote as it stands.

    Attributes:
        agent_id: whose it is; None where nobody could tell.
        quote: None when that agent has no such quote.
        read_at: when this was read.
    """

    agent_id: UUID | None
    quote: QuoteRecord | None
    read_at: datetime


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """A version in a quote's history; its record is left out.

    Attributes:
        version: as it is stored, without its record.
        is_readable: whether its snapshot is one of a quote.
        changed: what differs from the version before it, in words.
        before: the number of that version; None of the first, and where it is not known.
        currency: of its amounts; empty where it cannot be read.
        price: the components as stored, by name, without the policy.
        disagreement: why the price does not follow from the items, see `repricing`; None if it
            does.
        attempt: that made it; None where there is none, or retention has dropped it.
    """

    version: Version
    is_readable: bool
    changed: str
    before: int | None
    currency: str
    price: Mapping[str, Any]
    disagreement: Mapping[str, Any] | None
    attempt: QuoteAttempt | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """Some versions of a quote, newest first, and whether there are older ones."""

    entries: tuple[TimelineEntry, ...]
    has_older: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """Two versions and what differs between them.

    Attributes:
        older: None when there is no such version, or it cannot be read.
        newer: likewise.
        difference: None unless both are known.
    """

    older: QuoteRecord | None
    newer: QuoteRecord | None
    difference: Difference | None


def find(agent_id: UUID | None, quote_id: UUID) -> Known[Found]:
    """A quote as it stands, deleted ones too.

    Args:
        agent_id: whose; if None it is looked for around the instant in the quote's id.
        quote_id: which.

    Raises:
        RuntimeError: this process has no engine.
    """
    runtime = engine_in_process.runtime()

    def read(connection: psycopg.Connection[Any]) -> Found:
        whose = agent_id or of_quote.agent_of(connection, quote_id)
        quote = None if whose is None else versions.read_quote(connection, whose, quote_id)
        return Found(whose, quote, runtime.clock.now())

    return recall(runtime, ("quote", agent_id, quote_id), read)


def timeline(agent_id: UUID, quote_id: UUID, before: int | None) -> Known[Timeline]:
    """Versions of a quote, newest first, each with what it changed and what it should cost.

    Args:
        agent_id: whose quote.
        quote_id: which.
        before: only versions below this one.

    Raises:
        RuntimeError: this process has no engine.
    """

    def read(connection: psycopg.Connection[Any]) -> Timeline:
        # One more than is shown: the oldest one differs from something, too.
        page, has_older = versions.read_versions(
            connection, agent_id, quote_id, most=VERSIONS + 1, before=before or VERSION_MAX
        )
        shown = page if len(page) <= VERSIONS and not has_older else page[:-1] or page
        attempts = of_quote.by_keys(connection, agent_id, list(_keys(shown)))
        return Timeline(
            tuple(_entries(page, has_older=has_older, attempts=attempts))[: len(shown)],
            has_older or len(shown) < len(page),
        )

    return recall(engine_in_process.runtime(), ("quote versions", agent_id, quote_id, before), read)


def compare(agent_id: UUID, quote_id: UUID, older: int, newer: int) -> Known[Pair]:
    """What differs between two versions.

    Raises:
        RuntimeError: this process has no engine.
    """

    def read(connection: psycopg.Connection[Any]) -> Pair:
        before, after = (
            None if found is None else found.record
            for found in (
                versions.read_version(connection, agent_id, quote_id, each)
                for each in (older, newer)
            )
        )
        both = None if before is None or after is None else difference(before, after)
        return Pair(before, after, both)

    return recall(
        engine_in_process.runtime(), ("quote pair", agent_id, quote_id, older, newer), read
    )


def without_version(
    agent_id: UUID, quote_id: UUID, since: datetime, before: Place | None
) -> Known[Attempts]:
    """The attempts on a quote that made no version of it, newest first.

    Args:
        agent_id: whose quote.
        quote_id: which.
        since: when it was made.
        before: only attempts older than this one.

    Raises:
        RuntimeError: this process has no engine.
    """
    return recall(
        engine_in_process.runtime(),
        ("quote attempts", agent_id, quote_id, since, before),
        lambda connection: of_quote.without_version(
            connection, agent_id, quote_id, since=since, before=before
        ),
    )


def check(agent_id: UUID, quote_id: UUID) -> Known[QuoteCheck]:
    """What the integrity rules say of a quote.

    Raises:
        RuntimeError: this process has no engine.
    """
    runtime = engine_in_process.runtime()
    return recall(
        runtime,
        ("quote rules", agent_id, quote_id),
        lambda connection: one_quote.check(connection, runtime.clock, agent_id, quote_id),
    )


def _keys(page: Sequence[Version]) -> list[Place]:
    return [
        (each.attempt_started_at, each.attempt_id)
        for each in page
        if each.attempt_started_at is not None and each.attempt_id is not None
    ]


def _entries(
    page: Sequence[Version], *, has_older: bool, attempts: Mapping[UUID, QuoteAttempt]
) -> list[TimelineEntry]:
    """Every version of a page beside the one before it."""
    pairs = [*pairwise(page), (page[-1], None)] if page else []
    return [
        _entry(
            each,
            before,
            is_first=before is None and not has_older,
            attempt=None if each.attempt_id is None else attempts.get(each.attempt_id),
        )
        for each, before in pairs
    ]


def _entry(
    each: Version, before: Version | None, *, is_first: bool, attempt: QuoteAttempt | None
) -> TimelineEntry:
    record = each.record
    stored = None if record is None else repricing.stored_record(record)
    return TimelineEntry(
        version=each._replace(record=None),
        is_readable=record is not None,
        changed=quote_words.changed(each, before, is_first=is_first),
        before=None if before is None else before.version,
        currency="" if record is None else record.currency,
        price={} if stored is None else stored.price._asdict(),
        disagreement=None if stored is None else repricing.disagreement(stored),
        attempt=attempt,
    )
