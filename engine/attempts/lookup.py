"""From a pasted text to the attempts, the quote or the agent that it means.

`engine.attempts.pasted` says what the text may name, `engine.attempts.probes` asks the database
whether that is there; here the one is put to the other, and the answers into an order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg

from engine.attempts import mistyped
from engine.attempts.pasted import READ_MAX, Certainty, Clue, Kind, Pasted, read
from engine.attempts.probes import AttemptKey, By, Probes
from engine.correlation import PREFIX, has_valid_check
from engine.errors import TAXONOMY

__all__ = ["AttemptKey", "Certainty", "Found", "Hit", "Kind", "find"]

_BY: Final = {
    Kind.CORRELATION_ID: By.CORRELATION_ID,
    Kind.TRACE_ID: By.TRACE_ID,
    Kind.IDEMPOTENCY_KEY: By.IDEMPOTENCY_KEY,
}
# Among hits that are equally sure: the narrower comes first.
_ORDER: Final = (
    Kind.CORRELATION_ID,
    Kind.ATTEMPT_ID,
    Kind.IDEMPOTENCY_KEY,
    Kind.TRACE_ID,
    Kind.QUOTE_ID,
    Kind.QUOTE_NUMBER,
    Kind.CLIENT_ID,
    Kind.AGENT_ID,
    Kind.AGENT_EMAIL,
    Kind.ERROR_CODE,
)
# What nobody writes by chance. An id of 128 bits is read as many kinds, one of which counts it.
_NAMED: Final = frozenset({Kind.QUOTE_ID, Kind.QUOTE_NUMBER, Kind.AGENT_EMAIL})
# Hits of one kind that are told; more would be a list, not an answer.
_HITS_MAX: Final = 24
# Longer texts are no ids, whoever chose them.
_WHOLE_MAX: Final = 256
# A beginning that is as long as this and that one id has is not there by chance.
_TELLING_START: Final = 10
# An id reaches the ledger when its request does, soon after it was made.
_SOON: Final = timedelta(days=1)
_SKEW: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that a text may mean.

    Attributes:
        kind: what the text was taken for.
        certainty: how sure that is.
        reason: why, in words of ours.
        matched: what was found or guessed, as the database has it; may be anything that a caller
            sent.
        attempts: newest first, some dozens at most; of a quote those that made its newest versions.
        quote_id: of a quote.
        agent_id: of an agent, or whose the quote is.
    """

    kind: Kind
    certainty: Certainty
    reason: str
    matched: str
    attempts: tuple[AttemptKey, ...]
    quote_id: UUID | None = None
    agent_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a text may mean.

    Attributes:
        hits: the surest first.
        ignored: why there are none, in words; empty when there are some.
        unread: characters at the text's end that were not looked at.
        absent: ids, quote numbers and addresses in the text that nothing in the database has, while
            it has others; at most a few dozen.
    """

    hits: tuple[Hit, ...]
    ignored: str
    unread: int = 0
    absent: tuple[str, ...] = ()


def find(
    connection: psycopg.Connection[Any],
    text: str,
    now: datetime,
    *,
    agent_id: UUID | None = None,
) -> Found:
    """What a text may mean.

    Args:
        connection: of the application.
        text: anything; what is behind its first `READ_MAX` characters is not looked at.
        now: the present instant.
        agent_id: only this agent's data; everybody's if None.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    pasted = read(text, now)
    search = _Search(Probes(connection, agent_id), now)
    hits = [*search.sure(pasted.clues)]
    if not any(hit.kind is Kind.CORRELATION_ID for hit in hits):
        hits += search.as_it_is(text.strip())
        hits += search.meant(pasted.clues)
    # Each of these is only worth its look when what comes before has shown nothing.
    if not hits:
        hits += search.faint(pasted)
    if not hits:
        hits += search.started_so(pasted.clues)
    hits += search.at_times(pasted)
    if hits:
        return Found(_ranked(hits), "", pasted.unread, _absent(pasted.clues, hits))
    return Found((), _why_nothing(pasted, text), pasted.unread)


def _is_storable(text: str) -> bool:
    """Whether the database can have it: neither NUL nor half a character."""
    return "\0" not in text and text.encode(errors="ignore").decode() == text


