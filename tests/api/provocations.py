"""At least one way to each error code over HTTP, with secrets planted wherever one could leak.

Every text that a caller can send, every row that an error of the database could quote and every
exception carries the secret; an answer, a log line or a row of the ledger that holds it has leaked.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal, NoReturn

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import PoolTimeout
from sqlmodel import Session

from engine.access.accounts import add_user
from engine.attempts.journal import Journal
from engine.attempts.ledger import AttemptRow
from engine.database.migrate import owner_engine
from tests.api.caller import Caller, calling, client_of
from tests.api.service import CLOCK, QUOTES, Service, eventually
from tests.support import quote_body

# Provokes SQL, formats and markup on its way.
SECRET: Final = "canary-7f3a"  # noqa: S105 - planted on purpose
NASTY: Final = f"{SECRET}'; DROP TABLE quote; -- %s %(x)s {{0}} $1 \\ <b> \u2028"
UNKNOWN_KEY: Final = "sgk_canary-7f3a" + "A" * 32

# Small enough that a test does not wait, large enough that a busy machine does not run into them.
TIMEOUTS: Final = {
    "lock_timeout": timedelta(milliseconds=300),
    "statement_timeout": timedelta(milliseconds=1500),
    "pool_wait": timedelta(milliseconds=500),
    "save_budget": timedelta(seconds=6),
    "retry_delay": timedelta(milliseconds=1),
    "pool_size": 2,
}


def laden(**fields: Any) -> dict[str, Any]:
    """A valid quote that carries the secret in every text."""
    texts = dict.fromkeys(
        ("tripName", "destination", "commissionLabel", "importantInfo", "customNotes",
         "agentNotes"),
        NASTY,
    )  # fmt: skip
    items = {"customItems": [{"name": NASTY, "description": NASTY, "price": 1}]}
    return quote_body(taxes=1, inclusions=[NASTY], exclusions=[NASTY]) | texts | items | fields


@dataclass
class Stage:
    """What a provocation plays on; what it has changed is put right at the end."""

    service: Service
    caller: Caller
    server: str
    patch: pytest.MonkeyPatch
    afterwards: ExitStack = field(default_factory=ExitStack)

    def post(self, **fields: Any) -> httpx.Response:
        """Tries to create a laden quote."""
        return self.caller.http.post(QUOTES, json=laden(**fields))

    def change(self, quote_id: str, version: int = 1, **fields: Any) -> httpx.Response:
        """Tries to change a quote."""
        body = {"version": version, "customNotes": NASTY} | fields
        return self.caller.http.patch(f"{QUOTES}/{quote_id}", json=body)

    def create(self, **fields: Any) -> str:
        """Creates a laden quote."""
        answer = self.post(**fields)
        assert answer.status_code == 201, answer.text
        quote_id: str = answer.json()["quoteId"]
        return quote_id

    def execute(self, statement: str, undo: str) -> None:
        """Runs a statement as the owner, and another one at the end."""
        self.service.execute(statement)
        self.afterwards.callback(self.service.execute, undo)

    def trigger(self, body: str) -> None:
        """Makes every write of a quote run a piece of PL/pgSQL first."""
        self.execute(
            f"CREATE FUNCTION provoke() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body};"
            " RETURN NEW; END $$",
            "DROP FUNCTION provoke() CASCADE",
        )
        self.service.execute(
            "CREATE TRIGGER provoke BEFORE INSERT OR UPDATE ON quote"
            " FOR EACH ROW EXECUTE FUNCTION provoke()"
        )

    def raising(self, sqlstate: str) -> None:
        """Makes every write of a quote fail with a state, quoting the row in full."""
        self.trigger(
            f"RAISE EXCEPTION USING ERRCODE = '{sqlstate}', MESSAGE = NEW.custom_notes,"
            " DETAIL = NEW::text, HINT = NEW.agent_notes"
        )


Play = Callable[[Stage], httpx.Response]


@dataclass(frozen=True)
class Provocation:
    """A way to an error code.

    Attributes:
        code: which.
        status: its HTTP status.
        play: does it.
        leaves_attempt: whether the ledger gets a row; reads leave none.
        is_reported: whether the engine reports it as something that should never happen.
    """

    code: str
    status: int
    play: Play
    leaves_attempt: bool = True
    is_reported: bool = False

    @property
    def name(self) -> str:
        """The provocation in words."""
        return self.play.__name__


ALL: Final[list[Provocation]] = []


def _provokes(
    code: str, status: int, *, leaves_attempt: bool = True, is_reported: bool = False
) -> Callable[[Play], Play]:
    def note(play: Play) -> Play:
        ALL.append(Provocation(code, status, play, leaves_attempt, is_reported))
        return play

    return note


# --- who calls ------------------------------------------------------------------------------------


@_provokes("AUTHENTICATION_FAILED", 401)
def an_unknown_key(stage: Stage) -> httpx.Response:
    with client_of(stage.service, UNKNOWN_KEY) as http:
        return http.post(QUOTES, json=laden())


@_provokes("AUTHENTICATION_FAILED", 401, leaves_attempt=False)
def an_unknown_key_on_a_read(stage: Stage) -> httpx.Response:
    with client_of(stage.service, UNKNOWN_KEY) as http:
        return http.get(QUOTES)


@_provokes("AGENT_NOT_FOUND", 404)
def a_user_who_is_no_agent(stage: Stage) -> httpx.Response:
    with Session(owner_engine(stage.service.runtime.target.app)) as session:
        user = add_user(session, CLOCK, email=f"{SECRET}-{CLOCK.uuid7()}@users.example")
        session.commit()
    with client_of(stage.service, user.api_key) as http:
        return http.post(QUOTES, json=laden())


@_provokes("AUTHORIZATION_FAILED", 403)
def a_suspended_agent(stage: Stage) -> httpx.Response:
    stage.service.execute(
        "UPDATE agent SET status = 'SUSPENDED' WHERE id = %s", stage.caller.agency.agent_id
    )
    return stage.post()


@_provokes("RATE_LIMIT_EXCEEDED", 429)
def one_request_too_many(stage: Stage) -> httpx.Response:
    with calling(stage.service, stage.service.agency(rate_limit_per_minute=1)) as caller:
        assert caller.call("GET").status_code == 200
        return caller.http.post(QUOTES, json=laden())


@_provokes("QUOTA_EXCEEDED", 403)
def one_quote_too_many(stage: Stage) -> httpx.Response:
    with calling(stage.service, stage.service.agency(max_active_quotes=1)) as caller:
        assert caller.http.post(QUOTES, json=laden()).status_code == 201
        return caller.http.post(QUOTES, json=laden())


# --- what the caller sends ------------------------------------------------------------------------


@_provokes("QUOTE_VALIDATION_FAILED", 400)
def a_wrong_value(stage: Stage) -> httpx.Response:
    return stage.post(adults=NASTY, currency=[NASTY], taxes=NASTY, startDate=NASTY, clientId=NASTY)


@_provokes("QUOTE_VALIDATION_FAILED", 400)
def a_body_that_is_no_json(stage: Stage) -> httpx.Response:
    return stage.caller.call("POST", "", json.dumps(laden()).encode()[:-1])


@_provokes("QUOTE_VALIDATION_FAILED", 413)
def a_body_that_is_too_large(stage: Stage) -> httpx.Response:
    return stage.caller.call("POST", "", SECRET.encode() * 100_000)


@_provokes("QUOTE_VALIDATION_FAILED", 415)
def a_body_of_another_type(stage: Stage) -> httpx.Response:
    return stage.caller.call("POST", "", NASTY.encode(), Content_Type=f"text/{SECRET}")


@_provokes("QUOTE_VALIDATION_FAILED", 422)
def a_key_used_again(stage: Stage) -> httpx.Response:
    headers = {"Idempotency-Key": f"{SECRET}-{CLOCK.uuid7()}"}
    assert stage.caller.http.post(QUOTES, json=laden(), headers=headers).status_code == 201
    return stage.caller.http.post(QUOTES, json=laden(adults=3), headers=headers)


@_provokes("QUOTE_VALIDATION_FAILED", 400, leaves_attempt=False)
def a_wrong_parameter(stage: Stage) -> httpx.Response:
    return stage.caller.call("GET", f"?cursor={SECRET}&status={SECRET}")


@_provokes("CURRENCY_INVALID", 400)
def a_wrong_currency(stage: Stage) -> httpx.Response:
    return stage.post(currency=NASTY)


@_provokes("PRICING_VALIDATION_FAILED", 400)
def a_negative_total(stage: Stage) -> httpx.Response:
    return stage.post(discount=99_999)


@_provokes("ITEMS_INCONSISTENT", 400)
def a_total_of_the_callers_own(stage: Stage) -> httpx.Response:
    return stage.post(total=1)


@_provokes("CLIENT_NOT_FOUND", 404)
def an_absent_client(stage: Stage) -> httpx.Response:
    return stage.post(clientId=str(CLOCK.uuid7()))


@_provokes("QUOTE_NOT_FOUND", 404)
def an_absent_quote(stage: Stage) -> httpx.Response:
    return stage.change(str(CLOCK.uuid7()))


@_provokes("QUOTE_NOT_FOUND", 404, leaves_attempt=False)
def an_absent_quote_on_a_read(stage: Stage) -> httpx.Response:
    return stage.caller.call("GET", f"/{CLOCK.uuid7()}")


@_provokes("QUOTE_STATE_INVALID", 409)
def a_wrong_status(stage: Stage) -> httpx.Response:
    quote_id = stage.create()
    return stage.caller.call("POST", f"/{quote_id}/reject", {"reason": NASTY})


@_provokes("QUOTE_ALREADY_SENT", 409)
def a_change_of_what_was_sent(stage: Stage) -> httpx.Response:
    quote_id = stage.create()
    sent = {"channel": "email", "to": f"{SECRET}@example.org", "subject": NASTY, "message": NASTY}
    assert stage.caller.call("POST", f"/{quote_id}/send", sent).status_code == 200
    return stage.change(quote_id, 2)


@_provokes("QUOTE_CONFLICT_VERSION", 409)
def a_stale_version(stage: Stage) -> httpx.Response:
    quote_id = stage.create()
    assert stage.change(quote_id).status_code == 200
    return stage.change(quote_id)


@_provokes("QUOTE_CONFLICT_VERSION", 412)
def a_stale_precondition(stage: Stage) -> httpx.Response:
    return stage.caller.call("PATCH", f"/{stage.create()}", {"customNotes": NASTY}, If_Match='"7"')


# --- what we cannot -------------------------------------------------------------------------------


@_provokes("QUOTE_PERSISTENCE_FAILED", 500)
def a_broken_constraint(stage: Stage) -> httpx.Response:
    """23514; the database's message quotes the whole row."""
    stage.execute(
        "ALTER TABLE quote ADD CONSTRAINT provoked CHECK (adults <> 7) NOT VALID",
        "ALTER TABLE quote DROP CONSTRAINT provoked",
    )
    return stage.post(adults=7)


