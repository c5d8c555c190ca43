"""Looks into the database for what a text may name, each by an index.

Nothing here reads a day of the ledger. What an id alone does not find by an index is found by the
time that the id holds, and what is sharded by agent is asked for agent by agent: there are few.
Statements with values written into them drop the other days before they are planned; the rest are
the same each time, so that they are prepared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from engine.attempts.partitions import day_start

# Attempts that are told of one thing; nobody reads more.
ATTEMPTS_MAX: Final = 24
# Rows that are read for them. A caller may send one id with everything it does.
_ROWS_MAX: Final = 200
# Attempts with a code that are looked through for those of one agent.
_CODES_LOOKED_AT: Final = 500
# Days that are looked through for the newest of more.
_DAYS_BACK: Final = 14
_QUOTES_OF_CLIENT: Final = 8
# Whoever makes an attempt's id looks at the clock right afterwards, which may be set meanwhile.
_BEFORE: Final = timedelta(seconds=2)
_AFTER: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class AttemptKey:
    """The primary key of an attempt."""

    agent_id: UUID
    started_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class QuoteKey:
    """The primary key of a quote, and what was asked for."""

    agent_id: UUID
    id: UUID
    asked: str


class By(Enum):
    """What attempts are found by, as the ledger has it; each has an index."""

    CORRELATION_ID = "a.correlation_id"
    TRACE_ID = "substr(a.traceparent, 4, 32)"
    IDEMPOTENCY_KEY = "a.idempotency_key"


# What the partial indexes are about.
_GIVEN: Final = {
    By.CORRELATION_ID: sql.SQL(""),
    By.TRACE_ID: sql.SQL("AND a.traceparent IS NOT NULL"),
    By.IDEMPOTENCY_KEY: sql.SQL("AND a.idempotency_key IS NOT NULL"),
}
_BY_VALUE: Final = """
    SELECT given.value, a.agent_id, a.started_at, a.id
    FROM unnest(%(values)s::text[]) AS given (value)
    CROSS JOIN LATERAL (
        SELECT a.agent_id, a.started_at, a.id
        FROM attempt AS a
        WHERE {column} = given.value {given} {of_agent}
        LIMIT {most}
    ) AS a
"""
# Backwards through the index, in which rows of one value stand in the order they were added in. An
# equality would let the planner drop the order.
_NEWEST_BY_VALUE: Final = """
    SELECT a.agent_id, a.started_at, a.id
    FROM attempt AS a
    WHERE {column} ~>=~ {value} AND {column} ~<=~ {value} {given} {of_agent}
        AND a.started_at >= {start} AND a.started_at < {end}
    ORDER BY {column} USING ~>~
    LIMIT {most}
"""
# Ids of ours sort by time, so the last of those that start alike are the newest.
_BY_START: Final = """
    SELECT a.correlation_id
    FROM attempt AS a
    WHERE a.correlation_id ~>=~ %(first)s AND a.correlation_id ~<~ %(end)s {of_agent}
    ORDER BY a.correlation_id USING ~>~
    LIMIT {most}
"""
_EXISTING: Final = """
    SELECT DISTINCT a.correlation_id
    FROM attempt AS a
    WHERE a.correlation_id = ANY ({values})
        AND a.started_at >= {start} AND a.started_at < {end} {of_agent}
"""
_BY_ID: Final = """
    SELECT a.agent_id, a.started_at, a.id
    FROM attempt AS a
    WHERE a.started_at >= {start} AND a.started_at < {end} AND a.id = {id} {of_agent}
    LIMIT {most}
"""
_BY_CODE: Final = """
    SELECT a.agent_id, a.started_at, a.id
    FROM (
        SELECT a.agent_id, a.started_at, a.id
        FROM attempt AS a
        WHERE a.error_code = {code} AND a.started_at >= {start} AND a.started_at < {end}
        ORDER BY a.started_at DESC
        LIMIT {looked_at}
    ) AS a
    WHERE true {of_agent}
    LIMIT {most}
"""
_OF_AGENT: Final = """
    SELECT a.agent_id, a.started_at, a.id
    FROM attempt AS a
    WHERE a.agent_id = %(agent_id)s
    ORDER BY a.started_at DESC, a.id DESC
    LIMIT {most}
"""
# The limit keeps each step a look into the index that starts with the agent.
_QUOTES: Final = """
    SELECT found.agent_id, found.id, given.value
    FROM unnest(%(values)s::text[]) AS given (value)
    CROSS JOIN agent
    CROSS JOIN LATERAL (
        SELECT q.agent_id, q.id
        FROM quote AS q
        WHERE q.agent_id = agent.id AND q.{column} = given.value::{type}
        LIMIT 1
    ) AS found
    {of_agent}
    ORDER BY found.id DESC
    LIMIT {most}
