"""What went wrong in a window: how often and since when, whom it touched, and in which shapes.

Counts come from the rollups and are exact. Whom a code touched is asked of its newest attempts
only, `SAMPLED` of them: that keeps the question cheap however large the ledger is, and the answer
says what it rests on. All of it is seen in one snapshot.
"""

# ruff: noqa: S608 - put together from constants of ours

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg
from psycopg import sql

from engine.attempts import ledger
from engine.attempts.outcome import UNKNOWN_AGENT, Outcome, Path
from engine.errors import TAXONOMY, ErrorCode
from engine.quotes.lifecycle import Operation
from engine.rollups import newest
from engine.rollups.counts import ALL_OPERATIONS, Counts, Traffic
from engine.rollups.grid import Tier, Window, charted_tier, floor, window_before
from engine.rollups.newest import Visit
from engine.rollups.selection import Filter
from engine.rollups.series import Bucket, Look

SAMPLED: Final = 1_000
LISTED: Final = 20
SHAPES: Final = 50
_CORRELATION_IDS: Final = 3
_CODES: Final = {meaning.number: code for code, meaning in TAXONOMY.items()}


class Moment(msgspec.Struct, frozen=True):
    """When something was seen.

    Attributes:
        at: the instant; of a day its first.
        is_day: whether only the day is known, because retention has dropped its attempts.
    """

    at: datetime
    is_day: bool = False


class Sample(msgspec.Struct, frozen=True):
    """Whom the newest attempts of a code touched.

    Attributes:
        attempts: how many were looked at.
        agents: how many known agents they are of.
        quotes: how many quotes they are of.
        last_at: when the newest of them started.
        correlation_ids: the newest, newest first.
    """

    attempts: int
    agents: int
    quotes: int
    last_at: datetime
    correlation_ids: tuple[str, ...]


class CodeFailures(msgspec.Struct, frozen=True):
    """The attempts of a window that ended with one code.

    Attributes:
        number: of the code; perhaps one that a newer release wrote.
        count: how many there are.
        before: how many there are in the window before.
        first_seen: ever, not only in the window; before it as of the roller's last run.
        last_seen: in the window.
        sample: None if retention has dropped them.
    """

    number: int
    count: int
    before: int
    first_seen: Moment
    last_seen: Moment
    sample: Sample | None

    @property
    def is_ours(self) -> bool:
        """Whether the caller could do nothing about it; what nobody can explain counts as ours."""
        code = _CODES.get(self.number)
        return code is None or ledger.outcome_of(code) is Outcome.FAILED


class Shape(msgspec.Struct, frozen=True):
    """Attempts of the sample that failed alike.

    Attributes:
        number: of their code.
        operation: what was attempted.
        path: which save path took them.
        changed_fields: what they were to change, as the ledger has it.
        http_status: what they were answered; None if that is not known.
        count: how many.
        first_at: when the oldest started.
        last_at: when the newest started.
        agents: how many known agents they are of.
        quotes: how many quotes they are of.
        correlation_id: of the newest.
    """

    number: int
    operation: Operation
    path: Path
    changed_fields: str | None
    http_status: int | None
    count: int
    first_at: datetime
    last_at: datetime
    agents: int
    quotes: int
    correlation_id: str


class FailedAttempt(msgspec.Struct, frozen=True):
    """An attempt that failed, as a list of the newest shows it."""

    started_at: datetime
    number: int
    outcome: Outcome
    operation: Operation
    duration_us: int
    correlation_id: str
    quote_id: UUID | None


@dataclass(frozen=True, slots=True)
class Failures:
    """What went wrong in a window.

    Attributes:
        read_at: when this was asked.
        window: which attempts are looked at.
        wanted: which of them.
        code: the only one that shapes and newest are of; every one if None.
        counts: of the window.
        counts_before: of the window before it.
        tier: of the series.
        series: what was counted over time.
        codes: one for each code of the window, most frequent first.
        shapes: most frequent first, at most `SHAPES`.
        newest: newest first, at most `LISTED`.
        by_path: what was counted on each save path, whichever path is wanted.
        unknown_caller: live attempts refused before an agent was known, which are in no other
            number here; None if other traffic is looked at.
    """

    read_at: datetime
    window: Window
    wanted: Filter
    code: ErrorCode | None
    counts: Counts
    counts_before: Counts
    tier: Tier
    series: tuple[Bucket, ...]
    codes: tuple[CodeFailures, ...]
    shapes: tuple[Shape, ...]
    newest: tuple[FailedAttempt, ...]
    by_path: Mapping[Path, Counts]
    unknown_caller: Counts | None


