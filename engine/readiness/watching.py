"""What a worker does for releases: looks at live boxes again, and puts down what contradicts.

Each is done by one process at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from engine.access.audit import Actor, terminal_actor
from engine.alerting.loading import own_rules
from engine.alerting.rules import AlertSeverity
from engine.attempts.outcome import Source
from engine.database.sessions import session_of
from engine.errors import TAXONOMY, ErrorCode
from engine.readiness.alert_facts import fact_of_change, facts_of_alert
from engine.readiness.apart import run_apart
from engine.readiness.contradictions import (
    UNEXPLAINED,
    Fact,
    broken_rules,
    contradicted,
)
from engine.readiness.fingerprints import fingerprints_now
from engine.readiness.items import Item
from engine.readiness.knowledge import Release
from engine.readiness.live import due, is_live
from engine.readiness.looking import Readiness, look, read_release
from engine.readiness.probes.probe import Found
from engine.readiness.records import RecordKind, put_down, written_instant
from engine.readiness.releases import current_releases, deployed_release
from engine.readiness.running import runnable
from engine.readiness.sealing import sealer_of
from engine.readiness.turn import UnderWayError
from engine.runtime import Runtime

# As the records name it.
WORKER: Final = "worker"
# Older facts were there for every look since.
_BACK: Final = timedelta(hours=24)
_EXPLAINED: Final = [
    meaning.number for code, meaning in TAXONOMY.items() if code is not ErrorCode.INTERNAL_ERROR
]
_TRY_NOTING: Final = text("SELECT pg_try_advisory_xact_lock(hashtext('saveguard.readiness.note'))")
# Live attempts that ended with the catch-all code, or with one that this release does not know; by
# the index of the few that have a code. One that began before may have ended since.
_UNEXPLAINED: Final = text("""
    SELECT error_code, count(*), max(started_at + duration_us * interval '1 microsecond')
    FROM attempt
    WHERE error_code IS NOT NULL AND error_code <> ALL(:explained)
        AND started_at > CAST(:since AS timestamptz) - interval '5 minutes'
        AND started_at + duration_us * interval '1 microsecond' > :since AND source = :live
    GROUP BY error_code
    ORDER BY error_code
""")

_CRITICAL_ALERTS: Final = text("""
    SELECT rule_id, fired_at, message
    FROM alert
    WHERE severity = :critical AND environment = :environment AND fired_at > :since
    ORDER BY fired_at, id
""")
_CHANGED_RULES: Final = text("""
    SELECT rule_id, max(made_at)
    FROM alert_rule_change
    WHERE made_at > :since
    GROUP BY rule_id
    ORDER BY rule_id
