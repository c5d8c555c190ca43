"""How attempts that no rollup holds yet are found: two ways behind one interface.

`SnapshotFeed` takes the exact difference of two transaction snapshots: an attempt is new when the
transaction that wrote it had not ended in the snapshot of the last run. Rows that commit late, rows
of long ago, rolled back transactions and savepoints are all right by construction, and a save pays
nothing for it. It needs a database with one counter of transactions.

`QueueFeed` is for those without (Citus): the save adds a small row to a queue, in the same
transaction, and the roller takes it out. What is in the queue is what is new.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from psycopg import sql

from engine.rollups.fold import COLUMNS

_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))


class Taking(NamedTuple):
    """How the roller takes attempts: parts of one statement.

    Attributes:
        beforehand: common table expressions that the query needs, each followed by a comma.
        query: the attempts, over `fold.COLUMNS`.
    """

    beforehand: sql.Composable
    query: sql.Composable


class Feed(Protocol):
    """Where new attempts come from."""

    def unrolled(self) -> sql.Composable:
        """A query for the attempts that no rollup holds; reading them changes nothing."""
        ...

    def taking(self) -> Taking:
        """The same for the roller, whose rollups hold them from then on."""
        ...


@dataclass(frozen=True, slots=True)
class SnapshotFeed:
    """What was written since a snapshot.

    The snapshot and its oldest transaction are literals in the query: about a parameter the planner
    can only guess, and guesses that a third of the ledger is new.

    Attributes:
        snapshot: as `txid_current_snapshot()` spelled it; None when nothing was rolled yet.
    """

    snapshot: str | None

    def unrolled(self) -> sql.Composable:
        """The attempts whose transaction had not ended in the snapshot."""
        if self.snapshot is None:
            return every_attempt()
        return sql.SQL("{everything} WHERE {is_new}").format(
            everything=every_attempt(), is_new=written_since(self.snapshot)
        )

    def taking(self) -> Taking:
        """The same query: it is the new snapshot that makes them old."""
        return Taking(sql.SQL(""), self.unrolled())


@dataclass(frozen=True, slots=True)
class QueueFeed:
    """What stands in the queue."""

    def unrolled(self) -> sql.Composable:
        """The attempts in the queue."""
        return sql.SQL("SELECT {columns} FROM attempt_queue").format(columns=_COLUMNS)

    def taking(self) -> Taking:
        """What one deletion takes out of the queue."""
        taken = sql.SQL("taken AS MATERIALIZED (DELETE FROM attempt_queue RETURNING {columns}),")
        return Taking(
            taken.format(columns=_COLUMNS),
            sql.SQL("SELECT {columns} FROM taken").format(columns=_COLUMNS),
        )


def written_since(snapshot: str) -> sql.Composable:
    """Whether a row's transaction had not ended in a snapshot; the first half is for the index."""
    return sql.SQL(
        "txid >= {oldest} AND NOT txid_visible_in_snapshot(txid, {snapshot}::txid_snapshot)"
    ).format(oldest=sql.Literal(int(snapshot.partition(":")[0])), snapshot=sql.Literal(snapshot))


def every_attempt() -> sql.Composable:
    """All of the ledger, for whoever builds the rollups anew."""
    return sql.SQL("SELECT {columns} FROM attempt").format(columns=_COLUMNS)


def feed_of(name: str, snapshot: str | None) -> Feed:
    """The feed that the rollups' state names."""
    return QueueFeed() if name == "queue" else SnapshotFeed(snapshot)