class _Search:
    """Puts clues to the database."""

    def __init__(self, probes: Probes, now: datetime) -> None:
        self._probes = probes
        self._now = now

    def sure(self, clues: Sequence[Clue]) -> Iterator[Hit]:
        """What is there just as the text has it."""
        sure = [clue for clue in clues if not clue.is_start and clue.instead_of is None]
        for kind in _BY:
            yield from self._by_value([clue for clue in sure if clue.kind is kind])
        yield from self._attempts(clue for clue in sure if clue.kind is Kind.ATTEMPT_ID)
        agents = [*self._agents(sure)]
        yield from self._quotes(sure, {hit.agent_id for hit in agents})
        yield from self._clients(sure)
        yield from agents

    def as_it_is(self, text: str) -> Iterator[Hit]:
        """What has the whole text for its id: callers within the process may choose any."""
        if 0 < len(text) <= _WHOLE_MAX and _is_storable(text):
            found = self._probes.by_value(By.CORRELATION_ID, [text], self._now)
            for value, keys in found.items():
                yield Hit(Kind.CORRELATION_ID, Certainty.EXACT, "exact correlation id", value, keys)

    def meant(self, clues: Sequence[Clue]) -> Iterator[Hit]:
        """What is there of that which the text may mean."""
        meant = [clue for clue in clues if clue.instead_of is not None]
        yield from self._by_value(
            [*self._existing([clue for clue in meant if clue.made_at is not None])]
        )
        yield from self._by_value([clue for clue in meant if clue.made_at is None])

    def started_so(self, clues: Sequence[Clue]) -> Iterator[Hit]:
        """What is there that starts as something in the text."""
        for clue in clues:
            if not clue.is_start:
                continue
            ids = self._probes.by_start(clue.value)[:_HITS_MAX]
            found = self._probes.by_value(By.CORRELATION_ID, ids, self._now)
            is_one = len(found) == 1
            is_telling = is_one and len(clue.value) >= _TELLING_START
            certainty = Certainty.LIKELY if is_telling else Certainty.GUESS
            reason = "the only id that starts so" if is_one else "one of the ids that start so"
            for value, keys in sorted(
                found.items(), key=lambda item: item[1][0].started_at, reverse=True
            ):
                yield Hit(clue.kind, certainty, f"{reason}: {clue.value}…", value, keys)

    def faint(self, pasted: Pasted) -> Iterator[Hit]:
        """What is there of the words that are hardly ids."""
        yield from self._by_value(pasted.faint)

    def at_times(self, pasted: Pasted) -> Iterator[Hit]:
        """Attempts with the codes that were named, when the text says."""
        for span in pasted.spans:
            keys = self._probes.by_code(TAXONOMY[span.code].number, span.start, span.end)
            if keys:
                certainty = Certainty.LIKELY if span.has_time else Certainty.GUESS
                reason = f"attempts with this code {span.told}"
                yield Hit(Kind.ERROR_CODE, certainty, reason, span.code.value, keys)

    def _by_value(self, clues: Sequence[Clue]) -> Iterator[Hit]:
        by_kind: dict[Kind, list[Clue]] = {}
        for clue in clues:
            by_kind.setdefault(clue.kind, []).append(clue)
        for kind, of_kind in by_kind.items():
            values = [clue.value for clue in of_kind]
            found = self._probes.by_value(_BY[kind], values, self._now)
            for clue in of_kind:
                if keys := found.get(clue.value):
                    yield _hit(clue, keys)

    def _existing(self, clues: Sequence[Clue]) -> Iterator[Clue]:
        """Those of many guessed ids that are there, asked for around the times that they hold."""
        for span in _spans_of(clues):
            start = min(made_at for made_at, _ in span) - _SKEW
            end = max(made_at for made_at, _ in span) + _SOON
            ids = [clue.value for _, clue in span]
            there = self._probes.existing(ids, start, end)
            yield from (clue for _, clue in span if clue.value in there)

    def _attempts(self, clues: Iterable[Clue]) -> Iterator[Hit]:
        for clue in clues:
            if clue.made_at is not None and mistyped.is_plausible(clue.made_at, self._now):
                keys = self._probes.by_id(UUID(clue.value), clue.made_at)
                if keys:
                    yield _hit(clue, keys)

    def _quotes(self, clues: Sequence[Clue], named: set[UUID | None]) -> Iterator[Hit]:
        by_id = {clue.value: clue for clue in clues if clue.kind is Kind.QUOTE_ID}
        for key in self._probes.quotes_by_id([*by_id]):
            attempts = self._probes.of_quote(key.agent_id, key.id)
            yield _hit(by_id[key.asked], attempts, key.id, key.agent_id)
        for clue in clues:
            if clue.kind is not Kind.QUOTE_NUMBER:
                continue
            keys = self._probes.quotes_by_number([clue.value])
            # Each agent counts its own quotes, so that a number alone is not one quote.
            chosen = [key for key in keys if key.agent_id in named] or keys
            for key in chosen[:_HITS_MAX]:
                attempts = self._probes.of_quote(key.agent_id, key.id)
                hit = _hit(clue, attempts, key.id, key.agent_id)
                if len(chosen) > 1:
                    reason = f"{clue.reason}, but several agents have a quote of this number"
                    hit = replace(hit, certainty=Certainty.GUESS, reason=reason)
                yield hit

    def _clients(self, clues: Sequence[Clue]) -> Iterator[Hit]:
        by_id = {clue.value: clue for clue in clues if clue.kind is Kind.CLIENT_ID}
        for agent_id, client_id in self._probes.clients([*by_id]):
            attempts = self._probes.of_client(agent_id, client_id)
            yield _hit(by_id[str(client_id)], attempts, agent_id=agent_id)

    def _agents(self, clues: Sequence[Clue]) -> Iterator[Hit]:
        by_id = {clue.value: clue for clue in clues if clue.kind is Kind.AGENT_ID}
        for agent_id in self._probes.agents_by_id([*by_id]):
            attempts = self._probes.of_agent(agent_id)
            yield _hit(by_id[str(agent_id)], attempts, agent_id=agent_id)
        by_email = {clue.value: clue for clue in clues if clue.kind is Kind.AGENT_EMAIL}
        for agent_id, email in self._probes.agents_by_email([*by_email]):
            attempts = self._probes.of_agent(agent_id)
            yield _hit(by_email[email], attempts, agent_id=agent_id)


