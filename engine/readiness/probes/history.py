"""The judge of a history: what was asked and answered, against what the database says.

Every call is noted before it is made and again when it is answered. Afterwards the judge reads the
ledger, the quotes and their revisions in one snapshot and names each anomaly with the calls and
rows that prove it. It knows nothing of how the engine works, only what it has promised.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg
from psycopg import IsolationLevel
from psycopg.rows import namedtuple_row

from engine.clock import Clock, SystemClock
from engine.saving.answer import Refused, Replayed, SaveResult
from engine.saving.request import SaveRequest
from engine.saving.save import Saver

SAVED, REPLAYED, REFUSED, INDETERMINATE = "saved", "replayed", "refused", "indeterminate"


class Call(msgspec.Struct, kw_only=True):
    """One call: what was asked, and what was answered if anything was.

    Attributes:
        correlation_id: unique among the calls of a history; it names the attempt.
        trip_name: what a create or an update was to write, unique too; it proves whose words stand.
        invoked: monotonic seconds before the call.
        returned: monotonic seconds after the answer; None when there was none.
        answer: SAVED, REPLAYED, REFUSED or INDETERMINATE; None when there was none.
        answered_id: correlation id that the answer's body carries.
    """

    correlation_id: str
    agent_id: UUID
    operation: str
    quote_id: UUID | None = None
    key: str | None = None
    trip_name: str | None = None
    invoked: float
    returned: float | None = None
    answer: str | None = None
    code: str | None = None
    version: int | None = None
    answered_id: str | None = None

    @property
    def has_succeeded(self) -> bool:
        """Whether its caller was told that it is saved."""
        return self.answer in {SAVED, REPLAYED}

    def __str__(self) -> str:
        said = self.answer or "no answer"
        what = f"{self.operation} quote={self.quote_id} key={self.key}"
        return f"{self.correlation_id} {what} → {said} {self.code or ''} version={self.version}"


class History:
    """The calls of any number of threads."""

    def __init__(self, clock: Clock | None = None) -> None:
        """Starts empty.

        Args:
            clock: for when calls begin and end; the machine's own unless given.
        """
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self.calls: list[Call] = []

    def asked(self, call: Call) -> None:
        """Notes a call before it is made."""
        with self._lock:
            self.calls.append(call)

    def answered(self, call: Call) -> None:
        """Is told of a call's answer, which stands in it."""

    def save(self, saver: Saver, request: SaveRequest) -> SaveResult:
        """Saves, and notes what was asked and what was answered."""
        call = call_of(request, self._clock.monotonic())
        self.asked(call)
        result = saver.save(request)
        note_answer(call, result, self._clock.monotonic())
        self.answered(call)
        return result

    def count(self, *answers: str | None) -> int:
        """How many calls were answered so."""
        with self._lock:
            return sum(call.answer in answers for call in self.calls)


def call_of(request: SaveRequest, invoked: float) -> Call:
    """A call that is about to be made."""
    return Call(
        correlation_id=request.correlation_id,
        agent_id=request.agent_id,
        operation=request.operation.name,
        quote_id=request.quote_id,
        key=request.idempotency_key,
        trip_name=request.body.get("tripName"),
        invoked=invoked,
    )


def note_answer(call: Call, result: SaveResult, returned: float) -> None:
    """Notes what a call was answered."""
    call.returned = returned
    if isinstance(result, Refused):
        is_unknown = result.refusal.details.get("outcome") == "indeterminate"
        call.answer = INDETERMINATE if is_unknown else REFUSED
        call.code = result.refusal.code.value
        return
    body = msgspec.json.decode(result.body())
    call.answer = REPLAYED if isinstance(result, Replayed) else SAVED
    call.quote_id, call.version = result.quote_id, result.version
    call.answered_id = body["correlationId"]


# --- the judge ------------------------------------------------------------------------------------


class Facts(msgspec.Struct):
    """What the database says, in one snapshot."""

    attempts: list[Any]
    quotes: list[Any]
    revisions: list[Any]


