"""Which boxes are looked at again and again, and until when: pure.

Some evidence lasts minutes. While a release is deployed and its last window is not over, a machine
looks at it anew before it is too old, so that what a lead sees is how things are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from engine.readiness.assessment import Evidence
from engine.readiness.items import Item
from engine.readiness.knowledge import Release

# What lasts longer is looked at when somebody asks for it.
LIVE_AGE_MAX: Final = timedelta(hours=1)
# Of its age that evidence may have had before it is taken anew: 2 minutes of 5. A look that fails
# leaves time for another one.
_PART: Final = 0.4


def is_live(release: Release, now: datetime) -> bool:
    """Whether a release is deployed, and the last window of its phases is not over."""
    if release.deployed_at is None or now < release.deployed_at:
        return False
    ends = [
        phase.window.opens if phase.window.closes is None else phase.window.closes
        for phase in release.checklist.phases
        if phase.window is not None
    ]
    return bool(ends) and now < release.deployed_at + max(ends)


def due(
    release: Release, items: Sequence[Item], evidence: Mapping[str, Evidence], now: datetime
) -> tuple[Item, ...]:
    """The boxes that are to be looked at now, of those that a machine can look at.

    Args:
        release: that is live.
        items: that a machine can look at, see `running.runnable`.
        evidence: the newest of each box.
        now: an aware instant.
    """
    return tuple(each for each in items if _is_due(each, release, evidence.get(each.id), now))


def _is_due(item: Item, release: Release, evidence: Evidence | None, now: datetime) -> bool:
    if item.age is None or item.age > LIVE_AGE_MAX:
        return False
    window = release.checklist.phase_of(item.id).window
    if window is not None and (
        release.deployed_at is None or now < release.deployed_at + window.opens
    ):
        return False
    return evidence is None or now - evidence.ended_at >= item.age * _PART
