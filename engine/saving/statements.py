"""The save's SQL, built from the tables with SQLAlchemy Core and compiled once.

One statement does a whole save. Its parts, in the order in which they depend on each other:

    current    locks the quote's row and reads what it is now (a change only)
    saved      writes the row if status, version and client still allow it
    revised    the snapshot of exactly what was written
    keyed      the idempotency key with its answer (when the caller gave one)
    verdict    0 when it was saved, else the number of the code that refuses it
    attempted  the attempt's row
    queued     what the rollups need of it, where they are fed by a queue

A refusal is a row of data like any other, so its attempt commits, too, unless `row_if_refused` is
false: with an idempotency key it may turn out to be a replay, and without an expected version it is
worth another try; then the row is left to the caller.

The same parts one by one, in a transaction, are the form for Citus and for poolers. Parameters are
named after the quote's columns; those of the attempt carry the prefix `attempt_`.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from sqlalchemy import (
    CTE,
    ColumnElement,
    Insert,
    Integer,
    SmallInteger,
    Table,
    Text,
    Update,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    extract,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.base import ColumnCollection

from engine.attempts.ledger import FIELDS, PREFIX, QUEUED, outcome_of, queued
from engine.attempts.outcome import Outcome
from engine.attempts.tables import Attempt
from engine.database.sql import Statement, parameter, table_of, whole, word
from engine.errors import TAXONOMY, ErrorCode
from engine.quotes.lifecycle import Status
from engine.quotes.record import COLUMNS
from engine.quotes.tables import Client, Quote, QuoteRevision
from engine.saving.tables import IdempotencyKey

SAVED: Final = 0  # the verdict of a save that was written

# The refusals that only the writing statement can decide.
DECIDED_BY_WRITE: Final = (
    ErrorCode.QUOTE_NOT_FOUND,
    ErrorCode.QUOTE_ALREADY_SENT,
    ErrorCode.QUOTE_STATE_INVALID,
    ErrorCode.QUOTE_CONFLICT_VERSION,
    ErrorCode.CLIENT_NOT_FOUND,
    ErrorCode.INTERNAL_ERROR,
)

# What of the attempt's row only the one statement knows, as it returns it.
DECIDED: Final = (
    "quote_id",
    "duration_us",
    "database_us",
    "actual_version",
    "outcome",
    "error_code",
    "severity",
    "http_status",
    "retryable",
)

Columns = dict[str, ColumnElement[Any]]

_quote = table_of(Quote)
_client = table_of(Client)
_revision = table_of(QuoteRevision)
_attempt = table_of(Attempt)
_key = table_of(IdempotencyKey)

# A change never writes these again; everything else is written by every save.
_FIXED: Final = frozenset({"agent_id", "id", "quote_number", "created_at"})
_BEFORE: Final = ("status", "version", "last_modified_by", "last_modified_at")


# --- one statement --------------------------------------------------------------------------------


@cache
def change_in_one(*, keyed: bool, has_queue: bool) -> Statement:
    """A whole save of an existing quote.

    Returns one row: verdict; status, version, last_modified_by, last_modified_at as they were
    before, null when there was no such quote; whether the attempt's row is written, and of it
    `DECIDED`.
    """
    current = _current().cte("current")
    saved = (
        _changed_quote().where(exists(select(current.c.version))).returning(*_quote.c).cte("saved")
    )
    verdict = (
        select(_verdict_on_change(saved, current), *current.c)
        .select_from(select(true().label("always")).subquery("one").outerjoin(current, true()))
        .cte("verdict")
    )
    return _whole_save(saved, verdict, keyed=keyed, has_queue=has_queue)


@cache
def create_in_one(*, keyed: bool, has_queue: bool) -> Statement:
    """A whole save of a new quote; returns a row like that of a change."""
    saved = (
        insert(_quote)
        .from_select(
            list(COLUMNS),
            select(*(parameter(_quote, name) for name in COLUMNS)).where(_client_fits()),
        )
        .returning(*_quote.c)
        .cte("saved")
    )
    verdict = select(
        case(
            (exists(select(saved.c.id)), whole(SAVED)), else_=_number(ErrorCode.CLIENT_NOT_FOUND)
        ).label("verdict"),
        *(cast(null(), _quote.c[name].type).label(name) for name in _BEFORE),
    ).cte("verdict")
    return _whole_save(saved, verdict, keyed=keyed, has_queue=has_queue)


def _verdict_on_change(saved: CTE, current: CTE) -> ColumnElement[Any]:
    is_allowed = current.c.status == func.any(_allowed_statuses())
    return case(
        (exists(select(saved.c.id)), whole(SAVED)),
        (or_(current.c.status.is_(None), current.c.status == word(Status.CANCELLED)),
         _number(ErrorCode.QUOTE_NOT_FOUND)),
        (~is_allowed & (current.c.status == word(Status.SENT)),
         bindparam("verdict_if_sent", type_=Integer())),
        (~is_allowed, _number(ErrorCode.QUOTE_STATE_INVALID)),
        (current.c.version != _expected_version(), _number(ErrorCode.QUOTE_CONFLICT_VERSION)),
        (~_client_fits(), _number(ErrorCode.CLIENT_NOT_FOUND)),
        else_=_number(ErrorCode.INTERNAL_ERROR),
    ).label("verdict")  # fmt: skip


def _whole_save(saved: CTE, verdict: CTE, *, keyed: bool, has_queue: bool) -> Statement:
    parts = [_insert_from(_revision, _revision_of(saved.c, "saved"), saved).cte("revised")]
    if keyed:
        parts.append(_insert_from(_key, _key_of(saved.c), saved).cte("keyed"))
    decided = tuple(_attempt.c[name] for name in ("id", *DECIDED))
    more = tuple(each for each in QUEUED if each not in set(decided)) if has_queue else ()
    attempted = _judged_attempt(verdict).returning(*decided, *more).cte("attempted")
    if has_queue:
        parts.append(queued(attempted))
    return Statement(
        select(
            *verdict.c,
            attempted.c.id.is_not(None).label("is_row_written"),
            *(attempted.c[name] for name in DECIDED),
        )
        .select_from(verdict.outerjoin(attempted, true()))
        .add_cte(*parts)
    )


def _judged_attempt(verdict: CTE) -> Insert:
    meaning = union_all(_meaning_of_saved(), *map(_meaning_of, DECIDED_BY_WRITE)).subquery(
        "meaning"
    )
    is_saved = verdict.c.verdict == whole(SAVED)
    # What the server spent until here, on top of what we had measured when we sent the statement.
    server_us = cast(
        extract("epoch", func.clock_timestamp() - func.statement_timestamp())
        * literal_column("1000000"),
        Integer,
    )
    columns = {name: parameter(_attempt, name, PREFIX) for name in FIELDS}
    columns["actual_version"] = case(
        (is_saved, parameter(_attempt, "actual_version", PREFIX)), else_=verdict.c.version
    )
    columns["http_status"] = case(
        (is_saved, parameter(_attempt, "http_status", PREFIX)),
        (
            verdict.c.verdict == _number(ErrorCode.QUOTE_CONFLICT_VERSION),
            bindparam("conflict_status", type_=SmallInteger()),
        ),
        else_=meaning.c.http_status,
    )
    # A create that was refused has no quote, whatever id it would have had.
    columns["quote_id"] = case(
        (is_saved, parameter(_attempt, "quote_id", PREFIX)),
        else_=bindparam("named_quote_id", type_=_attempt.c.quote_id.type),
    )
    columns["error_code"] = func.nullif(verdict.c.verdict, whole(SAVED))
    for name in ("outcome", "severity", "retryable"):
        columns[name] = meaning.c[name]
    for name in ("duration_us", "database_us"):
        columns[name] = parameter(_attempt, name, PREFIX) + server_us
    rows = verdict.join(meaning, meaning.c.verdict == verdict.c.verdict)
    return insert(_attempt).from_select(
        list(columns),
        select(*columns.values())
        .select_from(rows)
        .where(or_(is_saved, bindparam("row_if_refused"))),
    )


def _meaning_of(code: ErrorCode) -> Any:  # noqa: ANN401  # a Select of five columns
    meaning = TAXONOMY[code]
    return select(
        _number(code).label("verdict"),
        whole(outcome_of(code)).label("outcome"),
        whole(meaning.severity).label("severity"),
        literal_column(str(meaning.retryable)).label("retryable"),
        whole(meaning.http_status).label("http_status"),
    )


def _meaning_of_saved() -> Any:  # noqa: ANN401  # a Select of five columns
    return select(
        whole(SAVED).label("verdict"),
        whole(Outcome.COMMITTED).label("outcome"),
        *(null().label(name) for name in ("severity", "retryable", "http_status")),
    )


# --- the parts as statements of their own ---------------------------------------------------------


@cache
def lock_current() -> Statement:
    """Locks a quote's row; returns status, version, last_modified_by, last_modified_at."""
    return Statement(_current())