@_provokes("QUOTE_PERSISTENCE_FAILED", 500)
def a_missing_reference(stage: Stage) -> httpx.Response:
    """23503, by an agent that is gone while its key is still trusted."""
    stage.raising("23503")
    return stage.post()


@_provokes("QUOTE_PERSISTENCE_FAILED", 500)
def a_full_disk(stage: Stage) -> httpx.Response:
    stage.raising("53100")
    return stage.post()


@_provokes("QUOTE_PERSISTENCE_FAILED", 500, is_reported=True)
def a_full_disk_under_the_journal(stage: Stage) -> httpx.Response:
    def refuse(_journal: Journal, _row: AttemptRow) -> NoReturn:
        raise OSError(errno.ENOSPC, f"{SECRET}: no space left")

    stage.patch.setattr(Journal, "begin", refuse)
    return stage.post()


@_provokes("QUOTE_PERSISTENCE_FAILED", 500)
def a_dead_database(stage: Stage) -> httpx.Response:
    _close_database(stage)
    return stage.post()


@_provokes("QUOTE_PERSISTENCE_FAILED", 500)
def a_dead_database_and_a_key_never_seen(stage: Stage) -> httpx.Response:
    _close_database(stage)
    with client_of(stage.service, UNKNOWN_KEY) as http:
        return http.post(QUOTES, json=laden())