_ATTEMPTS: Final = """
    SELECT agent_id, correlation_id, id, outcome, error_code, quote_id, actual_version,
           idempotency_key
    FROM ledger
    WHERE agent_id = %(agent_id)s AND (%(quote_id)s::uuid IS NULL OR quote_id = %(quote_id)s)
        AND (%(since)s::timestamptz IS NULL OR started_at >= %(since)s)
    ORDER BY started_at, id
"""
_QUOTES: Final = """
    SELECT agent_id, id, version, status, trip_name
    FROM quote
    WHERE agent_id = %(agent_id)s AND (%(quote_id)s::uuid IS NULL OR id = %(quote_id)s)
    ORDER BY id
"""
_REVISIONS: Final = """
    SELECT agent_id, quote_id, version, correlation_id, attempt_id,
           snapshot ->> 'trip_name' AS trip_name
    FROM quote_revision
    WHERE agent_id = %(agent_id)s AND (%(quote_id)s::uuid IS NULL OR quote_id = %(quote_id)s)
    ORDER BY quote_id, version
"""


def facts_of(
    conninfo: str,
    agent_id: UUID,
    quote_id: UUID | None = None,
    since: datetime | None = None,
) -> Facts:
    """Reads everything that a judgement needs.

    Args:
        conninfo: of the database.
        agent_id: whose calls are judged.
        quote_id: when all of them were about this one; an agent's whole past is read otherwise.
        since: when none of them was begun before.
    """
    of_agent = {"agent_id": agent_id, "quote_id": quote_id, "since": since}
    with psycopg.connect(conninfo, row_factory=namedtuple_row) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        return Facts(
            *(
                connection.execute(each, of_agent).fetchall()
                for each in (_ATTEMPTS, _QUOTES, _REVISIONS)
            )
        )


def judge(calls: Sequence[Call], facts: Facts, *, never_begun: Collection[str] = ()) -> list[str]:
    """Names every anomaly; an empty list is an acquittal.

    Args:
        calls: everything that was asked.
        facts: what the database says afterwards, with every journal swept.
        never_begun: correlation ids of calls whose process died before it had begun them.
    """
    verdicts = _Judge(calls, facts, frozenset(never_begun))
    return [
        *verdicts.one_row_for_each_attempt(),
        *verdicts.versions_count_changes(),
        *verdicts.every_change_has_its_attempt(),
        *verdicts.nothing_acknowledged_is_missing(),
        *verdicts.what_failed_has_changed_nothing(),
        *verdicts.a_key_takes_effect_once(),
        *verdicts.versions_follow_time(),
    ]