def read(
    connection: psycopg.Connection[Any],
    look: Look,
    *,
    now: datetime,
    window: Window,
    wanted: Filter,
    code: ErrorCode | None = None,
) -> Failures:
    """Reads what went wrong in a window.

    Args:
        connection: that of the look, inside it.
        look: at rollups and tail.
        now: the present instant.
        window: on the grid, see `window_until`.
        wanted: which attempts are looked at.
        code: the only one to show shapes and newest attempts of.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    tier = charted_tier(window, now)
    counts, counts_before = look.counts([window, window_before(window, now)], wanted)
    by_code = {number: count for number, count in counts.by_code.items() if number and count}
    days = _days(connection, look, window, wanted) if by_code else {}
    samples, shapes, listed = _sampled(connection, days, by_code, window, wanted, code)
    first = _first_seen(connection, days, by_code, wanted)
    return Failures(
        read_at=now,
        window=window,
        wanted=wanted,
        code=code,
        counts=counts,
        counts_before=counts_before,
        tier=tier,
        series=tuple(look.series(window, tier, wanted)),
        codes=tuple(
            CodeFailures(
                number=number,
                count=count,
                before=counts_before.by_code.get(number, 0),
                first_seen=first[number],
                last_seen=_last_seen(number, samples.get(number), days, window),
                sample=samples.get(number),
            )
            for number, count in sorted(by_code.items(), key=lambda each: (-each[1], each[0]))
        ),
        shapes=shapes,
        newest=listed,
        by_path={
            path: counts
            if path is wanted.path
            else look.counts([window], wanted._replace(path=path))[0]
            for path in Path
        },
        unknown_caller=look.counts([window], wanted._replace(traffic=Traffic.UNKNOWN_CALLER))[0]
        if wanted.traffic is Traffic.LIVE
        else None,
    )


# --- from the rollups: on which days a code lies ---

_Days = Mapping[datetime, Mapping[int, int]]


def _days(connection: psycopg.Connection[Any], look: Look, window: Window, wanted: Filter) -> _Days:
    """By day how many attempts of each code it has; the first day is whole."""
    found: defaultdict[datetime, dict[int, int]] = defaultdict(dict)
    values = _values(wanted) | {"start": floor(window.start, Tier.DAY), "end": window.end}
    for day, number, count in connection.execute(_DAYS, values).fetchall():
        found[day][number] = count
    for cell in look.unrolled(window, wanted):
        if cell.code:
            codes = found[floor(cell.grain, Tier.DAY)]
            codes[cell.code] = codes.get(cell.code, 0) + cell.attempts
    return found


def _first_seen(
    connection: psycopg.Connection[Any], days: _Days, by_code: Mapping[int, int], wanted: Filter
) -> dict[int, Moment]:
    """When each code was seen first."""
    if not by_code:
        return {}
    first: dict[int, datetime] = {}
    for day in sorted(days):
        for number in days[day]:
            first.setdefault(number, day)
    for number, day in connection.execute(_FIRST_DAYS, _values(wanted)).fetchall():
        first[number] = min(day, first.get(number, day))
    visits = newest.first_days({number: first[number] for number in by_code})
    statement = sql.SQL(_OLDEST).format(rows=newest.oldest_rows(visits, wanted))
    known = dict(connection.execute(statement, prepare=False).fetchall())
    return {
        number: Moment(known[number]) if number in known else Moment(first[number], is_day=True)
        for number in by_code
    }


def _last_seen(number: int, sample: Sample | None, days: _Days, window: Window) -> Moment:
    """When a code was seen last in the window."""
    if sample is not None:
        return Moment(sample.last_at)
    last = max((day for day, codes in days.items() if number in codes), default=window.start)
    return Moment(last, is_day=True)


def _values(wanted: Filter) -> dict[str, object]:
    return {
        "tier": Tier.DAY.value,
        "operation": ALL_OPERATIONS if wanted.operation is None else wanted.operation.value,
        "traffic": None if wanted.traffic is None else wanted.traffic.value,
        "path": None if wanted.path is None else wanted.path.value,
    }


_WANTED: Final = """
    FROM attempt_rollup AS r
    CROSS JOIN LATERAL unnest(r.codes, r.code_counts) AS coded (code, count)
    WHERE r.tier = %(tier)s
        AND r.operation = %(operation)s
        AND (%(traffic)s::smallint IS NULL OR r.traffic = %(traffic)s)
        AND (%(path)s::smallint IS NULL OR r.path = %(path)s)
        AND coded.code > 0
"""
_DAYS: Final = f"""
    -- How many attempts of each code each day of a window has.
    SELECT r.bucket, coded.code, sum(coded.count)::bigint
    {_WANTED}
        AND r.bucket >= %(start)s
        AND r.bucket < %(end)s
    GROUP BY r.bucket, coded.code
