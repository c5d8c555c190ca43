"""Indexes: whole, each of its own, each of use, and one for every foreign key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from engine.readiness.probes.asking import rows
from engine.readiness.probes.probe import Found, Question, failing, insufficient, passing

# Attempts that the statistics know of, before an index that nobody used says anything.
ENOUGH: Final = 10_000
# Of a partitioned table its index is used where one of its partitions' is.
_INDEXES: Final = """
    SELECT
        coalesce(p.inhparent, i.indexrelid)::regclass::text,
        coalesce(t.inhparent, i.indrelid)::regclass::text,
        bool_and(i.indisvalid AND i.indisready),
        bool_or(i.indisunique),
        coalesce(sum(s.idx_scan), 0)::bigint
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
    LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = i.indexrelid
    LEFT JOIN pg_inherits p ON p.inhrelid = i.indexrelid
    LEFT JOIN pg_inherits t ON t.inhrelid = i.indrelid
    WHERE c.relnamespace = 'public'::regnamespace
    GROUP BY 1, 2
    ORDER BY 1
"""
_DOUBLES: Final = """
    SELECT one.indexrelid::regclass::text, other.indexrelid::regclass::text
    FROM pg_index one
    JOIN pg_class c ON c.oid = one.indexrelid AND c.relnamespace = 'public'::regnamespace
    JOIN pg_class d ON d.relam = c.relam
    JOIN pg_index other ON other.indexrelid = d.oid
        AND other.indrelid = one.indrelid
        AND other.indexrelid > one.indexrelid
        AND other.indkey::text = one.indkey::text
        AND other.indclass::text = one.indclass::text
        AND other.indoption::text = one.indoption::text
        AND coalesce(pg_get_expr(other.indpred, other.indrelid), '')
            = coalesce(pg_get_expr(one.indpred, one.indrelid), '')
        AND coalesce(pg_get_expr(other.indexprs, other.indrelid), '')
            = coalesce(pg_get_expr(one.indexprs, one.indrelid), '')
    ORDER BY 1, 2
"""
# One whose first columns are those of the key serves, in whatever order they stand. Part of a table
# will do where only that part refers to anything.
_UNINDEXED: Final = """
    SELECT k.conrelid::regclass::text, k.conname
    FROM pg_constraint k
    WHERE k.contype = 'f'
        AND k.connamespace = 'public'::regnamespace
        AND NOT EXISTS (
            SELECT FROM pg_index i
            WHERE i.indrelid = k.conrelid
                AND i.indisvalid
                AND (i.indkey::smallint[])[0:array_length(k.conkey, 1) - 1] @> k.conkey
        )
    ORDER BY 1, 2
"""
_HOT: Final = """
    SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = 'quote'::regclass
"""
_ATTEMPTS: Final = """
    SELECT coalesce(sum(s.n_tup_ins), 0)::bigint
    FROM pg_inherits i JOIN pg_stat_user_tables s ON s.relid = i.inhrelid
    WHERE i.inhparent = 'attempt'::regclass
"""


class Indexes(NamedTuple):
    """What the catalogue and the statistics say.

    Attributes:
        all: how many there are.
        invalid: that cannot be used.
        doubles: that another one says the same as.
        foreign_keys: that no index serves.
        unused: that no query has used since the statistics began, and no constraint needs.
        attempts: that were made since.
        updates: of quotes since.
        cheap_updates: those that touched no index.
    """

    all: int
    invalid: Sequence[str]
    doubles: Sequence[str]
    foreign_keys: Sequence[str]
    unused: Sequence[str]
    attempts: int
    updates: int
    cheap_updates: int


def indexes(question: Question) -> Found:
    """`db.indexes`: none is invalid, twice there or of no use, and each foreign key has one."""
    found = rows(question, _INDEXES)
    updates, cheap = (rows(question, _HOT) or [(0, 0)])[0]
    [(attempts,)] = rows(question, _ATTEMPTS)
    return judged(
        Indexes(
            all=len(found),
            invalid=[name for name, _, is_valid, _, _ in found if not is_valid],
            doubles=[f"{one} = {other}" for one, other in rows(question, _DOUBLES)],
            foreign_keys=[f"{table}: {name}" for table, name in rows(question, _UNINDEXED)],
            unused=[name for name, _, _, is_unique, scans in found if not (is_unique or scans)],
            attempts=attempts,
            updates=updates,
            cheap_updates=cheap,
        )
    )


def judged(found: Indexes) -> Found:
    """What indexes come to."""
    numbers: dict[str, Any] = {
        "all": found.all,
        "invalid": list(found.invalid),
        "doubles": list(found.doubles),
        "foreignKeys": list(found.foreign_keys),
        "unused": list(found.unused),
        "attempts": found.attempts,
        "updates": found.updates,
        "cheapUpdates": found.cheap_updates,
    }
    for what, faults, witness in (
        ("invalid", found.invalid, _INDEXES),
        ("twice there", found.doubles, _DOUBLES),
        ("missing for a foreign key", found.foreign_keys, _UNINDEXED),
    ):
        if faults:
            return failing(f"{len(faults)} are {what}: {faults[0]}", witness, **numbers)
    if found.attempts < ENOUGH:
        reason = (
            f"{found.all} indexes, whole and each for itself; which of them are of use"
            f" {found.attempts} attempts do not show, {ENOUGH} would"
        )
        return insufficient(reason, _INDEXES, **numbers)
    if found.unused:
        reason = f"{len(found.unused)} are of no use after {found.attempts} attempts"
        return failing(f"{reason}: {found.unused[0]}", _INDEXES, **numbers)
    share = found.cheap_updates / found.updates if found.updates else 0
    return passing(
        f"{found.all} indexes, all of use; {share:.0%} of {found.updates} updates touched none",
        _INDEXES,
        **numbers,
    )
