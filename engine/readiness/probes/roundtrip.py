"""One id through edge, ledger and log: a hundred calls that save, each found in all three."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from engine.access.canaries import Canary
from engine.attempts.lines import CANONICAL
from engine.errors import ErrorCode
from engine.log_files import listed
from engine.log_search import naming
from engine.readiness.probes.calling import Heard, Stage, over_http, quote_body
from engine.readiness.probes.counters import scraped
from engine.readiness.probes.probe import Found, Question, decided, failing, unknown

CALLS: Final = 100
# Of these nothing from outside can make one: the database has to fail.
_OUT_OF_REACH: Final = frozenset(
    {
        ErrorCode.QUOTE_PERSISTENCE_FAILED,
        ErrorCode.DATABASE_TIMEOUT,
        ErrorCode.DATABASE_TRANSACTION_ABORTED,
        ErrorCode.INTERNAL_ERROR,
    }
)
_REACHED: Final = sorted(each.value for each in ErrorCode if each not in _OUT_OF_REACH)
# What every row and every line must say, and say alike.
_REQUIRED: Final = (
    "id", "correlation_id", "operation", "outcome", "http_status", "agent_id", "source",
    "environment", "release", "instance", "started_at", "retries",
)  # fmt: skip
_ALIKE: Final = (*_REQUIRED, "error_code", "quote_id", "severity", "retryable")
_BYTES_MAX: Final = 256 * 1024 * 1024
_WITNESS: Final = (
    "saveguard_requests_total of /metrics; view ledger; lines of the attempts' log, by correlation"
    " id"
)
_NAMED: Final = 5


@over_http(Canary.STRANGER, Canary.HURRIED, Canary.FULL, Canary.SUSPENDED, Canary.NO_AGENT)
def roundtrip(question: Question, stage: Stage) -> Found:
    """`corr.roundtrip`: every id of 100 calls is in the edge's count, the ledger and the log."""
    began = question.runtime.clock.now()
    before = scraped(stage).requests
    answers = list(_calls(stage))
    counted = scraped(stage).requests - before
    rows = stage.rows(answers)
    ids = [each.correlation_id for each in answers]
    lines = _lines(question, ids, began)
    faults = [fault for each in answers if (fault := _fault(each, rows, lines))]
    reached = {each.code for each in answers if each.code}
    missing = sorted(set(_REACHED) - reached)
    numbers = {
        "calls": len(answers),
        "ids": len(set(ids)),
        "edge": counted,
        "ledger": len(rows),
        "log": len(lines),
        "codes": sorted(reached),
        "outOfReach": sorted(each.value for each in _OUT_OF_REACH),
        "faults": faults[:_NAMED],
    }
    if missing:
        return failing(
            f"{len(missing)} codes were not answered where they must be, {missing[0]} among them",
            _WITNESS,
            **numbers,
        )
    if counted < len(answers):
        return failing(
            f"The edge counted {counted} of {len(answers)} requests", _WITNESS, **numbers
        )
    instance = str(next(iter(rows.values()))["instance"]) if rows else ""
    if rows and not lines and not _logs_here(question, instance):
        return unknown(
            f"The log files of {instance} are not in this data directory", _WITNESS, **numbers
        )
    return decided(
        not faults,
        f"{len(answers)} of {len(answers)} ids are in edge, ledger and log alike;"
        f" {len(reached)} codes among them",
        f"{len(faults)} of {len(answers)} are not: {(faults or [''])[0]}",
        _WITNESS,
        **numbers,
    )


def _calls(stage: Stage) -> Iterator[Heard]:
    """A hundred calls that save or are refused, each code that can be had among them."""
    call = stage.caller()
    count = 0
    for answer in _codes(stage):
        count += 1
        yield answer
    while count < CALLS:
        made = call("POST", body=quote_body())
        yield made
        path = f"/{made.quote_id}"
        changed = call("PATCH", path, {"version": 1, "adults": 1 + count % 9})
        yield changed
        gone = call("DELETE", f"{path}?version={changed.version}")
        yield gone
        count += 3