"""
_FIRST_DAYS: Final = f"""
    -- The first day of each code.
    SELECT coded.code, min(r.bucket)
    {_WANTED}
    GROUP BY coded.code
"""

# --- from the ledger: whom a code touched ---


def _sampled(
    connection: psycopg.Connection[Any],
    days: _Days,
    by_code: Mapping[int, int],
    window: Window,
    wanted: Filter,
    code: ErrorCode | None,
) -> tuple[dict[int, Sample], tuple[Shape, ...], tuple[FailedAttempt, ...]]:
    """What the newest attempts of each code show: samples by code, shapes, and the very newest."""
    visits = newest.plan(days, {number: min(count, SAMPLED) for number, count in by_code.items()})
    if not visits:
        return {}, (), ()
    statement = sample_query(visits, window, wanted, code)
    # Its literals differ each time: there is nothing to be prepared.
    row = connection.execute(statement, prepare=False).fetchone()
    if row is None:
        raise psycopg.InternalError("a query that always returns a row returned none")
    samples, shapes, listed = row
    return (
        {each.number: each.sample for each in _decode_samples(samples)},
        _decode_shapes(shapes),
        _decode_attempts(listed),
    )


def sample_query(
    visits: Sequence[Visit], window: Window, wanted: Filter, code: ErrorCode | None
) -> sql.Composed:
    """A query for samples, shapes and newest attempts, as JSON.

    Args:
        visits: what to read of which day; at least one.
        window: what lies outside of it is left out.
        wanted: which attempts are looked at.
        code: the only one to show shapes and newest attempts of.
    """
    return sql.SQL(_SAMPLE).format(
        rows=newest.newest_rows(visits, window, wanted),
        code=sql.Literal(None if code is None else TAXONOMY[code].number),
        unknown_agent=sql.Literal(UNKNOWN_AGENT),
        correlation_ids=sql.Literal(_CORRELATION_IDS),
        most_shapes=sql.Literal(SHAPES),
        most_listed=sql.Literal(LISTED),
    )


class _NumberedSample(msgspec.Struct):
    number: int
    sample: Sample


_decode_samples: Final = msgspec.json.Decoder(tuple[_NumberedSample, ...]).decode
_decode_shapes: Final = msgspec.json.Decoder(tuple[Shape, ...]).decode
_decode_attempts: Final = msgspec.json.Decoder(tuple[FailedAttempt, ...]).decode
_TOUCHED: Final = """
                    count(DISTINCT agent_id) FILTER (WHERE agent_id <> {unknown_agent}) AS agents,
                    count(DISTINCT quote_id) AS quotes,
                    max(started_at) AS last_at"""
_SAMPLE: Final = f"""
    -- The errors page: the newest attempts of each code are read once and told in three ways.
    WITH newest AS MATERIALIZED (
        {{rows}}
    ),
    -- The only code that is looked at, if there is one.
    picked AS NOT MATERIALIZED (
        SELECT *
        FROM newest
        WHERE {{code}}::smallint IS NULL OR error_code = {{code}}::smallint
    )
    SELECT
        (
            SELECT coalesce(json_agg(json_build_object('number', number, 'sample', touched)), '[]')
                ::text
            FROM (
                SELECT
                    error_code AS number,
                    count(*) AS attempts,{_TOUCHED},
                    (array_agg(correlation_id ORDER BY started_at DESC, id DESC))
                        [1:{{correlation_ids}}] AS correlation_ids
                FROM newest
                GROUP BY error_code
            ) AS touched
        ),
        (
            SELECT coalesce(json_agg(shape), '[]')::text
            FROM (
                SELECT
                    error_code AS number,
                    operation,
                    path,
                    changed_fields,
                    http_status,
                    count(*) AS count,
                    min(started_at) AS first_at,{_TOUCHED},
                    (array_agg(correlation_id ORDER BY started_at DESC, id DESC))[1]
                        AS correlation_id
                FROM picked
                GROUP BY error_code, operation, path, changed_fields, http_status
                ORDER BY count(*) DESC, max(started_at) DESC
                LIMIT {{most_shapes}}
            ) AS shape
        ),
        (
            SELECT coalesce(json_agg(listed), '[]')::text
            FROM (
                SELECT
                    started_at,
                    error_code AS number,
                    outcome,
                    operation,
                    duration_us,
                    correlation_id,
                    quote_id
                FROM picked
                ORDER BY started_at DESC, id DESC
                LIMIT {{most_listed}}
            ) AS listed
        )
"""
_OLDEST: Final = """
    -- When each code was seen first.
    SELECT oldest.error_code, oldest.started_at
    FROM ({rows}) AS oldest
"""
