"""What the page of a quote reads, each as one question that all its viewers share; see `memory`.

Records may be large: what is kept of them is what the page shows.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, TypeVar
from uuid import UUID

import psycopg

from dashboard import engine_in_process, quote_words
from dashboard.memory import Known, Read, recall
from dashboard.quote_address import Span
from dashboard.viewer import Viewer
from engine.attempts import of_quote
from engine.attempts.of_quote import Attempts, Gaps, Place, QuoteAttempt
from engine.integrity import one_quote, repricing
from engine.integrity.one_quote import QuoteCheck
from engine.quotes import versions
from engine.quotes.difference import Difference, difference
from engine.quotes.record import QuoteRecord
from engine.quotes.versions import VERSION_MAX, Version

VERSIONS: Final = 20
# Attempts between two versions that are shown on the page of all.
BETWEEN: Final = 3

T = TypeVar("T")


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
    """Some versions of a quote, and what was attempted between them.

    Attributes:
        entries: the versions, newest first.
        has_older: whether there are older ones.
        gaps: attempts that made no version, by the instants of these versions.
    """

    entries: tuple[TimelineEntry, ...]
    has_older: bool
    gaps: Gaps


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


def find(viewer: Viewer, agent_id: UUID | None, quote_id: UUID) -> Known[Found]:
    """A quote as it stands, deleted ones too; another agent's is not there for who may not see it.

    Args:
        viewer: who asks.
        agent_id: whose; if None it is the viewer's own, or looked for around the instant in the
            quote's id.
        quote_id: which.

    Raises:
        RuntimeError: this process has no engine.
    """
    runtime = engine_in_process.runtime()
    named = agent_id or viewer.agent_id

    def read(connection: psycopg.Connection[Any]) -> Found:
        whose = named or of_quote.agent_of(connection, quote_id)
        is_shown = whose is not None and viewer.may_see(whose)
        quote = versions.read_quote(connection, whose, quote_id) if whose and is_shown else None
        return Found(whose, quote, runtime.clock.now())

    # By what may be seen, not by who: all who may see the same share it.
    return recall(runtime, ("quote", viewer.agent_id, named, quote_id), read)


def timeline(
    viewer: Viewer, agent_id: UUID, quote_id: UUID, since: datetime, before: int | None
) -> Known[Timeline]:
    """Versions of a quote, newest first, and the attempts between them that made none.

    Args:
        viewer: who asks.
        agent_id: whose quote.
        quote_id: which.
        since: when it was made.
        before: only versions below this one.

    Raises:
        RuntimeError: this process has no engine.
        PermissionError: the viewer may not see this agent's data.
    """

    def read(connection: psycopg.Connection[Any]) -> Timeline:
        # One more than is shown: the oldest one differs from something, too.
        page, has_older = versions.read_versions(
            connection, agent_id, quote_id, most=VERSIONS + 1, before=before or VERSION_MAX
        )
        shown = page if len(page) <= VERSIONS and not has_older else page[:-1] or page
        attempts = of_quote.by_keys(connection, agent_id, list(_keys(shown)))
        is_cut = has_older or len(shown) < len(page)
        instants = sorted(each.modified_at for each in shown)
        above = None if before is None else _made_at(connection, agent_id, quote_id, before)
        gaps = (
            of_quote.between(
                connection,
                agent_id,
                quote_id,
                instants,
                # What is older stands on the page of the older versions.
                since=instants[0] if is_cut else min(since, instants[0]),
                until=above,
                most=BETWEEN,
            )
            if instants
            else Gaps((), None)
        )
        return Timeline(
            tuple(_entries(page, has_older=has_older, attempts=attempts))[: len(shown)],
            is_cut,
            gaps,
        )

    return _recall(viewer, agent_id, ("quote versions", quote_id, since, before), read)


def compare(viewer: Viewer, agent_id: UUID, quote_id: UUID, older: int, newer: int) -> Known[Pair]:
    """What differs between two versions.

    Raises:
        RuntimeError: this process has no engine.
        PermissionError: the viewer may not see this agent's data.
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

    return _recall(viewer, agent_id, ("quote pair", quote_id, older, newer), read)


def without_version(
    viewer: Viewer,
    agent_id: UUID,
    quote_id: UUID,
    span: Span,
    since: datetime,
    before: Place | None,
) -> Known[Attempts]:
    """The attempts between two versions of a quote that made none, newest first.

    Args:
        viewer: who asks.
        agent_id: whose quote.
        quote_id: which.
        span: between which versions.
        since: when the quote was made.
        before: only attempts older than this one.

    Raises:
        RuntimeError: this process has no engine.
        PermissionError: the viewer may not see this agent's data.
    """

    def read(connection: psycopg.Connection[Any]) -> Attempts:
        start, end = (
            None if each is None else _made_at(connection, agent_id, quote_id, each)
            for each in span
        )
        # The id sorts before any that there is: what started at the end is not before it.
        until = before if end is None or before is not None else (end, UUID(int=0))
        return of_quote.without_version(
            connection, agent_id, quote_id, since=start or since, before=until
        )

    return _recall(viewer, agent_id, ("quote attempts", quote_id, span, since, before), read)


def check(viewer: Viewer, agent_id: UUID, quote_id: UUID) -> Known[QuoteCheck]:
    """What the integrity rules say of a quote.

    Raises:
        RuntimeError: this process has no engine.
        PermissionError: the viewer may not see this agent's data.
    """
    clock = engine_in_process.runtime().clock
    return _recall(
        viewer,
        agent_id,
        ("quote rules", quote_id),
        lambda connection: one_quote.check(connection, clock, agent_id, quote_id),
    )


def _recall(
    viewer: Viewer, agent_id: UUID, question: tuple[Hashable, ...], read: Read[T]
) -> Known[T]:
    """What is known of an agent's quote; nothing of it is asked for who may not see it."""
    if not viewer.may_see(agent_id):
        raise PermissionError(agent_id)
    return recall(engine_in_process.runtime(), (agent_id, *question), read)


def _made_at(
    connection: psycopg.Connection[Any], agent_id: UUID, quote_id: UUID, version: int
) -> datetime | None:
    """When a version was made; None if the quote has no such version."""
    found = versions.read_version(connection, agent_id, quote_id, version)
    return None if found is None else found.modified_at


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
