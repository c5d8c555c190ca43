"""Fingerprints of what evidence speaks of, as it is now: release, schema, settings, codes, window.

Evidence keeps those of its own time; where one differs from today's, it is stale.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Final

from pydantic import SecretStr
from sqlalchemy import text
from sqlmodel import Session

from engine.errors import TAXONOMY
from engine.readiness.documents import RUNBOOKS, read_documents
from engine.readiness.items import Dependency
from engine.readiness.knowledge import Release
from engine.settings import Settings

# What differs from process to process, and says nothing of how one behaves.
_LEFT_OUT: Final = frozenset({"instance", "release", "log_format", "data_dir"})

# Tables with their columns, constraints, indexes and privileges; partitions are their parent's.
_CATALOGUE: Final = text(
    """
    WITH ours AS (
        SELECT c.oid, c.relname, c.relkind, c.relpersistence, c.relacl::text AS acl
        FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')
            AND NOT c.relispartition AND c.relname <> 'alembic_version'
    )
    SELECT line FROM (
        SELECT format('table %s %s %s', relname, relkind, relpersistence) AS line FROM ours
        UNION ALL
        SELECT format('column %s %s %s %s %s', o.relname, a.attname,
            format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid))
        FROM ours o
        JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        UNION ALL
        SELECT format('constraint %s %s %s %s', o.relname, k.conname,
            pg_get_constraintdef(k.oid), k.convalidated)
        FROM ours o JOIN pg_constraint k ON k.conrelid = o.oid AND k.contype <> 'n'
        UNION ALL
        SELECT format('index %s %s', pg_get_indexdef(i.indexrelid), i.indisvalid)
        FROM ours o JOIN pg_index i ON i.indrelid = o.oid
        UNION ALL
        SELECT format('trigger %s %s', o.relname, pg_get_triggerdef(t.oid))
        FROM ours o JOIN pg_trigger t ON t.tgrelid = o.oid AND NOT t.tgisinternal
        UNION ALL
        -- What no migration makes: whatever lets a table answer otherwise than by its rows.
        SELECT format('trigger of a partition %s %s', c.relname, pg_get_triggerdef(t.oid))
        FROM pg_trigger t
        JOIN pg_class c ON c.oid = t.tgrelid AND c.relispartition
        WHERE c.relnamespace = 'public'::regnamespace AND t.tgparentid = 0 AND NOT t.tgisinternal
        UNION ALL
        SELECT format('trigger %s %s is %s', c.relname, t.tgname, t.tgenabled)
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relnamespace = 'public'::regnamespace AND t.tgenabled <> 'O'
        UNION ALL
        SELECT format('rule %s %s', c.relname, pg_get_ruledef(w.oid))
        FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class
        WHERE c.relnamespace = 'public'::regnamespace AND w.rulename <> '_RETURN'
        UNION ALL
        SELECT format('row security %s %s', c.relname, c.relforcerowsecurity)
        FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relrowsecurity
        UNION ALL
        SELECT format('setting %s', given)
        FROM pg_db_role_setting s
        CROSS JOIN LATERAL unnest(s.setconfig) AS given
        WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
            AND s.setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = 'saveguard_app'))
            AND split_part(given, '=', 1) IN ('role', 'search_path')
            AND given NOT IN ('search_path=public', 'search_path="$user", public')
        UNION ALL
        SELECT format('grant %s %s %s', o.relname, g.privilege_type,
            CASE WHEN g.grantee = 0 THEN 'public' WHEN r.rolname = 'saveguard_app' THEN 'app'
                ELSE 'owner' END)
        FROM ours o
        JOIN pg_class c ON c.oid = o.oid
        CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) g
        LEFT JOIN pg_roles r ON r.oid = g.grantee
        WHERE g.privilege_type <> 'MAINTAIN' -- there is none before release 17
        UNION ALL
        SELECT format('function %s %s', p.proname, md5(p.prosrc))
        FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
        UNION ALL
        SELECT format('revision %s', version_num) FROM alembic_version
    ) AS catalogue
    ORDER BY line COLLATE "C"
    """
)


def fingerprints_now(
    session: Session, settings: Settings, release: Release
) -> dict[Dependency, str]:
    """The fingerprints of things as they are; of a plan there is none to take.

    Args:
        session: to read the catalogue with.
        settings: of this process.
        release: whose evidence is held against them.
    """
    return {
        # What code looks now is part of it: evidence of other code is none of the release's.
        Dependency.RELEASE: _of(
            [release.name, release.commit, release.environment, settings.release]
        ),
        Dependency.SCHEMA: _of(schema_lines(session)),
        Dependency.SETTINGS: settings_fingerprint(settings),
        Dependency.REGISTRY: _of(f"{code} {meaning}" for code, meaning in TAXONOMY.items()),
        **_documents(),
        Dependency.WINDOW: _of([str(release.planned_from), str(release.planned_until)]),
    }


def _documents() -> dict[Dependency, str]:
    """Of the documentation; none where it is not installed."""
    documents = read_documents()
    if documents is None:
        return {}
    return {
        Dependency.DOCUMENTS: documents.digest(),
        Dependency.RUNBOOKS: documents.digest(RUNBOOKS),
    }


def schema_lines(session: Session) -> list[str]:
    """The catalogue as lines that two databases of one schema have alike."""
    return [str(line) for line in session.execute(_CATALOGUE).scalars()]


def settings_fingerprint(settings: Settings) -> str:
    """Of every setting that says how the system behaves; of a secret, whether there is one."""
    values = {
        name: ("set" if isinstance(value, SecretStr) else str(value))
        for name, value in settings
        if name not in _LEFT_OUT
    }
    return _of([json.dumps(values, sort_keys=True)])


def _of(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
