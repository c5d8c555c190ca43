"""The time that a box speaks of: the window of its phase, counted from the deployment.

A phase that says when it opens and closes (0-15 minutes) is looked at in just that time. One that
only opens (after 24 hours) is looked at over the last so many hours, again and again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from engine.readiness.assessment import Verdict
from engine.readiness.probes.probe import Found, Question, unknown
from engine.readiness.records import written_instant
from engine.rollups.grid import Window, ceiling, finest, floor

NOT_DEPLOYED: Final = "Not deployed yet"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time that is looked at.

    Attributes:
        start: its first instant.
        end: the present, or its last instant if that has passed.
        due_at: when all of it will have passed.
        must_end: whether nothing is proved before.
    """

    start: datetime
    end: datetime
    due_at: datetime
    must_end: bool = False

    @property
    def is_over(self) -> bool:
        """Whether all of it has passed."""
        return self.end >= self.due_at

    @property
    def so_far(self) -> str:
        """A word for reasons: nothing once it is over."""
        return "" if self.is_over else ", so far"

    @property
    def numbers(self) -> dict[str, Any]:
        """The same for evidence."""
        return {
            "from": written_instant(self.start),
            "until": written_instant(self.end),
            "isOver": self.is_over,
        }

    def on_grid(self, now: datetime) -> Window:
        """The same widened to the rows of the rollups that are still kept."""
        return Window(
            floor(self.start, finest(self.start, now)), ceiling(self.end, finest(self.end, now))
        )

    def settled(self, found: Found) -> Found:
        """What was found; too little to tell by, where all of the span has to pass first."""
        if found.verdict is not Verdict.PASSING or self.is_over or not self.must_end:
            return found
        due_at = f"{self.due_at:%Y-%m-%d %H:%M} UTC"
        return replace(
            found,
            verdict=Verdict.INSUFFICIENT,
            reason=f"{found.reason.removesuffix(self.so_far)}, so far: there is more to come until"
            f" {due_at}",
        )


def of_phase(question: Question, *, must_end: bool = False) -> Span | Found:
    """The time of the box's phase; or why there is none yet.

    Args:
        question: of a box after the deployment.
        must_end: whether nothing is proved before all of it has passed.
    """
    window, now = question.phase.window, question.runtime.clock.now()
    deployed_at = question.release.deployed_at
    if window is None:
        return unknown("Its phase has no time after the deployment")
    if deployed_at is None:
        return unknown(NOT_DEPLOYED)
    opens_at = deployed_at + window.opens
    if window.closes is None:
        return Span(max(deployed_at, now - window.opens), now, opens_at, must_end=True)
    if now < opens_at:
        return unknown(f"Its time opens at {opens_at:%Y-%m-%d %H:%M} UTC")
    closes_at = deployed_at + window.closes
    return Span(opens_at, min(now, closes_at), closes_at, must_end)


def since_deployment(question: Question, *, must_end: bool = False) -> Span | Found:
    """From the deployment to the end of the phase's time; or why there is nothing to look at yet.

    Args:
        question: of a box after the deployment.
        must_end: whether nothing is proved before all of it has passed.
    """
    span = of_phase(question, must_end=must_end)
    deployed_at = question.release.deployed_at
    if isinstance(span, Found) or deployed_at is None:
        return span
    return replace(span, start=deployed_at)


def not_yet(question: Question) -> Found | None:
    """Why it is too early to look at the present for a box after the deployment; None if not."""
    if question.phase.window is None:
        return None
    span = of_phase(question)
    return span if isinstance(span, Found) else None


def until_now(question: Question, length: timedelta) -> Span:
    """The last minutes or hours."""
    now = question.runtime.clock.now()
    return Span(now - length, now, now)


def of_box(question: Question, before: timedelta) -> Span | Found:
    """The time of the box's phase; of a box before the deployment the last minutes or hours."""
    return until_now(question, before) if question.phase.window is None else of_phase(question)
