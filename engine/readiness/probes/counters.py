"""A process's own counters, as `/metrics` shows them, held against the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from engine.errors import SetupError
from engine.readiness.probes.calling import OK, Stage, over_http, quote_body
from engine.readiness.probes.probe import Found, Question, failing, insufficient, passing

# Operation, outcome and code, as both name them; no code is an empty text.
Cell = tuple[str, str, str]

_ATTEMPTS: Final = "saveguard_attempts_total"
_REQUESTS: Final = "saveguard_requests_total"
# Others may save meanwhile; then neither side stands still, and it is looked at again.
_ROUNDS: Final = 5
_MARGIN: Final = timedelta(minutes=1)
_LEDGER: Final = """
    SELECT operation, outcome, coalesce(error_code, ''), count(*)
    FROM ledger
    WHERE instance = %s AND started_at >= %s
    GROUP BY 1, 2, 3
"""
_WITNESS: Final = f"GET /metrics, {_ATTEMPTS}; {_LEDGER}"


class Scrape(NamedTuple):
    """What a process has counted since it began.

    Attributes:
        requests: that reached its edge.
        attempts: that ended.
    """

    requests: int
    attempts: Mapping[Cell, int]


def scraped(stage: Stage) -> Scrape:
    """The counters of the process that answers.

    Raises:
        SetupError: it shows none.
    """
    heard = stage.caller(None).at("/metrics")
    if heard.status != OK:
        raise SetupError(f"/metrics answers {heard.status}")
    requests, attempts = 0, {}
    for family in text_string_to_metric_families(heard.raw.decode()):
        for sample in family.samples:
            if sample.name == _REQUESTS:
                requests = int(sample.value)
            elif sample.name == _ATTEMPTS:
                labels = sample.labels
                cell = (labels["operation"], labels["outcome"], labels["code"])
                attempts[cell] = int(sample.value)
    return Scrape(requests, attempts)


@over_http()
def reconcile(question: Question, stage: Stage) -> Found:
    """`metrics.reconcile`: what the process counted in a window is what the ledger has of it."""
    call = stage.caller()
    instance = str(stage.row(call("POST", body={})).get("instance", ""))
    since = question.runtime.clock.now() - _MARGIN
    worst: dict[str, int] = {}
    for tried in range(1, _ROUNDS + 1):
        rows, counters = _ledger(stage, instance, since), scraped(stage).attempts
        is_quiet = rows == _ledger(stage, instance, since)
        made = _exercise(stage)
        rows_after, counters_after = _ledger(stage, instance, since), scraped(stage).attempts
        is_quiet = is_quiet and rows_after == _ledger(stage, instance, since)
        in_ledger = _difference(rows, rows_after)
        in_metrics = _difference(counters, counters_after)
        worst = {
            "/".join(cell): in_metrics[cell] - in_ledger[cell]
            for cell in in_metrics.keys() | in_ledger.keys()
            if in_metrics[cell] != in_ledger[cell]
        }
        numbers = {
            "made": made,
            "attempts": sum(in_ledger.values()),
            "counted": sum(in_metrics.values()),
            "cells": len(in_ledger),
            "difference": worst,
            "rounds": tried,
        }
        if not worst and in_ledger.total() < made:
            return insufficient(
                f"Of {made} attempts that were just made {in_ledger.total()} are of {instance}:"
                " several processes answer here, or nothing is counted",
                _WITNESS,
                **numbers,
            )
        if not worst:
            return passing(
                f"{numbers['counted']} attempts of {instance} in {numbers['cells']} cells,"
                " difference 0",
                _WITNESS,
                **numbers,
            )
        if is_quiet:
            cell, by = next(iter(sorted(worst.items())))
            return failing(
                f"The counters differ from the ledger in {len(worst)} cells, by {by} in {cell}",
                _WITNESS,
                **numbers,
            )
    return insufficient(
        f"Others saved in each of {_ROUNDS} windows; look when less is going on",
        _WITNESS,
        difference=worst,
        rounds=_ROUNDS,
    )


def _exercise(stage: Stage) -> int:
    """Some of each: saved, refused, in conflict; how many attempts that makes."""
    call = stage.caller()
    made = call("POST", body=quote_body())
    path = f"/{made.quote_id}"
    answers = [
        made,
        call("PATCH", path, {"version": 1, "adults": 3}),
        call("PATCH", path, {"version": 1, "adults": 4}),
        call("POST", body=quote_body(currency="XXX")),
        call("DELETE", f"{path}?version=2"),
        stage.caller(None)("POST", body={}),
    ]
    return len(answers)


def _ledger(stage: Stage, instance: str, since: datetime) -> dict[Cell, int]:
    with stage.runtime.read_pool.connection() as connection:
        rows = connection.execute(_LEDGER, [instance, since]).fetchall()
    return {(operation, outcome, code): count for operation, outcome, code, count in rows}


def _difference(before: Mapping[Cell, int], after: Mapping[Cell, int]) -> Counter[Cell]:
    return Counter(
        {cell: count - before.get(cell, 0) for cell, count in after.items()
         if count != before.get(cell, 0)}
    )  # fmt: skip
