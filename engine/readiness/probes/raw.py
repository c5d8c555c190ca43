"""What becomes of a statement that goes around the engine, with the application's own login.

There is no trigger on the tables of quotes: they would not survive sharding. So the database
refuses what a row by itself may not say, and the integrity rules find the rest. Both are tried
here, in a transaction that is rolled back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

import psycopg

from engine.integrity.one_quote import check_within
from engine.quotes.lifecycle import Status
from engine.readiness.probes.saving import Hand

_SKIPPED: Final = "UPDATE quote SET version = %(to)s WHERE agent_id = %(agent_id)s AND id = %(id)s"
# With every instant that the row needs, so that it is the move that is tried and nothing else.
_MOVED: Final = """
    UPDATE quote
    SET status = %(to)s,
        sent_at = CASE WHEN %(to)s IN ('DRAFT', 'CANCELLED') THEN sent_at
            ELSE coalesce(sent_at, now()) END,
        accepted_at = CASE WHEN %(to)s = 'ACCEPTED' THEN now() ELSE accepted_at END,
        rejected_at = CASE WHEN %(to)s = 'REJECTED' THEN now() ELSE rejected_at END,
        deleted_at = CASE WHEN %(to)s = 'CANCELLED' THEN now() END
    WHERE agent_id = %(agent_id)s AND id = %(id)s
"""
WITNESS: Final = f"rolled back: {_SKIPPED}; {_MOVED}; then saveguard verify's rules of that quote"


class Raw(NamedTuple):
    """One statement that goes around the engine.

    Attributes:
        what: it tried.
        refused: by which constraint; empty when it was not.
        found: by which integrity rules, had it been committed.
    """

    what: str
    refused: str
    found: tuple[str, ...]

    @property
    def is_unseen(self) -> bool:
        """Whether nothing keeps it, and nothing would find it."""
        return not self.refused and not self.found


def versions(hand: Hand, quote_id: UUID, version: int) -> Sequence[Raw]:
    """Tries to give a quote versions that do not follow its own."""
    tried = {"below 1": 0, "the same again": version - 1, "one left out": version + 2}
    return [
        _tried(hand, quote_id, f"a version: {what}", _SKIPPED, to) for what, to in tried.items()
    ]


def moves(hand: Hand, quote_id: UUID, status: Status, to: Sequence[Status]) -> Sequence[Raw]:
    """Tries to bring a quote from one status to others, past what leads there."""
    return [_tried(hand, quote_id, f"{status} to {each}", _MOVED, each.value) for each in to]


def told(tries: Sequence[Raw]) -> str:
    """What became of all of them, in half a sentence."""
    refused = sum(bool(each.refused) for each in tries)
    found = sum(not each.refused and bool(each.found) for each in tries)
    return (
        f"of {len(tries)} raw statements past the engine the database refuses {refused}, the"
        f" integrity rules find {found}"
    )


def _tried(hand: Hand, quote_id: UUID, what: str, statement: str, to: object) -> Raw:
    values = {"agent_id": hand.agent_id, "id": quote_id, "to": to}
    with psycopg.connect(hand.runtime.target.app) as connection:
        try:
            connection.execute(statement.encode(), values)
            connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            checked = check_within(connection, hand.runtime.clock, hand.agent_id, quote_id)
        except psycopg.errors.IntegrityError as error:
            return Raw(what, error.diag.constraint_name or type(error).__name__, ())
        except psycopg.errors.RaiseException:
            return Raw(what, "a trigger", ())
        finally:
            connection.rollback()
    return Raw(what, "", tuple(each.rule.id for each in checked.results if each.violations))
