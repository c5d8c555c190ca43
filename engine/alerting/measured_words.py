"""Why a condition is true, false or unknown: a sentence with the number that decides."""

from __future__ import annotations

from datetime import timedelta

from engine.alerting.durations import tell_duration, write_duration
from engine.alerting.rules import Burning, Share, Standstill, Watched
from engine.alerting.tallies import Tally, is_above
from engine.rollups.counts import Traffic


def tell_percent(share: float) -> str:
    """A share in percent, to three digits."""
    return f"{share * 100:.3g} %"


def tell_share_of(condition: Share, tally: Tally, *, is_true: bool | None) -> str:
    """Of a share."""
    window = write_duration(condition.window)
    wanted = "" if condition.operation is None else f" to {condition.operation.name}"
    if tally.share is None:
        return f"There were no {condition.of.title}{wanted} in {window}."
    bad, of = condition.bad.title, condition.of.title
    if condition.traffic is not Traffic.LIVE:
        bad = f"{bad} of {condition.traffic.name.lower().replace('_', ' ')}s"
    told = (
        f"{bad[0].upper()}{bad[1:]}: {tally.bad:,} of {tally.of:,} {of}{wanted} in {window}"
        f" ({tell_percent(tally.share)})"
    )
    if is_true is None:
        return f"{told}; fewer than {condition.least:,} decide nothing."
    return f"{told}, {_compared(tally, condition.above, is_true=is_true)}"


def tell_burning(condition: Burning, long: Tally, short: Tally, *, is_true: bool | None) -> str:
    """Of a burn rate."""
    pair, objective = condition.pair, condition.objective
    if long.share is None:
        return f"There were no {objective.of.title} in {write_duration(pair.long)}."
    threshold = pair.factor * objective.limit
    told = (
        f"{objective.title}: the budget burns at {long.share / objective.limit:.3g} times its rate"
        f" over {write_duration(pair.long)} ({long.bad:,} of {long.of:,})"
    )
    now = (
        f"and there were no {objective.of.title} in {write_duration(pair.short)}"
        if short.share is None
        else f"{short.share / objective.limit:.3g} times over {write_duration(pair.short)}"
        f" ({short.bad:,} of {short.of:,})"
    )
    if is_true:
        return f"{told} and {now}, both above {pair.factor:.3g}."
    if is_true is None and short.share is not None:
        return f"{told}; fewer than {condition.least:,} decide nothing."
    if is_true is None or not is_above(long, threshold) or not is_above(short, threshold):
        return f"{told}, {now}; both have to be above {pair.factor:.3g}."
    return f"{told}, {now}; above {pair.factor:.3g} in both, but so few may be chance."


def tell_still(
    condition: Standstill, still: timedelta, allowed: timedelta, *, is_true: bool
) -> str:
    """Of something that stands still, or does not."""
    verb = "answered" if condition.watched is Watched.DATABASE else "moved"
    told = f"The {condition.watched} {verb} {tell_duration(still)} ago"
    return f"{told}, longer than {tell_duration(allowed)}." if is_true else f"{told}."


def _compared(tally: Tally, threshold: float, *, is_true: bool) -> str:
    if is_true:
        return f"above {tell_percent(threshold)}." if threshold else "and there should be none."
    if is_above(tally, threshold):
        return f"above {tell_percent(threshold)}, but so few may be chance."
    return f"not above {tell_percent(threshold)}."