""")


class Run(Protocol):
    """Looks at boxes, as `apart.run_apart` does."""

    def __call__(
        self,
        runtime: Runtime,
        actor: Actor,
        release: Release,
        items: Sequence[Item],
        *,
        patience: timedelta,
    ) -> Mapping[str, Found]:
        """What was found, by the id of the box."""


def seal(runtime: Runtime, *, is_whole: bool = False) -> int:
    """Seals what has come, and writes the checkpoints; returns how many records it sealed.

    Args:
        runtime: of the worker.
        is_whole: whether records are looked for that are much older than the newest seal, too.

    Raises:
        SetupError: nothing can be sealed here, see `sealing.Sealer.seal`.
        OSError: the checkpoints cannot be written.
    """
    with session_of(runtime.target) as session:
        sealer = sealer_of(session, runtime.settings, runtime.clock)
    return sealer.seal_all(runtime.target, is_whole=is_whole)


def look_again(runtime: Runtime, run: Run = run_apart) -> int:
    """Looks at the boxes of the running release whose evidence is soon too old; how many.

    Args:
        runtime: of the worker.
        run: looks, in a process of its own.

    Raises:
        SetupError: nothing can be looked at, see `apart.run_apart`.
    """
    with session_of(runtime.target) as session:
        release_id = deployed_release(session, runtime.settings.environment)
        readiness = None if release_id is None else _look(session, runtime, release_id)
    if readiness is None or not is_live(readiness.release, readiness.read_at):
        return 0
    release, evidence = readiness.release, readiness.knowledge.evidence
    items = due(release, runnable(release), evidence, readiness.read_at)
    if not items:
        return 0
    try:
        actor = terminal_actor(runtime.clock, WORKER)
        return len(run(runtime, actor, release, items, patience=timedelta(0)))
    except UnderWayError:
        return 0  # there is another turn in a minute


def note_contradictions(runtime: Runtime) -> int:
    """Puts down the facts that contradict evidence of current releases; how many boxes reopen."""
    with session_of(runtime.target) as session:
        if session.execute(_TRY_NOTING).scalar() is not True:
            return 0
        reopened = 0
        for release_id in current_releases(session, runtime.settings.environment):
            readiness = _look(session, runtime, release_id)
            if readiness is not None:
                reopened += _note(session, runtime, readiness)
        return reopened


def _look(session: Session, runtime: Runtime, release_id: UUID) -> Readiness | None:
    release = read_release(session, release_id)
    if release is None:
        return None
    fingerprints = fingerprints_now(session, runtime.settings, release)
    return look(session, release_id, fingerprints, runtime.clock.now())


def _note(session: Session, runtime: Runtime, readiness: Readiness) -> int:
    known = readiness.knowledge
    facts = [
        *broken_rules(readiness.release.items, known.evidence),
        *_unexplained(session, runtime, readiness),
        *_of_alerting(session, runtime),
    ]
    # One reason a box is enough: it is open then.
    reopened = {box: fact for fact in facts for box in contradicted(fact, readiness.standings)}
    for item_id, fact in reopened.items():
        put_down(
            session,
            runtime.clock,
            terminal_actor(runtime.clock, WORKER),
            RecordKind.CONTRADICTION,
            readiness.release.id,
            {
                "fact": fact.name,
                "reason": fact.reason,
                "happenedAt": written_instant(fact.happened_at),
            },
            item_id=item_id,
        )
    return len(reopened)


def _unexplained(session: Session, runtime: Runtime, readiness: Readiness) -> Iterator[Fact]:
    since = _oldest(readiness)
    if since is None:
        return
    values = {
        "explained": _EXPLAINED,
        "since": max(since, runtime.clock.now() - _BACK),
        "live": Source.LIVE.value,
    }
    names = {meaning.number: code.value for code, meaning in TAXONOMY.items()}
    for number, count, last_at in session.execute(_UNEXPLAINED, values):
        name = names.get(number, f"code {number}, which nobody knows,")
        yield Fact(
            UNEXPLAINED,
            last_at,
            f"{count} live attempts have ended with {name} since, the last of them"
            f" at {last_at:%Y-%m-%d %H:%M:%S} UTC",
        )


def _of_alerting(session: Session, runtime: Runtime) -> Iterator[Fact]:
    values = {
        "since": runtime.clock.now() - _BACK,
        "critical": AlertSeverity.CRITICAL.name,
        "environment": runtime.settings.environment,
    }
    rules = {rule.id: rule for rule in own_rules()}
    for rule_id, fired_at, message in session.execute(_CRITICAL_ALERTS, values):
        yield from facts_of_alert(rule_id, rules.get(rule_id), fired_at, message)
    for rule_id, made_at in session.execute(_CHANGED_RULES, values):
        yield fact_of_change(rule_id, made_at)


def _oldest(readiness: Readiness) -> datetime | None:
    """When the oldest look began that an unexplained code would contradict."""
    # A fact that is newer than all evidence finds every box that facts of its name contradict.
    everything = Fact(UNEXPLAINED, readiness.read_at + timedelta(days=1), "")
    evidence = (
        readiness.standings[box].evidence for box in contradicted(everything, readiness.standings)
    )
    return min((each.began_at for each in evidence if each is not None), default=None)