@_provokes("QUOTE_PERSISTENCE_FAILED", 500, leaves_attempt=False)
def a_dead_database_on_a_read(stage: Stage) -> httpx.Response:
    _close_database(stage)
    return stage.caller.call("GET")


@_provokes("QUOTE_PERSISTENCE_FAILED", 500)
def a_line_cut_during_the_write(stage: Stage) -> httpx.Response:
    """The write was sent, so the engine asks what became of it before it says anything."""
    stage.trigger("PERFORM pg_terminate_backend(pg_backend_pid())")
    return stage.post()


@_provokes("DATABASE_TIMEOUT", 504)
def a_locked_row(stage: Stage) -> httpx.Response:
    quote_id = stage.create()
    _lock(stage, f"SELECT FROM quote WHERE id = '{quote_id}' FOR UPDATE")
    return stage.change(quote_id)


@_provokes("DATABASE_TIMEOUT", 504, leaves_attempt=False)
def a_locked_table_on_a_read(stage: Stage) -> httpx.Response:
    quote_id = stage.create()
    _lock(stage, "LOCK TABLE quote")
    return stage.caller.call("GET", f"/{quote_id}")


@_provokes("DATABASE_TIMEOUT", 504)
def a_statement_that_takes_too_long(stage: Stage) -> httpx.Response:
    stage.trigger("PERFORM pg_sleep(30)")
    return stage.post()


