"""The integrity rules asked of one quote, by index, while its page is looked at.

They are the rules of `verification`, word for word: in front of each stand the quote's own rows
under the names of the tables, and the rule reads those. What a whole database is needed for is said
to be so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql

from engine.attempts.of_quote import LOOK_MAX
from engine.clock import Clock
from engine.database.look import by_index
from engine.integrity import histories, holdings, judging, ledger, quotes, repricing
from engine.integrity.judging import Tally
from engine.integrity.relations import Relation
from engine.integrity.rules import RULES, RuleResult

OFFENDERS_MAX: Final = 5
# What each revision says by itself is read out of its snapshot, which may be a megabyte.
REVISIONS_MAX: Final = 500

# Rule → why one quote cannot answer it, or not all of it.
NOT_OF_ONE_QUOTE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "DI-14": "It is about all quotes of the agent; saveguard verify checks it.",
    }
)
PARTLY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "DI-11": "By the index of numbers; saveguard verify looks at the rows themselves.",
        "DI-13": "Of idempotency keys, those that an attempt on this quote named.",
        "DI-15": (
            "Whether an attempt's id is used by other quotes, too, only saveguard verify can tell."
        ),
    }
)
_MANY_ATTEMPTS: Final = (
    f"The agent has more than {LOOK_MAX:,} attempts since this quote was made: only those that"
    " made its versions were looked at. saveguard verify looks at all."
)
_MANY_REVISIONS: Final = f"What old versions say was looked at in the newest {REVISIONS_MAX:,}."


@dataclass(frozen=True, slots=True)
class QuoteCheck:
    """What the rules say of one quote.

    Attributes:
        results: one for each rule that can be asked, in their order.
        remarks: rule → what it was not asked, in words; a rule without a result is among them.
    """

    results: tuple[RuleResult, ...]
    remarks: Mapping[str, str]


def check(
    connection: psycopg.Connection[Any], clock: Clock, agent_id: UUID, quote_id: UUID
) -> QuoteCheck:
    """Asks the rules of one quote, read-only and in one snapshot.

    Args:
        connection: in autocommit.
        clock: for the durations.
        agent_id: whose quote.
        quote_id: which.

    Raises:
        psycopg.Error: the database could not be read; nothing is known.
    """
    with by_index(connection):
        return check_within(connection, clock, agent_id, quote_id)


def check_within(
    connection: psycopg.Connection[Any], clock: Clock, agent_id: UUID, quote_id: UUID
) -> QuoteCheck:
    """The same in the transaction that is open, of what that has changed itself, too."""
    tallies = {rule: Tally() for rule in RULES.values() if rule.id not in NOT_OF_ONE_QUOTE}
    values = _values(connection, agent_id, quote_id)
    for relation, within in _asked(is_busy=values["is_busy"]):
        started = clock.monotonic()
        for judgment, rows, count in judging.counts(connection, relation, values, within):
            tally = tallies[judgment.rule]
            tally.checked += rows
            tally.violations += count
            room = OFFENDERS_MAX - len(tally.offenders)
            if count and room > 0:
                tally.offenders += judging.offenders(
                    connection, relation, judgment, {**values, "offenders_max": room}, within
                )
        shared_s = (clock.monotonic() - started) / len(relation.judgments)
        for judgment in relation.judgments:
            tallies[judgment.rule].duration_s += shared_s
    _reprice(connection, clock, values, tallies[RULES["DI-6"]])
    return QuoteCheck(
        tuple(tally.result(rule) for rule, tally in tallies.items()), dict(_remarks(values))
    )


def _reprice(
    connection: psycopg.Connection[Any], clock: Clock, values: Mapping[str, Any], tally: Tally
) -> None:
    started = clock.monotonic()
    stored = repricing.read_one(connection, values["agent_id"], values["quote_id"])
    if stored is not None:
        found = repricing.disagreement(stored)
        tally.checked = 1
        tally.violations = int(found is not None)
        tally.offenders = [] if found is None else [found]
    tally.duration_s = clock.monotonic() - started


def _values(connection: psycopg.Connection[Any], agent_id: UUID, quote_id: UUID) -> dict[str, Any]:
    """The parameters of the rules and of what narrows them."""
    values = judging.parameters(connection) | {"agent_id": agent_id, "quote_id": quote_id}
    since, version = judging.row(connection, sql.SQL(_LIFE), values)
    values |= {
        "since": since,
        "look_max": LOOK_MAX,
        "oldest_version": max((version or 0) - REVISIONS_MAX + 1, 1),
    }
    is_busy = judging.row(connection, sql.SQL(_IS_BUSY), values)[0]
    return values | {"is_busy": is_busy}


def _remarks(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from NOT_OF_ONE_QUOTE.items()
    for id_ in RULES:
        said = [PARTLY[id_]] if id_ in PARTLY else []
        if values["is_busy"] and id_ in {"DI-13", "DI-15", "DI-16"}:
            said.append(_MANY_ATTEMPTS)
        if values["oldest_version"] > 1 and id_ in {"DI-2", "DI-4", "DI-5"}:
            said.append(_MANY_REVISIONS)
        if said:
            yield id_, " ".join(said)


# --- the quote's own rows, under the names of the tables ------------------------------------------

# The attempt that made the quote started before it was there: by as long as a save may take, which
# is ten seconds unless it is set otherwise. Its revision, which knows exactly, may be missing.
_LIFE: Final = """
    SELECT
        least(q.created_at - interval '1 minute', min(r.attempt_started_at)),
        max(r.version)
    FROM (VALUES (%(agent_id)s::uuid, %(quote_id)s::uuid)) AS wanted (agent_id, id)
    LEFT JOIN quote q ON q.agent_id = wanted.agent_id AND q.id = wanted.id
    LEFT JOIN quote_revision r ON r.agent_id = wanted.agent_id AND r.quote_id = wanted.id
    GROUP BY q.created_at
