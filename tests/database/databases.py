"""What the tests of the schema share: empty databases, and rows that each revision accepts."""

# ruff: noqa: S608 - statements are put together from constants of this file

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from engine.clock import SystemClock
from engine.database.target import APP_ROLE, OWNER_ROLE, Target, bootstrap
from engine.errors import SetupError

CLOCK: Final = SystemClock()
REVISIONS: Final = tuple(f"{number:04}" for number in range(1, 15))
# What 0002 adds to a quote.
TRACKING: Final = ["version", "last_modified_by", "last_modified_at"]

# A password that must not be read anywhere.
CANARY: Final = "canary-password"

AGENT: Final = "01900000-0000-7000-8000-00000000000a"
CLIENT: Final = "01900000-0000-7000-8000-00000000000c"


@contextmanager
def blank_database(server: str) -> Iterator[Target]:
    """An empty database of its own, with our roles on its server."""
    name = unique("blank")
    bootstrap(server, name)
    try:
        yield Target(
            app=make_conninfo(server, dbname=name, user=APP_ROLE),
            owner=make_conninfo(server, dbname=name, user=OWNER_ROLE),
        )
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )


@contextmanager
def cloned(server: str, template: str) -> Iterator[Target]:
    """A migrated database of its own: a clone of the template, dropped in the end."""
    name = unique("test")
    with psycopg.connect(server, autocommit=True) as connection:
        # Copying a few hundred files takes a third of logging their pages, unless each is flushed.
        is_flushed = connection.execute("SHOW fsync").fetchone() != ("off",)
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY {}").format(
                sql.Identifier(name),
                sql.Identifier(template),
                sql.Identifier(OWNER_ROLE),
                sql.SQL("WAL_LOG" if is_flushed else "FILE_COPY"),
            )
        )
    yield Target(
        app=make_conninfo(server, dbname=name, user=APP_ROLE),
        owner=make_conninfo(server, dbname=name, user=OWNER_ROLE),
    )
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def unique(word: str) -> str:
    """A name that nothing else on the server has."""
    return f"{word}_{CLOCK.token(6).hex()}"