@_provokes("DATABASE_TIMEOUT", 504)
def a_pool_that_is_used_up(stage: Stage) -> httpx.Response:
    with ExitStack() as held:
        with suppress(PoolTimeout):
            while True:
                held.enter_context(stage.service.runtime.save_pool.connection())
        return stage.post()


@_provokes("DATABASE_TRANSACTION_ABORTED", 503)
def a_serialization_failure(stage: Stage) -> httpx.Response:
    stage.raising("40001")
    return stage.post()


@_provokes("DATABASE_TRANSACTION_ABORTED", 503)
def a_deadlock(stage: Stage) -> httpx.Response:
    stage.raising("40P01")
    return stage.change(_made_before(stage))


@_provokes("INTERNAL_ERROR", 500, is_reported=True)
def an_error_that_nobody_foresaw(stage: Stage) -> httpx.Response:
    stage.raising("P0001")
    return stage.post()


@_provokes("INTERNAL_ERROR", 500, is_reported=True)
def a_bug_in_the_save(stage: Stage) -> httpx.Response:
    stage.patch.setattr("engine.saving.course.plan_creation", _bug)
    return stage.post()


@_provokes("INTERNAL_ERROR", 500, is_reported=True)
def a_bug_at_the_gate(stage: Stage) -> httpx.Response:
    stage.patch.setattr("engine.api.gate.bearer_key", _bug)
    return stage.post()


@_provokes("INTERNAL_ERROR", 500, is_reported=True)
def a_bug_in_the_reading_of_a_body(stage: Stage) -> httpx.Response:
    stage.patch.setattr("engine.api.writes.parse_object", _bug)
    return stage.post()


@_provokes("INTERNAL_ERROR", 500, leaves_attempt=False, is_reported=True)
def a_bug_in_a_read(stage: Stage) -> httpx.Response:
    stage.patch.setattr("engine.api.reads.read_listing", _bug)
    return stage.caller.call("GET")


def _bug(*_args: object, **_more: object) -> NoReturn:
    raise RuntimeError(NASTY)


def _made_before(stage: Stage) -> str:
    """A quote that was made while nothing was provoked."""
    row = stage.service.database.execute(
        "SELECT id FROM quote WHERE agent_id = %s", [stage.caller.agency.agent_id]
    ).fetchone()
    assert row is not None
    return str(row[0])


def _lock(stage: Stage, statement: str) -> None:
    """Holds a lock until the end."""
    other = stage.afterwards.enter_context(psycopg.connect(stage.service.runtime.target.owner))
    other.execute(statement.encode())


def _close_database(stage: Stage) -> None:
    """Cuts every connection of the engine and lets it make no other, until the end."""
    name = str(conninfo_to_dict(stage.service.runtime.target.app)["dbname"])
    stage.afterwards.callback(_open_database, stage, name)
    with psycopg.connect(stage.server, autocommit=True) as connection:
        _allow_connections(connection, name, "false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND application_name = 'saveguard'",
            [name],
        )


def _open_database(stage: Stage, name: str) -> None:
    """Lets the engine connect again."""
    with psycopg.connect(stage.server, autocommit=True) as connection:
        _allow_connections(connection, name, "true")


def _has_swept(service: Service) -> bool:
    try:
        service.runtime.sweeper.sweep()
        with service.runtime.save_pool.connection() as connection:
            connection.execute("SELECT 1")
    except (psycopg.Error, PoolTimeout):
        return False
    return not service.runtime.journal.is_spooling


def _allow_connections(
    connection: psycopg.Connection[Any], name: str, allowed: Literal["true", "false"]
) -> None:
    connection.execute(
        sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(
            sql.Identifier(name),
            sql.SQL(allowed),
        )
    )


@contextmanager
def staged(service: Service, server: str) -> Iterator[Stage]:
    """A stage with an agent whose client and quote carry the secret."""
    with (
        calling(service) as caller,
        pytest.MonkeyPatch.context() as patch,
        ExitStack() as afterwards,
    ):
        service.execute(
            "UPDATE client SET first_name = %s, last_name = %s, email = %s WHERE id = %s",
            NASTY,
            NASTY,
            f"{SECRET}@clients.example",
            caller.agency.client_id,
        )
        # What could not be recorded in time is on its way, as a worker would have it.
        afterwards.callback(lambda: eventually(lambda: _has_swept(service)))
        stage = Stage(service, caller, server, patch, afterwards)
        stage.create(clientId=str(caller.agency.client_id))
        yield stage