"""
_IS_BUSY: Final = """
    SELECT EXISTS (
        SELECT
        FROM attempt
        WHERE agent_id = %(agent_id)s
            AND started_at >= %(since)s
        ORDER BY started_at, id
        OFFSET %(look_max)s
    )
"""
_QUOTE: Final = """
    quote AS (
        SELECT *
        FROM quote
        WHERE agent_id = %(agent_id)s
            AND id = %(quote_id)s
    )
"""
_REVISIONS: Final = """
    quote_revision AS (
        SELECT *
        FROM quote_revision
        WHERE agent_id = %(agent_id)s
            AND quote_id = %(quote_id)s
            AND version >= %(oldest_version)s
    )
"""
_HISTORY: Final = """
    quote_revision AS (
        SELECT *
        FROM quote_revision
        WHERE agent_id = %(agent_id)s
            AND quote_id = %(quote_id)s
    )
"""
_ATTEMPTS: Final = """
    attempt AS (
        SELECT *
        FROM attempt
        WHERE agent_id = %(agent_id)s
            AND started_at >= %(since)s
            AND quote_id = %(quote_id)s
    )
"""
# Of a busy agent only those that the quote's revisions name, each by its whole key.
_NAMED_ATTEMPTS: Final = """
    attempt AS (
        SELECT made.*
        FROM quote_revision r
        CROSS JOIN LATERAL (
            SELECT *
            FROM attempt
            WHERE agent_id = r.agent_id
                AND started_at = r.attempt_started_at
                AND id = r.attempt_id
                AND started_at >= %(since)s
            LIMIT 1
        ) AS made
        WHERE r.agent_id = %(agent_id)s
            AND r.quote_id = %(quote_id)s
    )
"""
_KEYS: Final = """
    idempotency_key AS (
        SELECT kept.*
        FROM (
            SELECT DISTINCT idempotency_key AS key
            FROM attempt
            WHERE idempotency_key IS NOT NULL
        ) AS named
        CROSS JOIN LATERAL (
            SELECT *
            FROM idempotency_key
            WHERE agent_id = %(agent_id)s
                AND key = named.key
            LIMIT 1
        ) AS kept
        WHERE kept.quote_id = %(quote_id)s
    )
"""
_SAME_NUMBER: Final = """
    quote AS (
        SELECT namesake.*
        FROM quote own
        JOIN quote namesake
            ON namesake.agent_id = own.agent_id AND namesake.quote_number = own.quote_number
        WHERE own.agent_id = %(agent_id)s
            AND own.id = %(quote_id)s
    )
"""


def _asked(*, is_busy: bool) -> Iterator[tuple[Relation, LiteralString]]:
    """Each relation with what narrows it to the quote."""
    attempts = _NAMED_ATTEMPTS if is_busy else _ATTEMPTS
    yield quotes.QUOTES, f"WITH {_QUOTE}"
    yield histories.HISTORIES, f"WITH {_QUOTE}, {attempts}, {_HISTORY}"
    yield histories.NEWEST_REVISIONS, f"WITH {_QUOTE}, {_HISTORY}"
    yield histories.REVISIONS, f"WITH {_REVISIONS}"
    yield holdings.CLIENTS, f"WITH {_QUOTE}"
    yield holdings.NUMBERS, f"WITH {_SAME_NUMBER}"
    yield ledger.REVISIONS_AND_ATTEMPTS, f"WITH {attempts}, {_HISTORY}"
    yield ledger.ANSWERS, f"WITH {attempts}, {_KEYS}, {_HISTORY}"
    yield ledger.REPLAYS, f"WITH {attempts}, {_HISTORY}"
    yield ledger.ATTEMPTS, f"WITH {attempts}"
    yield ledger.REVISIONS_BY_ATTEMPT_ID, f"WITH {attempts}, {_HISTORY}"