@cache
def change_quote() -> Statement:
    """Writes a quote if status, version and client allow it; counts one row when it did."""
    return Statement(_changed_quote())


@cache
def create_quote() -> Statement:
    """Inserts a new quote."""
    return Statement(insert(_quote).values({name: parameter(_quote, name) for name in COLUMNS}))


@cache
def client_fits() -> Statement:
    """Whether the client, if any is named, is active and the agent's: one boolean."""
    return Statement(select(_client_fits().label("fits")))


@cache
def insert_revision() -> Statement:
    """Snapshots the quote as the transaction has just written it."""
    fields = _revision_of(_quote.c, "quote")
    return Statement(
        insert(_revision).from_select(
            list(fields), select(*fields.values()).select_from(_quote).where(*_is_the_quote())
        )
    )


@cache
def insert_key() -> Statement:
    """Stores the idempotency key with its answer."""
    fields = _key_of(_quote.c)
    return Statement(
        insert(_key).from_select(
            list(fields), select(*fields.values()).select_from(_quote).where(*_is_the_quote())
        )
    )


# --- reading --------------------------------------------------------------------------------------


@cache
def read_quote(*, keyed: bool) -> Statement:
    """A quote as it stands, then (keyed) the answer stored under an idempotency key.

    Returns one row: the quote's columns, null when there is none; then fingerprint, http_status,
    response, quote_id, version and expires_at of the key, null when there is none.
    """
    one = select(true().label("always")).subquery("one")
    rows = one.outerjoin(_quote, and_(*_is_the_quote()))
    columns = list(_quote.c)
    if keyed:
        rows = rows.outerjoin(_key, and_(*_is_the_key()))
        columns += _STORED_ANSWER
    return Statement(select(*columns).select_from(rows))