def _codes(stage: Stage) -> Iterator[Heard]:
    """Each code that can be provoked from outside, and each call that saves."""
    call = stage.caller()

    def nobody() -> str:
        return str(stage.runtime.clock.uuid7())

    made = call("POST", body=quote_body())
    yield made
    path = f"/{made.quote_id}"
    yield call("POST", body=quote_body(adults=0))
    yield call("POST", body=quote_body(currency="XXX"))
    yield call("POST", body=quote_body(discount=99_999))
    yield call("POST", body=quote_body(total=1))
    yield call("POST", body=quote_body(clientId=nobody()))
    yield call("PATCH", f"/{nobody()}", {"version": 1, "adults": 3})
    yield call("PATCH", path, {"version": 7, "adults": 3})
    yield call("POST", f"{path}/accept", {})
    yield call("POST", f"{path}/send", {})
    yield call("PATCH", path, {"version": 2, "adults": 3})
    yield call("POST", f"{path}/reject", {})
    yield call("PATCH", path, {"version": 3, "adults": 3})
    yield call("DELETE", f"{path}?version=4")
    other = call("POST", body=quote_body())
    yield other
    yield call("POST", f"/{other.quote_id}/send", {})
    yield call("POST", f"/{other.quote_id}/accept", {})
    body = quote_body()
    yield stage.caller(None)("POST", body=body)
    yield stage.caller(Canary.FULL)("POST", body=body)
    yield stage.caller(Canary.SUSPENDED)("POST", body=body)
    yield stage.caller(Canary.NO_AGENT)("POST", body=body)
    yield stage.caller(Canary.STRANGER)("PATCH", path, {"version": 4, "adults": 3})
    # One of two is one too many.
    hurried = stage.caller(Canary.HURRIED)
    yield hurried("POST", body={})
    yield hurried("POST", body={})


def _lines(question: Question, ids: list[str], since: datetime) -> Mapping[str, Mapping[str, Any]]:
    """The one line of each id; none of an id that has two."""
    found = naming(
        question.runtime.lines.file.directory,
        ids,
        since=since,
        bytes_max=_BYTES_MAX,
        lines_max=10 * CALLS,
    )
    lines: dict[str, Mapping[str, Any]] = {}
    twice: set[str] = set()
    for line in found.lines:
        if line.fields.get("event") in CANONICAL:
            name = str(line.fields["correlation_id"])
            twice |= {name} if name in lines else set()
            lines[name] = line.fields
    return {name: fields for name, fields in lines.items() if name not in twice}


def _logs_here(question: Question, instance: str) -> bool:
    directory = question.runtime.lines.file.directory
    return any(f"{instance}-" in each.path.name for each in listed(directory))


def _fault(
    answer: Heard,
    rows: Mapping[str, Mapping[str, Any]],
    lines: Mapping[str, Mapping[str, Any]],
) -> str:
    """What one call lacks; empty when nothing."""
    name = answer.correlation_id
    row, line = rows.get(name), lines.get(name)
    what = f"{answer} {name}"
    if not name or answer.body.get("correlationId") != name:
        return f"{what}: header and body name no one id"
    if row is None:
        return f"{what}: no one row in the ledger"
    if line is None:
        return f"{what}: no one line in the log"
    empty = [each for each in _REQUIRED if row[each] is None or line.get(each) is None]
    if empty:
        return f"{what}: no {empty[0]}"
    if (row["error_code"] or "", row["http_status"]) != (answer.code, answer.status):
        return f"{what}: the ledger says {row['http_status']} {row['error_code'] or ''}"
    differing = [each for each in _ALIKE if _written(row[each]) != _written(line.get(each))]
    return f"{what}: row and line differ in {differing[0]}" if differing else ""


def _written(value: object) -> object:
    """A value as both a row and a line can say it."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value) if value[:4].isdigit() else value
        except ValueError:
            return value
    return value
