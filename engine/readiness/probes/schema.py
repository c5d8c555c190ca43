"""The schema: whether the migration is there, whole, and nothing beside it."""

from __future__ import annotations

from typing import Any, Final

from engine.database.migrate import migration_status
from engine.database.schema_journal import checksums, newest_changes
from engine.database.sessions import session_of
from engine.readiness.fingerprints import schema_lines
from engine.readiness.probes.asking import rows
from engine.readiness.probes.expected import expected_schema
from engine.readiness.probes.probe import Found, Question, decided, failing, passing

_TRACKING: Final = {
    "version": ("integer", True),
    "last_modified_by": ("text", True),
    "last_modified_at": ("timestamp with time zone", True),
}
_COLUMNS: Final = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
FROM pg_attribute a
WHERE a.attrelid = 'quote'::regclass AND a.attname = ANY(%s) AND NOT a.attisdropped
"""
_NULLS: Final = """
SELECT count(*) FROM quote
WHERE version IS NULL OR last_modified_by IS NULL OR last_modified_at IS NULL
"""
# The rule of domain: the index stands on the revisions, whose version never changes, so that the
# quote's own rows keep their cheap updates.
_INDEX: Final = """
SELECT i.indexrelid::regclass::text, i.indisvalid AND i.indisready
FROM pg_index i
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
WHERE i.indrelid IN ('quote'::regclass, 'quote_revision'::regclass) AND a.attname = 'version'
"""
_HOT: Final = """
SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = 'quote'::regclass
"""
_JOURNAL: Final = "alembic_version; SELECT * FROM schema_change ORDER BY ran_at"
_DIFFERENCES_SHOWN: Final = 10


def applied(question: Question) -> Found:
    """`mig.applied`: the newest revision is here: who brought it, when, how, from which file."""
    status = migration_status(question.runtime.target.owner)
    if status.pending:
        return failing(
            f"At revision {status.current or 'none'}; {len(status.pending)} are missing, up to"
            f" {status.head}",
            _JOURNAL,
            current=status.current,
            head=status.head,
            pending=list(status.pending),
        )
    with session_of(question.runtime.target) as session:
        journal = newest_changes(session)
    files = checksums()
    altered = sorted(name for name, each in journal.items() if files.get(name) != each.checksum)
    numbers: dict[str, Any] = {
        "current": status.current,
        "altered": altered,
        "journal": [
            {
                "revision": name,
                "ranAt": f"{each.ran_at:%Y-%m-%d %H:%M:%S} UTC",
                "ranBy": each.ran_by,
                "milliseconds": each.duration_us // 1_000,
                "sha256": each.checksum.hex(),
            }
            for name, each in sorted(journal.items())
        ],
    }
    if altered:
        return failing(
            f"Revision {altered[0]} was run from another file than this release has",
            _JOURNAL,
            **numbers,
        )
    newest = journal.get(status.head)
    if newest is None:
        return failing(
            f"At revision {status.head}, of which the journal knows nothing: nobody has run it",
            _JOURNAL,
            **numbers,
        )
    before = len(files) - len(journal)
    return passing(
        f"At revision {status.head}, brought by {newest.ran_by} at"
        f" {newest.ran_at:%Y-%m-%d %H:%M} UTC in {newest.duration_us // 1_000} ms; all"
        f" {len(journal)} files are as they were run"
        + (f", {before} were run before there was a journal" if before else ""),
        _JOURNAL,
        **numbers,
    )


def fingerprint(question: Question) -> Found:
    """`mig.fingerprint`: the catalogue is what all migrations make of an empty database."""
    with session_of(question.runtime.target) as session:
        there = schema_lines(session)
    expected = expected_schema()
    missing, more = sorted(set(expected) - set(there)), sorted(set(there) - set(expected))
    return decided(
        not missing and not more,
        f"All {len(there)} lines of the catalogue are as the migrations make them",
        f"{len(missing)} lines are missing and {len(more)} are not of any migration,"
        f" {(missing or more or [''])[0]!r} among them",
        "catalogue of tables, columns, constraints, indexes, triggers, grants and functions",
        lines=len(there),
        missing=missing[:_DIFFERENCES_SHOWN],
        more=more[:_DIFFERENCES_SHOWN],
    )


def columns(question: Question) -> Found:
    """`mig.columns`: a quote has its version and who changed it when, never empty."""
    there = rows(question, _COLUMNS, [list(_TRACKING)])
    found = {name: (kind, is_required) for name, kind, is_required in there}
    if found != _TRACKING:
        wrong = sorted(name for name, kind in _TRACKING.items() if found.get(name) != kind)
        return failing(f"Not as they should be: {', '.join(wrong)}", _COLUMNS)
    (nulls,) = rows(question, _NULLS)[0]
    return decided(
        nulls == 0,
        "version, last_modified_by and last_modified_at are there and never empty",
        f"{nulls} quotes have none",
        _NULLS,
        empty=nulls,
    )


def index(question: Question) -> Found:
    """`mig.index`: there is a valid index on version; with how many updates stay cheap."""
    there = rows(question, _INDEX)
    valid = sorted(name for name, is_valid in there if is_valid)
    updated, cheap = (rows(question, _HOT) or [(0, 0)])[0]
    return decided(
        bool(valid),
        f"{', '.join(valid)} has it",
        "No valid index has version",
        _INDEX,
        valid=valid,
        invalid=sorted(name for name, is_valid in there if not is_valid),
        updates=updated,
        heapOnlyUpdates=cheap,
    )