@cache
def read_key() -> Statement:
    """The answer stored under an idempotency key, in the columns of `read_quote`."""
    return Statement(select(*_STORED_ANSWER).where(*_is_the_key()))


@cache
def drop_expired_key() -> Statement:
    """Forgets one key whose day is over."""
    return Statement(
        delete(_key).where(
            *_is_the_key(), _key.c.expires_at <= parameter(_key, "expires_at", "key_")
        )
    )


@cache
def reap_keys() -> Statement:
    """Forgets up to `batch` keys whose day is over."""
    due = (
        select(_key.c.agent_id, _key.c.key)
        .where(_key.c.expires_at <= parameter(_key, "expires_at", "key_"))
        .limit(cast(bindparam("batch"), Integer))
        .subquery("due")
    )
    return Statement(delete(_key).where(_key.c.agent_id == due.c.agent_id, _key.c.key == due.c.key))


@cache
def newer_revisions(limit: int) -> Statement:
    """Who saved a quote after a version, newest first."""
    return Statement(
        select(
            _revision.c.version,
            _revision.c.modified_by,
            _revision.c.modified_at,
            _revision.c.correlation_id,
            _revision.c.changed_fields,
        )
        .where(
            _revision.c.agent_id == parameter(_revision, "agent_id"),
            _revision.c.quote_id == parameter(_revision, "quote_id"),
            _revision.c.version > _expected_version(),
        )
        .order_by(_revision.c.version.desc())
        .limit(whole(limit))
    )


