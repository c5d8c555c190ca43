"""Records as the tests of what they come to need them, without a database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from engine.clock import FrozenClock
from engine.readiness.assessment import Verdict
from engine.readiness.items import Dependency
from engine.readiness.records import RecordKind, written_instant
from engine.readiness.releases import own_checklist, own_items
from engine.readiness.signoff import evidence_body
from engine.readiness.tables import ReadinessRecord

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
CLOCK = FrozenClock(NOW)
OURS, OTHER = CLOCK.uuid7(), CLOCK.uuid7()
THINGS = dict.fromkeys(Dependency, "as it is")


def record(kind: str, body: dict[str, Any], at: datetime, **changes: Any) -> ReadinessRecord:
    """A record of ours; `changes` are of its row."""
    plain: dict[str, Any] = {
        "id": CLOCK.uuid7(),
        "release_id": OURS,
        "kind": kind,
        "recorded_at": at,
        "recorded_by": "ops",
        "body": json.dumps(body),
        "digest": b"d" * 32,
    }
    return ReadinessRecord(**{**plain, **changes})


def released(release_id: UUID | None = None, **changes: Any) -> ReadinessRecord:
    """A release; what changes is of its body. With a checklist of its own, all are attested."""
    body = {
        "name": "2026.48",
        "commit": "0123abc",
        "environment": "staging",
        "plannedFrom": None,
        "plannedUntil": None,
        "author": "ada@people.example",
        "authorId": None,
        "checklist": own_checklist(),
        "items": own_items(),
    }
    if "checklist" in changes and changes["checklist"].splitlines() != own_checklist().splitlines():
        body["items"] = None
    of = OURS if release_id is None else release_id
    return record(RecordKind.RELEASE, {**body, **changes}, NOW - 100 * HOUR, release_id=of)


def deployed(at: datetime) -> ReadinessRecord:
    """A deployment of ours."""
    return record(RecordKind.DEPLOYMENT, {"deployedAt": written_instant(at)}, at)


def evidence(
    box: str,
    at: datetime,
    verdict: Verdict = Verdict.PASSING,
    *,
    of: UUID = OURS,
    things: Mapping[Dependency, str] | None = None,
    is_attested: bool = False,
    reason: str = "Two of two",
    numbers: Mapping[str, Any] | None = None,
    by: str = "ops",
    account_id: UUID | None = None,
    took: timedelta = timedelta(0),
) -> ReadinessRecord:
    """A look at a box, or somebody's word for it."""
    body = evidence_body(
        of,
        CLOCK.uuid7(),
        verdict,
        reason,
        started_at=at - took,
        ended_at=at,
        fingerprints=THINGS if things is None else things,
        numbers=numbers or {},
        witness="",
        is_attested=is_attested,
    )
    return record(
        RecordKind.EVIDENCE,
        body,
        at,
        item_id=box,
        release_id=of,
        recorded_by=by,
        account_id=account_id,
    )
