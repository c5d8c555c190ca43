"""Runs probes, and puts down what they found as evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from engine.access.audit import Actor
from engine.clock import Clock
from engine.database.sessions import session_of
from engine.errors import SetupError
from engine.readiness.assessment import Verdict
from engine.readiness.fingerprints import fingerprints_now
from engine.readiness.items import Dependency, Gate, Item, Kind
from engine.readiness.knowledge import Release
from engine.readiness.probes.leavings import clear_away
from engine.readiness.probes.probe import Found, Question, unknown
from engine.readiness.probes.registry import PROBES
from engine.readiness.records import RecordKind, put_down
from engine.readiness.running_code import is_of
from engine.readiness.signoff import evidence_body
from engine.runtime import Runtime
from engine.settings import Settings

# Told of a box, what was found, and how many boxes of how many are done.
Progress = Callable[[Item, Found, int, int], None]


def nothing(_item: Item, _found: Found, _done: int, _total: int) -> None:
    """Progress that nobody watches."""


_BY_MACHINE: Final = frozenset({Kind.AUTOMATIC, Kind.DRILL})


def runnable(release: Release) -> tuple[Item, ...]:
    """The boxes that a machine can look at by itself, or the gates of, in their order.

    Of a drill that a person runs elsewhere, such as test alerts, a probe looks at what came of it.
    """
    return tuple(
        item
        for item in release.items.values()
        if (item.kind in _BY_MACHINE or item.gate is Gate.LOOK) and item.probe in PROBES
    )


def run(
    runtime: Runtime,
    actor: Actor,
    release: Release,
    items: Sequence[Item],
    progress: Progress = nothing,
    *,
    begin: Callable[[Item], None] = lambda _item: None,
    shared: Mapping[str, Any] | None = None,
) -> dict[str, Found]:
    """Looks at boxes in this process, and puts down what was found, each as soon as it is; by id.

    What depends on the release is not looked at where other code runs: what that does says nothing
    of the release. A probe that breaks has found nothing: its box is unknown, with the kind of
    error as the reason. What looks have left behind is cleared away at last.

    Args:
        runtime: that is looked at, and looked with: not that of a process that serves (`apart`).
        actor: who looks.
        release: whose boxes.
        items: of the boxes.
        progress: told of each box once it is put down.
        begin: told of each box before it is looked at.
        shared: what is known already, see `Question.shared`.

    Raises:
        sqlalchemy.exc.DBAPIError: what was found could not be put down.
    """
    memory: dict[str, Any] = dict(shared or {})
    found: dict[str, Found] = {}
    for item in items:
        if item.probe not in PROBES:
            continue
        phase = next(
            each
            for each in release.checklist.phases
            if any(box.id == item.id for box in each.boxes)
        )
        begin(item)
        question = Question(runtime, release, item, phase, memory)
        with session_of(runtime.target) as session:
            # Of before the look: what changes meanwhile it may not have seen.
            fingerprints = fingerprints_now(session, runtime.settings, release)
        started_at = runtime.clock.now()
        result = _another_code(question) or look_at(question)
        with session_of(runtime.target) as session:
            put_down_found(
                session,
                runtime.clock,
                runtime.settings,
                actor,
                release,
                item.id,
                result,
                started_at,
                fingerprints,
            )
        found[item.id] = result
        progress(item, result, len(found), len(items))
    clear_away(runtime)
    return found


def put_down_found(
    session: Session,
    clock: Clock,
    settings: Settings,
    actor: Actor,
    release: Release,
    item_id: str,
    found: Found,
    started_at: datetime,
    fingerprints: Mapping[Dependency, str] | None = None,
) -> UUID:
    """Puts down what was found of a box, as evidence; returns the record's id.

    Args:
        session: of the transaction that it is part of.
        clock: for when it was over.
        settings: of this process, whose fingerprint is kept.
        actor: who looked, or brought what was found.
        release: of which release.
        item_id: of the box.
        found: what was found.
        started_at: when the look began.
        fingerprints: of things as they were then; as they are now unless given.
    """
    if fingerprints is None:
        fingerprints = fingerprints_now(session, settings, release)
    record = put_down(
        session,
        clock,
        actor,
        RecordKind.EVIDENCE,
        release.id,
        evidence_body(
            release.id,
            clock.uuid7(),
            found.verdict,
            found.reason,
            started_at=started_at,
            ended_at=clock.now(),
            fingerprints=fingerprints,
            numbers={**_probe_of(release, item_id), **found.numbers},
            witness=found.witness,
            is_attested=False,
        ),
        item_id=item_id,
    )
    return record.id


def _probe_of(release: Release, item_id: str) -> dict[str, str]:
    """Which probe decides a box, so that evidence says by itself what was looked with."""
    item = release.items.get(item_id)
    return {} if item is None or item.probe is None else {"probe": item.probe}


def _another_code(question: Question) -> Found | None:
    """Why a box of the release is not looked at here; None when it can be."""
    runs, release = question.runtime.settings.release, question.release
    if Dependency.RELEASE not in question.item.depends_on or is_of(release, runs):
        return None
    return unknown(
        f"This process runs {runs}, not {release.name}: set SAVEGUARD_RELEASE, or look where that"
        " runs",
        "SAVEGUARD_RELEASE",
        runs=runs,
    )


def look_at(question: Question) -> Found:
    """What the probe of a box finds; unknown, with the kind of error, where it breaks."""
    try:
        return PROBES[question.item.probe or ""](question)
    except SetupError as error:  # in words of ours, which quote nothing
        return unknown(str(error))
    except (psycopg.OperationalError, PoolTimeout, OperationalError) as error:
        return unknown(f"The database could not be asked ({type(error).__name__})")
    except Exception as error:  # noqa: BLE001  # a probe that breaks must not end the others
        # Its own words may quote a value.
        return Found(Verdict.UNKNOWN, f"The look itself failed ({type(error).__name__})")