"""
_CLIENTS: Final = """
    SELECT found.agent_id, found.id
    FROM unnest(%(values)s::uuid[]) AS given (value)
    CROSS JOIN agent
    CROSS JOIN LATERAL (
        SELECT c.agent_id, c.id
        FROM client AS c
        WHERE c.agent_id = agent.id AND c.id = given.value
        LIMIT 1
    ) AS found
    {of_agent}
"""
# Quotes are not numbered by attempt: their revisions know which attempts made them.
_OF_QUOTE: Final = """
    SELECT found.agent_id, found.started_at, found.id
    FROM (
        SELECT r.attempt_id, r.attempt_started_at
        FROM quote_revision AS r
        WHERE r.agent_id = %(agent_id)s AND r.quote_id = %(quote_id)s
        ORDER BY r.version DESC
        LIMIT {most}
    ) AS made
    CROSS JOIN LATERAL (
        SELECT a.agent_id, a.started_at, a.id
        FROM attempt AS a
        WHERE a.agent_id = %(agent_id)s AND a.started_at = made.attempt_started_at
            AND a.id = made.attempt_id
        LIMIT 1
    ) AS found
"""
_QUOTES_OF: Final = """
    SELECT q.id
    FROM quote AS q
    WHERE q.agent_id = %(agent_id)s AND q.client_id = %(client_id)s
    ORDER BY q.id DESC
    LIMIT {most}
"""
_AGENTS_BY_ID: Final = """
    SELECT agent.id
    FROM agent
    WHERE agent.id = ANY (%(values)s::uuid[]) {of_agent}
"""
_AGENTS_BY_EMAIL: Final = """
    SELECT agent.id, given.value
    FROM unnest(%(values)s::text[]) AS given (value)
    CROSS JOIN LATERAL (
        SELECT account.id FROM account WHERE lower(account.email) = lower(given.value) LIMIT 1
    ) AS account
    JOIN agent ON agent.account_id = account.id
    {of_agent}