def run(conninfo: str, *statements: str) -> None:
    """Runs statements, each in a transaction of its own."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def rows(conninfo: str, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def value(conninfo: str, query: str) -> Any:
    """The one value of a query."""
    return rows(conninfo, query)[0][0]


def refusal(action: Callable[[], object]) -> str:
    """What an operator reads when a command cannot do its work: one line, no cause, no secret."""
    with pytest.raises(SetupError) as caught:
        action()
    message = str(caught.value)
    assert message
    assert "\n" not in message
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    return message


def insert_quotes(first: int, last: int, *, status: str = "DRAFT") -> str:
    """A statement for numbered quotes as code of the first revision inserts them."""
    instants = {
        "DRAFT": "NULL, NULL, NULL",
        "SENT": "now(), NULL, NULL",
        "CANCELLED": "NULL, NULL, now()",
    }[status]
    return f"""
        INSERT INTO quote (
            agent_id, id, quote_number, client_id, trip_name, destination, start_date, end_date,
            duration_days, adults, children, infants, travelers, flights, hotels, activities,
            transfers, car_rentals, custom_items, insurance, currency, base_price, product_markup,
            subtotal, agent_markup, agent_markup_percent, taxes, fees, discount, total, per_person,
            pricing_policy, show_commission_to_client, inclusions, exclusions, expires_in_days,
            status, created_at, expires_at, sent_at, accepted_at, deleted_at
        )
        SELECT
            '{AGENT}', ('01900000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Q-' || n,
            CASE WHEN n % 2 = 0 THEN '{CLIENT}'::uuid END, 'Trip ' || n, 'Évora',
            '2026-06-01T00:00:00Z', '2026-06-06T10:00:00.123456Z', 6, 2, 0, 0, 2,
            '[{{"price": "450.10", "airline": "TAP"}}]', '[]', '[]', '[]', '[]', '[]', NULL, 'EUR',
            900.20, 0, 900.20, 0, 0, 1.5, 0, 0, 901.70, 450.85, 'v1', false, '["breakfast"]', '[]',
            30, '{status}', now(), now() + interval '30 days', {instants}
        FROM generate_series({first}, {last}) AS n
    """


_REVISION_OF: Final = """
    INSERT INTO quote_revision (
        agent_id, quote_id, version, operation, modified_by, modified_at, correlation_id,
        attempt_id, attempt_started_at, changed_fields, snapshot
    )
    SELECT agent_id, id, version, 2, last_modified_by, last_modified_at, 'correlation',
        gen_random_uuid(), now(), 'tripName', to_jsonb(q)
    FROM quote q WHERE quote_number = 'Q-1'
"""

# Rows of every table of a revision, beside those of the revisions before.
ROWS: Final = {
    "0001": (
        f"INSERT INTO account VALUES ('{AGENT}', 'ana@agency.example', now())",
        f"""
        INSERT INTO agent VALUES
            ('{AGENT}', '{AGENT}', 'Ana', 'ana@agency.example', 'ACTIVE', 10, NULL, now())
        """,
        f"INSERT INTO api_key VALUES ('{AGENT}', '{AGENT}', sha256('key'), now(), NULL)",
        f"""
        INSERT INTO client VALUES
            ('{AGENT}', '{CLIENT}', 'Inês', 'Moreira', 'ines@example.org', 'ACTIVE', now())
        """,
        f"INSERT INTO quote_number_block VALUES ('{AGENT}', 2026, 100)",
        insert_quotes(1, 3),
        insert_quotes(4, 5, status="SENT"),
        insert_quotes(6, 6, status="CANCELLED"),
        f"""
        INSERT INTO idempotency_key VALUES
            ('{AGENT}', 'key', sha256('body'), '{AGENT}', '{AGENT}', 1, 201, 'answer', now())
        """,
    ),
    "0002": (
        """
        UPDATE quote SET version = 2, last_modified_by = 'bruno', last_modified_at = now()
        WHERE quote_number = 'Q-1'
        """,
        _REVISION_OF,
    ),
    "0003": (
        "INSERT INTO origin VALUES (-7, 'test', '1', 'here', now())",
        *(
            f"""
            INSERT INTO attempt (
                agent_id, started_at, id, origin_id, duration_us, database_us, operation, outcome,
                retries, path, source, correlation_id
            ) VALUES (
                '{AGENT}', '{day}', gen_random_uuid(), -7, 10, 5, 1, 1, 0, 1, 1, 'correlation'
            )
            """
            for day in ("2026-01-01", "2026-01-02")
        ),
    ),
    "0004": (),  # brings its one row along
    "0005": (),  # so does this one
    "0006": (),
    "0007": (),
    "0008": (f"INSERT INTO line_count VALUES ('2026-01-01', '{AGENT}', -7, 2, 1)",),
    "0009": (
        f"INSERT INTO account_password VALUES ('{AGENT}', '$argon2id$hash', now())",
        f"""
        INSERT INTO sign_in VALUES
            (sha256('token'), '{AGENT}', 'password', now(), now(), NULL, '127.0.0.1')
        """,
        "INSERT INTO limit_window VALUES ('agent', '{2026-01-01}', '{1}', true, now())",
        f"""
        INSERT INTO audit_event VALUES (
            '{AGENT}', now(), 'signed in', 'done', NULL, '{AGENT}', 'ana@agency.example', 'page',
            NULL, NULL, NULL, 'correlation', '{{}}'
        )
        """,
    ),
    "0010": (
        f"""
        INSERT INTO readiness_record VALUES (
            '{AGENT}', '{AGENT}', 'release', NULL, NULL, now(), 'ana', NULL, '{{}}',
            sha256('record')
        )
        """,
        """
        INSERT INTO readiness_seal VALUES (1, now(), 1, sha256('0'), sha256('1'), 'signature')
        """,
        f"INSERT INTO readiness_sealed VALUES ('{AGENT}', 1, 0)",
    ),
    "0011": (),  # its journal has rows by itself
    "0012": (
        f"""
        INSERT INTO alert_rule_change VALUES
            ('{AGENT}', 'HIGH-001', now(), 'ana', NULL, 'quieter', '{{}}')
        """,
        """
        INSERT INTO alert_tick VALUES
            (1, now(), now(), now(), 'one', '0.1.0', sha256('rules'), 1, 0, 1)
        """,
        f"""
        INSERT INTO alert_state VALUES (
            'HIGH-001', 'firing', now(), now(), now(), NULL, '{AGENT}', false, 1, 'too many',
            '{{}}'
        )
        """,
        f"""
        INSERT INTO alert_transition VALUES (
            '{AGENT}', 'HIGH-001', 1, now(), 'inactive', 'firing', '{AGENT}', 'too many', '{{}}',
            'correlation', NULL
        )
        """,
        f"""
        INSERT INTO alert VALUES (
            '{AGENT}', 'HIGH-001', 'HIGH', 'DATABASE_TIMEOUT', 'test', 'correlation', 'too many',
            '{{}}', now(), now(), NULL, NULL, NULL, NULL, NULL, NULL
        )
        """,
        f"""
        INSERT INTO alert_outbox VALUES (
            '{AGENT}', '{AGENT}', 'firing', 'webhook', '{{}}', 3, '{{}}', now(), 'waiting', 0,
            now(), NULL, NULL, NULL, NULL, NULL, NULL, false, NULL, NULL, NULL
        )
        """,
        f"""
        INSERT INTO alert_delivery VALUES
            ('{AGENT}', 1, now(), now(), 'retry', 'timeout', NULL, NULL)
        """,
        f"""
        INSERT INTO alert_silence VALUES (
            '{AGENT}', '{{}}', 'planned work', now(), 'ana', NULL, now() + interval '1 hour', NULL,
            NULL
        )
        """,
        f"INSERT INTO alert_watcher VALUES ('{AGENT}', 'one', now(), 0, NULL)",
        "INSERT INTO alert_heartbeat VALUES (1, 1, now(), NULL, NULL)",
    ),
    "0013": ("UPDATE alert_watcher SET ended_at = now()",),
    "0014": (),
}


def fill(conninfo: str, *revisions: str) -> None:
    """Adds a revision's rows to every table that it made or changed."""
    for revision in revisions:
        run(conninfo, *ROWS[revision])


def quotes_without_tracking(conninfo: str) -> str:
    """A hash of everything that the first revision says about quotes."""
    kept = " - ".join(["to_jsonb(q)", *(f"'{column}'" for column in TRACKING)])
    query = f"SELECT md5(string_agg(({kept})::text, '|' ORDER BY id)) FROM quote q"
    found: str = value(conninfo, query)
    return found