def _hit(
    clue: Clue,
    attempts: tuple[AttemptKey, ...],
    quote_id: UUID | None = None,
    agent_id: UUID | None = None,
) -> Hit:
    return Hit(clue.kind, clue.certainty, clue.reason, clue.value, attempts, quote_id, agent_id)


def _spans_of(clues: Sequence[Clue]) -> list[list[tuple[datetime, Clue]]]:
    """Guessed ids by the times that they hold: those that are close together in one look."""
    timed = sorted(
        ((clue.made_at, clue) for clue in clues if clue.made_at is not None),
        key=lambda each: each[0],
    )
    spans: list[list[tuple[datetime, Clue]]] = []
    for each in timed:
        if spans and each[0] - spans[-1][-1][0] <= _SOON:
            spans[-1].append(each)
        else:
            spans.append([each])
    return spans


def _ranked(hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """The surest first; what says no more than a surer one is left out."""
    ordered = sorted(hits, key=lambda hit: (hit.certainty, _ORDER.index(hit.kind)))
    told: set[AttemptKey] = set()
    kept: list[Hit] = []
    for hit in ordered:
        is_news = not hit.attempts or not told.issuperset(hit.attempts)
        if is_news or hit.quote_id is not None or hit.agent_id is not None:
            kept.append(hit)
            told.update(hit.attempts)
    return tuple(kept)


def _absent(clues: Sequence[Clue], hits: Sequence[Hit]) -> tuple[str, ...]:
    """What the text names beyond doubt, and the database does not have."""
    there = {_bare(hit.matched) for hit in hits}
    named = (
        clue.value
        for clue in clues
        if clue.instead_of is None
        and not clue.is_start
        and (
            clue.kind in _NAMED
            or (clue.kind is Kind.CORRELATION_ID and has_valid_check(clue.value))
        )
    )
    return tuple(dict.fromkeys(value for value in named if _bare(value) not in there))


def _bare(value: str) -> str:
    """An id however it is written: a trace id is a UUID without its hyphens."""
    return value.replace("-", "").lower()


def _why_nothing(pasted: Pasted, text: str) -> str:
    if not text.strip():
        return "Nothing was given."
    said = _of_what_was_read(pasted)
    if pasted.unread:
        said += (
            f" Only the first {READ_MAX:,} characters were looked at; {pasted.unread:,} were not."
        )
    return said


def _of_what_was_read(pasted: Pasted) -> str:
    ours = [clue for clue in pasted.clues if clue.made_at and clue.value.startswith(PREFIX)]
    right = [clue for clue in ours if clue.instead_of is None]
    if right:
        made_at = right[0].made_at
        at = "" if made_at is None else f"{made_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        return (
            f"{right[0].value} is spelled right and was made at {at}, but no attempt has it: it was"
            " not a request to save, or its day has been dropped from the ledger."
        )
    if ours:
        return "A correlation id in it is mistyped, and no attempt has one that it may have been."
    if pasted.clues or pasted.faint or pasted.spans:
        return "Nothing that it may name is in the database: no attempt, no quote, no agent."
    return (
        "There is nothing to look for in it: an id, or at least the first six characters of one,"
        " a quote number, an agent's e-mail address, or an error code."
    )