_STORED_ANSWER: Final = (
    _key.c.fingerprint,
    _key.c.http_status,
    _key.c.response,
    _key.c.quote_id,
    _key.c.version,
    _key.c.expires_at,
)


def _is_the_key() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (
        _key.c.agent_id == parameter(_key, "agent_id"),
        _key.c.key == parameter(_key, "key", "idempotency_"),
    )


# --- shared by both forms -------------------------------------------------------------------------


def _current() -> Any:  # noqa: ANN401  # a Select of four columns
    return (
        select(*(_quote.c[name] for name in _BEFORE))
        .where(*_is_the_quote())
        .with_for_update(key_share=True)
    )


def _changed_quote() -> Update:
    """The optimistic lock: it writes one row, or none when somebody was faster."""
    return (
        update(_quote)
        .values({name: parameter(_quote, name) for name in COLUMNS if name not in _FIXED})
        .where(
            *_is_the_quote(),
            _quote.c.version == _expected_version(),
            _quote.c.status == func.any(_allowed_statuses()),
            _client_fits(),
        )
    )


def _revision_of(quote: ColumnCollection[str, Any], relation: str) -> Columns:
    return {
        "agent_id": quote["agent_id"],
        "quote_id": quote["id"],
        "version": quote["version"],
        "operation": parameter(_attempt, "operation", PREFIX),
        "modified_by": quote["last_modified_by"],
        "modified_at": quote["last_modified_at"],
        "correlation_id": parameter(_attempt, "correlation_id", PREFIX),
        "attempt_id": parameter(_attempt, "id", PREFIX),
        "attempt_started_at": parameter(_attempt, "started_at", PREFIX),
        "changed_fields": func.coalesce(parameter(_attempt, "changed_fields", PREFIX), word("")),
        "detail": parameter(_revision, "detail"),
        # The server's own copy of what it stored: the history cannot differ from the quote.
        "snapshot": func.to_jsonb(literal_column(relation)),
    }


def _key_of(quote: ColumnCollection[str, Any]) -> Columns:
    return {
        "agent_id": quote["agent_id"],
        "key": parameter(_attempt, "idempotency_key", PREFIX),
        "fingerprint": parameter(_key, "fingerprint"),
        "attempt_id": parameter(_attempt, "id", PREFIX),
        "quote_id": quote["id"],
        "version": quote["version"],
        "http_status": parameter(_attempt, "http_status", PREFIX),
        "response": parameter(_key, "response"),
        "expires_at": parameter(_key, "expires_at", "key_"),
    }


def _insert_from(table: Table, fields: Columns, source: CTE) -> Any:  # noqa: ANN401  # an Insert
    return insert(table).from_select(list(fields), select(*fields.values()).select_from(source))


def _is_the_quote() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (
        _quote.c.agent_id == parameter(_quote, "agent_id"),
        _quote.c.id == parameter(_quote, "id"),
    )


def _client_fits() -> ColumnElement[bool]:
    # The quote's client where the operation asks for one, else null.
    client_id = parameter(_quote, "client_id", "checked_")
    return or_(
        client_id.is_(None),
        exists(
            select(_client.c.id).where(
                _client.c.agent_id == parameter(_quote, "agent_id"),
                _client.c.id == client_id,
                _client.c.status == word("ACTIVE"),
            )
        ),
    )


def _expected_version() -> ColumnElement[int]:
    return bindparam("expected_version", type_=Integer())


def _allowed_statuses() -> ColumnElement[Any]:
    return bindparam("allowed_statuses", type_=ARRAY(Text()))


def _number(code: ErrorCode) -> ColumnElement[int]:
    return whole(TAXONOMY[code].number)