"""


class Probes:
    """What may be asked, on one connection and of one agent's data or of all."""

    def __init__(self, connection: psycopg.Connection[Any], agent_id: UUID | None) -> None:
        """Asks nothing yet.

        Args:
            connection: of the application.
            agent_id: whose data may be seen; everybody's if None.
        """
        self._connection = connection
        self._agent_id = agent_id

    def by_value(
        self, by: By, values: Sequence[str], now: datetime
    ) -> dict[str, tuple[AttemptKey, ...]]:
        """The attempts that have one of some values, newest first, of each value by itself."""
        if not values:
            return {}
        found: dict[str, list[AttemptKey]] = {}
        rows = self._ask(_BY_VALUE, {"values": list(values)}, **_named(by), most=_ROWS_MAX + 1)
        for value, *key in rows:
            found.setdefault(value, []).append(AttemptKey(*key))
        return {
            value: _newest(
                keys if len(keys) <= _ROWS_MAX else self._newest_of_many(by, value, now) or keys
            )
            for value, keys in found.items()
        }

    def _newest_of_many(self, by: By, value: str, now: datetime) -> list[AttemptKey]:
        """The newest of more attempts than are read, of the last day that has some."""
        today = day_start(now.astimezone(UTC).date())
        for back in range(_DAYS_BACK):
            start = today - timedelta(days=back)
            rows = self._ask_once(
                _NEWEST_BY_VALUE,
                value=value,
                **_named(by),
                start=start,
                end=start + timedelta(days=1),
                most=_ROWS_MAX,
            )
            if rows:
                return [AttemptKey(*row) for row in rows]
        return []

    def by_start(self, start: str) -> list[str]:
        """Correlation ids that start so, the last in their order."""
        # Above every character that an id may have.
        values = {"first": start, "end": start + "~"}
        rows = self._ask(_BY_START, values, most=_ROWS_MAX)
        return list(dict.fromkeys(value for (value,) in rows))

    def existing(self, ids: Sequence[str], start: datetime, end: datetime) -> set[str]:
        """Which correlation ids have an attempt that started in a span."""
        return {
            value for (value,) in self._ask_once(_EXISTING, values=list(ids), start=start, end=end)
        }

    def by_id(self, attempt_id: UUID, made_at: datetime) -> tuple[AttemptKey, ...]:
        """The attempt of an id, which says when it was made."""
        rows = self._ask_once(
            _BY_ID, id=attempt_id, start=made_at - _BEFORE, end=made_at + _AFTER, most=2
        )
        return tuple(AttemptKey(*row) for row in rows)

    def by_code(self, code: int, start: datetime, end: datetime) -> tuple[AttemptKey, ...]:
        """The newest attempts with an error code in a span; one agent's among the newest of all."""
        rows = self._ask_once(
            _BY_CODE,
            code=code,
            start=start,
            end=end,
            looked_at=ATTEMPTS_MAX if self._agent_id is None else _CODES_LOOKED_AT,
            most=ATTEMPTS_MAX,
        )
        return tuple(AttemptKey(*row) for row in rows)

    def of_agent(self, agent_id: UUID) -> tuple[AttemptKey, ...]:
        """An agent's newest attempts."""
        rows = self._ask(_OF_AGENT, {"agent_id": agent_id}, most=ATTEMPTS_MAX)
        return tuple(AttemptKey(*row) for row in rows)

    def of_quote(self, agent_id: UUID, quote_id: UUID) -> tuple[AttemptKey, ...]:
        """The attempts that made a quote's newest versions."""
        values = {"agent_id": agent_id, "quote_id": quote_id}
        rows = self._ask(_OF_QUOTE, values, most=ATTEMPTS_MAX)
        return _newest([AttemptKey(*row) for row in rows])

    def of_client(self, agent_id: UUID, client_id: UUID) -> tuple[AttemptKey, ...]:
        """The attempts that made the newest versions of a client's newest quotes."""
        values = {"agent_id": agent_id, "client_id": client_id}
        quotes = self._ask(_QUOTES_OF, values, most=_QUOTES_OF_CLIENT)
        return _newest([key for (quote,) in quotes for key in self.of_quote(agent_id, quote)])

    def quotes_by_id(self, ids: Sequence[str]) -> list[QuoteKey]:
        """The quotes with some ids."""
        return self._quotes(ids, "id", "uuid")

    def quotes_by_number(self, numbers: Sequence[str]) -> list[QuoteKey]:
        """The quotes with some numbers, newest first; many agents may have one of a number."""
        return self._quotes(numbers, "quote_number", "text")

    def _quotes(self, values: Sequence[str], column: str, of_type: str) -> list[QuoteKey]:
        if not values:
            return []
        rows = self._ask(
            _QUOTES,
            {"values": list(values)},
            column=sql.Identifier(column),
            type=sql.Identifier(of_type),
            most=ATTEMPTS_MAX,
        )
        return [QuoteKey(*row) for row in rows]

    def clients(self, ids: Sequence[str]) -> list[tuple[UUID, UUID]]:
        """The clients with some ids: agent and client."""
        return self._ask(_CLIENTS, {"values": list(ids)}) if ids else []

    def agents_by_id(self, ids: Sequence[str]) -> list[UUID]:
        """Which of some ids are agents'."""
        return [row[0] for row in self._ask(_AGENTS_BY_ID, {"values": list(ids)})] if ids else []

    def agents_by_email(self, emails: Sequence[str]) -> list[tuple[UUID, str]]:
        """The agents whose accounts have some addresses, and by which."""
        return self._ask(_AGENTS_BY_EMAIL, {"values": list(emails)}) if emails else []

    def _ask(self, query: str, values: dict[str, Any], **parts: object) -> list[Any]:
        """Runs a statement that is the same each time, but for its parameters."""
        return self._cursor().execute(self._composed(query, parts), values).fetchall()

    def _ask_once(self, query: str, **parts: object) -> list[Any]:
        """Runs a statement with its values written into it."""
        return self._cursor().execute(self._composed(query, parts), prepare=False).fetchall()

    def _cursor(self) -> psycopg.Cursor[Any]:
        """Rows as tuples, however the connection is used otherwise."""
        return self._connection.cursor(row_factory=tuple_row)

    def _composed(self, query: str, parts: Mapping[str, object]) -> sql.Composed:
        return sql.SQL(query).format(
            of_agent=self._only(query),
            **{
                name: part if isinstance(part, sql.Composable) else sql.Literal(part)
                for name, part in parts.items()
            },
        )

    def _only(self, query: str) -> sql.Composable:
        """The condition that keeps everybody else's data out."""
        if self._agent_id is None:
            return sql.SQL("")
        condition = _AGENT_CONDITIONS.get(query, _BESIDE_AN_INDEX)
        return sql.SQL(condition).format(sql.Literal(self._agent_id))


# Said so, it is no condition for the index that starts with the agent. The planner thinks that
# there is next to nothing of an agent that the statistics do not know, and would read all of it.
_BESIDE_AN_INDEX: Final = "AND (a.agent_id = {}) IS TRUE"
_AGENT_CONDITIONS: Final = {
    _BY_ID: "AND a.agent_id = {}",
    _QUOTES: "WHERE agent.id = {}",
    _CLIENTS: "WHERE agent.id = {}",
    _AGENTS_BY_ID: "AND agent.id = {}",
    _AGENTS_BY_EMAIL: "WHERE agent.id = {}",
}


def _named(by: By) -> dict[str, sql.Composable]:
    return {"column": sql.SQL(by.value), "given": _GIVEN[by]}


def _newest(keys: Iterable[AttemptKey]) -> tuple[AttemptKey, ...]:
    ordered = sorted(keys, key=lambda key: (key.started_at, key.id), reverse=True)
    return tuple(ordered[:ATTEMPTS_MAX])
