"""Smoke: a canary's quote is created, changed, read and deleted over HTTP, each with its row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from engine.access.canaries import Canary
from engine.errors import ErrorCode
from engine.readiness.probes.calling import (
    CREATED,
    OK,
    QUOTES,
    Caller,
    Heard,
    Stage,
    over_http,
    quote_body,
)
from engine.readiness.probes.probe import Found, Question, failing, insufficient, passing, unknown
from engine.readiness.probes.transcript import Transcript

_NOT_MODIFIED, _NOT_FOUND, _CONFLICT = 304, 404, 409
_SHARED: Final = "smoke.crud"
# Which box asks for which part of the one transcript.
_PARTS: Final = {
    "PRE-7.2.1": "create",
    "PRE-7.2.2": "update",
    "PRE-7.2.3": "read",
    "PRE-7.2.4": "delete",
}
_WITNESS: Final = f"POST, PATCH, GET and DELETE {QUOTES} as the canary agent; view ledger"

# A canary's rounds are told by their correlation ids.
_ROUND: Final = "CANARY-CRUD-"
ROUNDS_WANTED: Final = 15
# Rounds need not begin on the minute, and the first of them may be a little late.
_MINUTE: Final = timedelta(minutes=1)
_SPAN: Final = (ROUNDS_WANTED + 3) * _MINUTE
_ROUNDS: Final = """
    SELECT
        count(*) FILTER (WHERE operation = 'CREATE'),
        count(DISTINCT date_trunc('minute', started_at))
            FILTER (WHERE operation = 'DELETE' AND outcome = 'committed')
    FROM ledger
    WHERE agent_id = %(agent_id)s AND started_at >= %(since)s
        AND correlation_id LIKE %(prefix)s
"""
_UNFINISHED: Final = """
    SELECT count(*)
    FROM ledger c
    WHERE c.agent_id = %(agent_id)s AND c.started_at >= %(since)s
        AND c.correlation_id LIKE %(prefix)s AND c.operation = 'CREATE'
        AND NOT EXISTS (
            SELECT FROM ledger d
            WHERE d.agent_id = c.agent_id AND d.started_at >= c.started_at
                AND d.correlation_id = left(c.correlation_id, -1) || 'D'
                AND d.outcome = 'committed'
        )
"""
# Any one will do: with live traffic the first row that is looked at is likely to be it.
_LIVE: Final = """
    SELECT started_at
    FROM ledger
    WHERE source = 'live' AND outcome = 'committed' AND started_at > %s
    LIMIT 1
