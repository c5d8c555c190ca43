"""Whether promises were kept all the time, and whether errors stayed as rare as they were."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from engine.errors import TAXONOMY
from engine.readiness.probes.asking import SHOWN, looked
from engine.readiness.probes.objectives import numbers_of
from engine.readiness.probes.probe import Found, Question, failing, insufficient, passing
from engine.readiness.probes.spans import Span, since_deployment
from engine.readiness.records import written_instant
from engine.rollups.counts import Counts, total
from engine.rollups.grid import Tier, Window, ceiling, finest, floor
from engine.rollups.selection import Filter
from engine.rollups.series import Bucket
from engine.slo.assessment import assess
from engine.slo.bounds import Verdict as SampleVerdict
from engine.slo.bounds import at_least, at_most
from engine.slo.burn import BURN_WINDOWS, Burn, BurnState, burns
from engine.slo.objectives import OBJECTIVES

# Those of the checklist's performance targets.
_TARGETS: Final = tuple(
    OBJECTIVES[key]
    for key in (
        "success_rate",
        "latency_p95",
        "latency_p99",
        "error_rate",
        "conflict_rate",
        "rollback_rate",
    )
)
_LENGTH: Final = timedelta(minutes=5)
_WITNESS: Final = "attempt_rollup and the tail of attempt, live, by windows of 5 minutes"
# Below this the two hours differ by more than chance would have it.
_RISK: Final = 0.01
# As many attempts as a share of 1 % is proved by; with fewer two hours cannot be told apart.
_ENOUGH: Final = 299
_CODES: Final = {meaning.number: code.value for code, meaning in TAXONOMY.items()}


def windows(question: Question) -> Found:
    """`slo.windows`: no five minutes broke a target, no budget burns too fast, each is proved."""
    span = since_deployment(question, must_end=True)
    if isinstance(span, Found):
        return span
    now = question.runtime.clock.now()
    with looked(question) as (_, look):
        buckets = look.series(span.on_grid(now), Tier.MINUTE, Filter())
        counted = look.counts([_until(span.end, each, now) for each in BURN_WINDOWS], Filter())
    by_length = dict(zip(BURN_WINDOWS, counted, strict=True))
    burning = [
        (objective.key, burn)
        for objective in OBJECTIVES.values()
        if objective.burns
        for burn in burns(objective, by_length.__getitem__)
        if burn.state is BurnState.BURNING
    ]
    return span.settled(judged(by_minutes(buckets, span), burning, span))


def by_minutes(buckets: Sequence[Bucket], span: Span) -> list[tuple[datetime, Counts]]:
    """What was counted in each five minutes of a span, by their start."""
    first = floor(span.start, Tier.MINUTE)
    count = -((span.start - span.end) // _LENGTH)
    inside: list[list[Counts]] = [[] for _ in range(count)]
    for bucket in buckets:
        # What a span that does not begin with a minute has at its end is the last one's.
        inside[min((bucket.start - first) // _LENGTH, count - 1)].append(bucket.counts)
    return [(first + number * _LENGTH, total(counts)) for number, counts in enumerate(inside)]


def judged(
    counted: Sequence[tuple[datetime, Counts]], burning: Sequence[tuple[str, Burn]], span: Span
) -> Found:
    """What windows and burn rates come to."""
    whole = [assess(each, total(counts for _, counts in counted)) for each in _TARGETS]
    bad = [
        f"{written_instant(start)} {objective.key}"
        for start, counts in counted
        for objective in _TARGETS
        if assess(objective, counts).verdict is SampleVerdict.BROKEN
    ]
    numbers: dict[str, Any] = {
        **span.numbers,
        "windows": len(counted),
        "badWindows": bad[:SHOWN],
        "bad": len(bad),
        "burning": [f"{key} {burn.pair.long}/{burn.pair.short}" for key, burn in burning],
        "targets": [numbers_of(each) for each in whole],
    }
    if bad:
        reason = f"{len(bad)} times a target was broken in 5 minutes, first {bad[0]}"
        return failing(reason, _WITNESS, **numbers)
    if burning:
        key, burn = burning[0]
        reason = (
            f"The budget of {key} burns faster than {burn.pair.factor:.3g} times over"
            f" {burn.pair.long} and {burn.pair.short}"
        )
        return failing(reason, _WITNESS, **numbers)
    unproved = [each for each in whole if each.verdict is not SampleVerdict.MET]
    if unproved:
        first = unproved[0]
        return insufficient(
            f"No window is bad, but {len(unproved)} of {len(whole)} targets are not proved:"
            f" {first.objective.key} has {first.of} attempts and needs {first.needed}",
            _WITNESS,
            **numbers,
        )
    return passing(
        f"{len(counted)} windows, none bad, and all {len(whole)} targets proved",
        _WITNESS,
        **numbers,
    )


def stable(question: Question) -> Found:
    """`slo.stable`: errors are as rare in the second half as in the first, of the same codes."""
    span = since_deployment(question, must_end=True)
    if isinstance(span, Found):
        return span
    now = question.runtime.clock.now()
    middle = span.start + (span.due_at - span.start) / 2
    middle = floor(middle, finest(middle, now))
    whole = span.on_grid(now)
    if whole.end <= middle:
        return insufficient("The first half is not over", _WITNESS, **span.numbers)
    with looked(question) as (_, look):
        first, second = look.counts([Window(whole.start, middle), Window(middle, whole.end)],
                                    Filter())  # fmt: skip
    return span.settled(compared(first, second, span))


def compared(first: Counts, second: Counts, span: Span) -> Found:
    """Whether the errors of two halves are of one kind: an exact test, given how many there are."""
    chance = chance_of(first, second)
    new = sorted(
        _CODES.get(code, str(code)) for code in second.by_code.keys() - first.by_code.keys() if code
    )
    numbers: dict[str, Any] = {
        **span.numbers,
        "first": {"errors": first.unsuccessful, "attempts": first.attempts},
        "second": {"errors": second.unsuccessful, "attempts": second.attempts},
        "chance": chance,
        "newCodes": new,
    }
    told = (
        f"{first.unsuccessful} of {first.attempts} errors, then {second.unsuccessful} of"
        f" {second.attempts}"
    )
    if new:
        return failing(f"{', '.join(new)} came only in the second half", _WITNESS, **numbers)
    if chance <= _RISK:
        return failing(f"{told}: by chance in {chance:.2g} of cases", _WITNESS, **numbers)
    if min(first.attempts, second.attempts) < _ENOUGH:
        reason = f"{told}: each half needs {_ENOUGH} attempts"
        return insufficient(reason, _WITNESS, **numbers)
    return passing(f"{told}: by chance in {chance:.2g} of cases", _WITNESS, **numbers)


def chance_of(first: Counts, second: Counts) -> float:
    """How often two halves alike would differ as much; 1 where there is nothing to compare.

    Of all errors, those of the second half are as many as so many tosses of a coin that falls as
    often on it as there are attempts in it.
    """
    errors = first.unsuccessful + second.unsuccessful
    attempts = first.attempts + second.attempts
    if not errors or not first.attempts or not second.attempts:
        return 1.0
    share, seen = second.attempts / attempts, second.unsuccessful
    return min(1.0, 2 * min(at_most(seen, errors, share), at_least(seen, errors, share)))


def _until(end: datetime, length: timedelta, now: datetime) -> Window:
    start = end - length
    return Window(floor(start, finest(start, now)), ceiling(end, finest(end, now)))
