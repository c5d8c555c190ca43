"""What a rule says, in words, for lists and pages."""

from __future__ import annotations

from engine.alerting.durations import write_duration
from engine.alerting.measured_words import tell_percent
from engine.alerting.rules import Burning, Condition, Share, Standstill, Watched
from engine.rollups.counts import Traffic


def tell_condition(condition: Condition) -> str:
    """When a rule fires, as the end of a sentence that begins with "fires when"."""
    match condition:
        case Share():
            return _share(condition)
        case Burning():
            pair = condition.pair
            return (
                f"the budget of {condition.objective.title} burns more than {pair.factor:.3g} times"
                f" too fast over {write_duration(pair.long)} and {write_duration(pair.short)}"
            )
        case Standstill():
            done = "answered" if condition.watched is Watched.DATABASE else "moved"
            return f"the {condition.watched} has not {done} for {condition.intervals} intervals"


def _share(condition: Share) -> str:
    window = write_duration(condition.window)
    bad, of = condition.bad.title, condition.of.title
    if condition.operation is not None:
        of = f"{of} to {condition.operation.name}"
    if condition.traffic is not Traffic.LIVE:
        bad = f"{bad} of {condition.traffic.name.lower().replace('_', ' ')}s"
    if not condition.above:
        return f"there are any {bad} in {window}"
    return f"{bad} are more than {tell_percent(condition.above)} of {of} in {window}"