"""


@over_http()
def crud(question: Question, stage: Stage) -> Found:
    """`smoke.crud`: the four calls do what they are for; each box is judged on its own part."""
    transcript = question.shared.get(_SHARED)
    if not isinstance(transcript, Transcript):
        transcript = smoke(stage)
        question.shared[_SHARED] = transcript
    part = _PARTS.get(question.item.id)
    if part is None:
        return transcript.found("The smoke test", _WITNESS)
    if not transcript.of(part).checks:
        return unknown(f"Nothing could be asked of {part}: no quote was created", _WITNESS)
    return transcript.of(part).found(f"The smoke test's {part}", _WITNESS)


def smoke(stage: Stage) -> Transcript:
    """Goes through the life of a quote."""
    log, call = Transcript(), stage.caller()
    log.part = "create"
    created = call("POST", body=quote_body())
    quote_id = created.quote_id
    log.equal("POST answers 201", created.status, CREATED)
    log.equal("its version is 1", created.version, 1)
    log.equal("its ETag is the version", created.etag, '"1"')
    log.check(
        "Location leads to it",
        bool(quote_id) and created.headers.get("location", "").endswith(f"/{quote_id}"),
        created.headers.get("location"),
    )
    _row(log, stage, created, "CREATE", "committed")
    if not quote_id:
        return log
    log.part = "update"
    changed = call("PATCH", f"/{quote_id}", {"version": 1, "tripName": "Readiness, changed"})
    log.equal("PATCH from the right version answers 200", changed.status, OK)
    log.equal("the version is 2", changed.version, 2)
    log.equal("the ETag of the change is the version", changed.etag, '"2"')
    _row(log, stage, changed, "UPDATE", "committed")
    stale = call("PATCH", f"/{quote_id}", {"version": 1, "tripName": "Lost"})
    _conflict(log, stale)
    _row(log, stage, stale, "UPDATE", "conflict")
    log.part = "read"
    _read(log, call, quote_id, changed)
    log.part = "delete"
    _delete(log, stage, call, quote_id)
    return log


def _conflict(log: Transcript, stale: Heard) -> None:
    log.equal("PATCH from a stale one answers 409", stale.status, _CONFLICT)
    log.equal("with the code of a conflict", stale.code, ErrorCode.QUOTE_CONFLICT_VERSION.value)
    details: Mapping[str, Any] = stale.body.get("details", {})
    log.equal("it says which version stands", details.get("actualVersion"), 2)
    log.equal("it says who saved", details.get("lastModifiedBy"), str(Canary.AGENT.id))
    log.equal("it says what was changed", details.get("changedFields"), ["tripName"])


def _read(log: Transcript, call: Caller, quote_id: str, changed: Heard) -> None:
    read = call("GET", f"/{quote_id}")
    log.equal("GET answers 200", read.status, OK)
    log.equal("it returns what was written", read.quote.get("tripName"), "Readiness, changed")
    log.check("the quote is the one that was answered", read.quote == changed.quote, "another")
    log.equal("its ETag is that of the save", read.etag, changed.etag or '"2"')
    again = call("GET", f"/{quote_id}", If_None_Match=read.etag or "none")
    log.equal("GET with that ETag answers 304", again.status, _NOT_MODIFIED)


def _delete(log: Transcript, stage: Stage, call: Caller, quote_id: str) -> None:
    deleted = call("DELETE", f"/{quote_id}?version=2")
    log.equal("DELETE answers 200", deleted.status, OK)
    log.equal("the version is 3", deleted.version, 3)
    _row(log, stage, deleted, "DELETE", "committed")
    gone = call("GET", f"/{quote_id}")
    log.equal("it is gone from reads", gone.status, _NOT_FOUND)
    again = call("DELETE", f"/{quote_id}?version=3")
    log.equal("a second DELETE answers 404", again.status, _NOT_FOUND)
    log.equal("with the code of an absent quote", again.code, ErrorCode.QUOTE_NOT_FOUND.value)
    _row(log, stage, again, "DELETE", "rejected")
    log.equal(
        "its row has the status, the version and who did it",
        stage.quote_row(quote_id),
        ("CANCELLED", 3, str(Canary.AGENT.id)),
    )


def _row(log: Transcript, stage: Stage, answer: Heard, operation: str, outcome: str) -> None:
    row = stage.row(answer)
    got = (row.get("operation"), row.get("outcome"), row.get("source"), row.get("http_status"))
    log.equal(
        f"the ledger has its one row of {operation}",
        got,
        (operation, outcome, "synthetic", answer.status),
    )


@over_http()
def canary(question: Question, stage: Stage) -> Found:
    """`canary.crud`: create, change, read, delete, each minute; 15 of 15."""
    runtime = question.runtime
    log, call = Transcript(), stage.caller()
    name = f"{_ROUND}{runtime.clock.uuid7().hex}-"
    made = call("POST", body=quote_body(), X_Correlation_ID=f"{name}C")
    log.equal("create", made.status, CREATED)
    path = f"/{made.quote_id or runtime.clock.uuid7()}"
    changed = call("PATCH", path, {"version": 1, "adults": 3}, X_Correlation_ID=f"{name}U")
    log.equal("update", (changed.status, changed.version), (OK, 2))
    log.equal("read", call("GET", path).quote.get("adults"), 3)
    deleted = call("DELETE", f"{path}?version=2", X_Correlation_ID=f"{name}D")
    log.equal("delete", deleted.status, OK)
    now, deployed_at = runtime.clock.now(), question.release.deployed_at
    # Rounds before the deployment were of other code.
    since = max(now - _SPAN, deployed_at or now - _SPAN)
    values = {"agent_id": Canary.AGENT.id, "since": since, "prefix": f"{_ROUND}%"}
    with runtime.read_pool.connection() as connection:
        begun, good = connection.execute(_ROUNDS, values).fetchone() or (0, 0)
        (unfinished,) = connection.execute(_UNFINISHED, values).fetchone() or (0,)
        (live,) = connection.execute(_LIVE, [deployed_at or now]).fetchone() or (None,)
    traffic = "no live traffic yet" if live is None else "live saves succeed, too"
    numbers = {"begun": begun, "minutes": good, "unfinished": unfinished, "traffic": traffic}
    this_one = log.found("A round of the canary", _WITNESS, **numbers)
    if any(not each.is_good for each in log.checks):
        return this_one
    if unfinished:
        return failing(
            f"{unfinished} of {begun} rounds did not come to their end", _ROUNDS, **numbers
        )
    if good < ROUNDS_WANTED:
        return insufficient(
            f"{good} of {ROUNDS_WANTED} minutes have had a round, none bad; look each minute",
            _ROUNDS,
            **numbers,
        )
    return passing(
        f"{good} of the last {_SPAN // _MINUTE} minutes have had a round, all {begun} good;"
        f" {traffic}",
        _ROUNDS,
        **numbers,
    )


@over_http()
def flow(_question: Question, stage: Stage) -> Found:
    """`flow.ppp`: a create and two changes; what is read at last is the fold of all three."""
    log, call = Transcript(), stage.caller()
    first = quote_body()
    changes: list[dict[str, object]] = [
        {"tripName": "Readiness, second", "adults": 3},
        {"destination": "Anywhere", "customNotes": "third"},
    ]
    answers = [call("POST", body=first)]
    path = f"/{answers[0].quote_id or stage.runtime.clock.uuid7()}"
    for version, change in enumerate(changes, start=1):
        answers.append(call("PATCH", path, {"version": version, **change}))
    log.equal("the statuses", [each.status for each in answers], [CREATED, OK, OK])
    log.equal("the versions", [each.version for each in answers], [1, 2, 3])
    rows = stage.rows(answers)
    log.equal("rows of three correlation ids", len(rows), len(answers))
    log.equal(
        "all of them of the one quote",
        {str(row["quote_id"]) for row in rows.values()},
        {answers[0].quote_id},
    )
    wanted: dict[str, object] = {}
    for each in (first, *changes):
        wanted |= {name: value for name, value in each.items() if name in _FOLDED}
    read = call("GET", path).quote
    log.equal("the quote is the fold", {name: read.get(name) for name in wanted}, wanted)
    if answers[0].quote_id:
        call("DELETE", f"{path}?version=3")
    return log.found("POST, PATCH, PATCH", _WITNESS)


_FOLDED: Final = frozenset({"tripName", "destination", "adults", "customNotes"})