class _Judge:
    def __init__(self, calls: Sequence[Call], facts: Facts, never_begun: frozenset[str]) -> None:
        self._calls = calls
        self._facts = facts
        self._never_begun = never_begun
        self._rows = defaultdict(list)
        for row in facts.attempts:
            self._rows[row.correlation_id].append(row)
        self._revisions_by_id = {each.correlation_id: each for each in facts.revisions}
        self._revisions_of = defaultdict(list)
        for revision in facts.revisions:
            self._revisions_of[revision.agent_id, revision.quote_id].append(revision)

    def one_row_for_each_attempt(self) -> Iterable[str]:
        known = {call.correlation_id for call in self._calls}
        for call in self._calls:
            count = len(self._rows[call.correlation_id])
            if count != (0 if call.correlation_id in self._never_begun else 1):
                yield f"{count} ROWS of one attempt: {call}"
        for correlation_id, rows in self._rows.items():
            if rows and correlation_id not in known:
                yield f"ROW OF NOBODY: {rows[0]}"

    def versions_count_changes(self) -> Iterable[str]:
        committed: dict[Any, int] = defaultdict(int)
        for row in self._facts.attempts:
            if row.outcome == "committed":
                committed[row.agent_id, row.quote_id] += 1
        for quote in self._facts.quotes:
            revisions = [each.version for each in self._revisions_of[quote.agent_id, quote.id]]
            changes = committed.pop((quote.agent_id, quote.id), 0)
            if revisions != list(range(1, quote.version + 1)):
                yield f"HISTORY WITH GAPS: {quote} has revisions {revisions}"
            if changes != quote.version:  # the creation is the first of them
                yield f"VERSION IS NOT THE COUNT OF CHANGES: {quote}, {changes} committed attempts"
        for place, count in committed.items():
            yield f"COMMITTED WITHOUT A QUOTE: {count} attempts on {place}"

    def every_change_has_its_attempt(self) -> Iterable[str]:
        committed = {row.id: row for row in self._facts.attempts if row.outcome == "committed"}
        for revision in self._facts.revisions:
            row = committed.pop(revision.attempt_id, None)
            if row is None:
                yield f"CHANGE WITHOUT AN ATTEMPT: {revision}"
            elif (row.quote_id, row.actual_version) != (revision.quote_id, revision.version):
                yield f"ATTEMPT OF ANOTHER CHANGE: {row} for {revision}"
        for row in committed.values():
            yield f"ATTEMPT WITHOUT ITS CHANGE: {row}"

    def nothing_acknowledged_is_missing(self) -> Iterable[str]:
        for call in self._calls:
            if not call.has_succeeded:
                continue
            revision = self._revisions_by_id.get(call.answered_id)
            if revision is None:
                yield f"ACKNOWLEDGED AND LOST: {call}"
            elif (revision.quote_id, revision.version) != (call.quote_id, call.version):
                yield f"ACKNOWLEDGED AS SOMETHING ELSE: {call} is {revision}"
            elif call.trip_name is not None and revision.trip_name != call.trip_name:
                yield f"ACKNOWLEDGED WITH OTHER WORDS: {call} wrote {revision}"
            elif call.answer == SAVED and call.answered_id != call.correlation_id:
                yield f"ACKNOWLEDGED UNDER ANOTHER ID: {call} as {call.answered_id}"
            for row in self._rows[call.correlation_id]:
                if row.outcome != ("committed" if call.answer == SAVED else "replayed"):
                    yield f"THE LEDGER SAYS OTHERWISE: {call}, but {row}"

    def what_failed_has_changed_nothing(self) -> Iterable[str]:
        for call in self._calls:
            if call.answer != REFUSED:
                continue
            if revision := self._revisions_by_id.get(call.correlation_id):
                yield f"REFUSED AND YET WRITTEN: {call} wrote {revision}"
            for row in self._rows[call.correlation_id]:
                if row.error_code != call.code:
                    yield f"THE LEDGER SAYS OTHERWISE: {call}, but {row}"

    def a_key_takes_effect_once(self) -> Iterable[str]:
        effects = defaultdict(list)
        for row in self._facts.attempts:
            if row.idempotency_key and row.outcome == "committed":
                effects[row.agent_id, row.idempotency_key].append(row)
        for (_, key), rows in effects.items():
            if len(rows) > 1:
                yield f"KEY {key} TOOK EFFECT {len(rows)} TIMES: {rows}"
        for call in self._calls:
            if call.key and call.has_succeeded and not effects[call.agent_id, call.key]:
                yield f"KEY {call.key} ACKNOWLEDGED WITHOUT EFFECT: {call}"

    def versions_follow_time(self) -> Iterable[str]:
        """A save that begins after another one was answered gets a higher version."""
        of_quote = defaultdict(list)
        for call in self._calls:
            if call.answer == SAVED and call.version is not None and call.returned is not None:
                of_quote[call.quote_id].append((call.version, call.invoked, call.returned, call))
        for saved in of_quote.values():
            saved.sort(key=lambda each: each[0])
            latest_invoked, latest = float("-inf"), None
            for _, invoked, returned, call in saved:
                if returned < latest_invoked:
                    yield f"BACK IN TIME: {call} was answered before {latest} was asked"
                if invoked > latest_invoked:
                    latest_invoked, latest = invoked, call
