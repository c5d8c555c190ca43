"""The headline numbers: what each is, what it rests on, and what may be said of its target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from dashboard import wording
from dashboard.status import NOTHING_READ, STALE, Freshness
from dashboard.wording import Words
from engine.rollups import parts
from engine.rollups.histogram import first_us, percentile_buckets
from engine.rollups.parts import Part
from engine.rollups.selection import Selection
from engine.slo.assessment import Assessment, assess
from engine.slo.bounds import Verdict
from engine.slo.objectives import LIMITS, OBJECTIVES
from engine.slo.overview import Overview


@dataclass(frozen=True, slots=True)
class Card:
    """One headline number.

    Attributes:
        label: what it is.
        value: the number, or that there is none.
        verdict: what it means; None where nothing is promised.
        basis: what it rests on.
        help: the definition.
        receipt: the attempts behind it; None where there are none.
    """

    label: str
    value: str
    verdict: Words | None
    basis: str
    help: str
    receipt: Selection | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """How we say what is promised.

    Attributes:
        objective: the key of the promise.
        kept: in words, such as "Within 500 ms".
        missed: the contrary.
    """

    objective: str
    kept: str
    missed: str

    @property
    def words(self) -> str:
        """The target inside a sentence."""
        return wording.inside(self.kept)


def _within(objective: str, limit_us: int) -> Target:
    words = wording.limit(limit_us)
    return Target(objective, f"Within {words}", f"Over {words}")


_SUCCESS: Final = Target("success_rate", "Above 99 %", "Below 99 %")
_LATENCY: Final = {
    "P95": _within("latency_p95", LIMITS.p95_us),
    "P99": _within("latency_p99", LIMITS.p99_us),
}
_SHARES: Final = {"P95": 0.95, "P99": 0.99}
_NO_DATA: Final = "No data"
_NO_BASIS: Final = "no attempts to judge by"


def objective(found: Assessment, target: Target) -> Words:
    """What a sample says about a target."""
    match found.verdict:
        case Verdict.NO_DATA:
            return Words(_NO_DATA, "gray")
        case Verdict.MET:
            return Words(target.kept, "green")
        case Verdict.BROKEN:
            return Words(target.missed, "red")
        case Verdict.UNDECIDED if found.is_off:
            return Words(f"{target.missed}, too few to be sure", "orange")
        case Verdict.UNDECIDED:
            return Words("Too few to be sure", "gray")


def headline(summary: Overview | None, freshness: Freshness) -> tuple[Card, ...]:
    """The headline numbers: how much, how well, how fast."""
    return (
        _attempts(summary, freshness),
        _service(summary, freshness),
        _success(summary, freshness),
        _latency("P95", summary, freshness),
        _latency("P99", summary, freshness),
    )


def _attempts(summary: Overview | None, freshness: Freshness) -> Card:
    if summary is None:
        value, basis = _NO_DATA, wording.inside(NOTHING_READ)
    elif summary.attempts:
        value = wording.count(summary.attempts)
        basis = f"{wording.rate(summary.attempts, summary.now - summary.window.start)} on average"
    else:
        value, basis = "0", wording.inside(wording.no_attempts(summary.wanted, summary.length))
    return Card(
        "Attempts",
        value,
        STALE if freshness.is_stale else None,
        basis,
        "The denominator of every rate on this page. What was refused before an agent was known is"
        " not among them; what failed through us is.",
        _receipt(summary, parts.ALL),
    )


def _service(summary: Overview | None, freshness: Freshness) -> Card:
    """What on-call can act on; its target is told below, among the objectives."""
    share = None if summary is None else summary.service_success_rate
    verdict, basis = None, _NO_BASIS
    if summary is not None and summary.attempts:
        ours = summary.counts.service_failures
        verdict = Words(f"Our failures: {wording.count(ours)}", "red" if ours else "gray")
        basis = _of(summary.attempts)
    return Card(
        "Service rate",
        _NO_DATA if share is None else wording.percent(share),
        STALE if freshness.is_stale else verdict,
        basis,
        "Attempts that did not fail through us, of all: failed and indeterminate ones count"
        " against it, rejections and conflicts do not. This is what on-call can act on.",
        _receipt(summary, parts.SERVICE_FAILURES),
    )


def _success(summary: Overview | None, freshness: Freshness) -> Card:
    share = None if summary is None else summary.success_rate
    verdict, basis = _judged(summary, _SUCCESS, freshness)
    return Card(
        "Success rate",
        _NO_DATA if share is None else wording.percent(share),
        verdict,
        basis,
        "Committed and replayed attempts of all, as the checklist counts it: callers' errors count"
        f" against it, too. The target is {_SUCCESS.words}.",
        _receipt(summary, parts.UNSUCCESSFUL),
    )


def _latency(name: Literal["P95", "P99"], summary: Overview | None, freshness: Freshness) -> Card:
    found = None if summary is None else summary.percentiles
    duration = None
    if found is not None:
        duration = found.p95_us if name == "P95" else found.p99_us
    target = _LATENCY[name]
    verdict, basis = _judged(summary, target, freshness)
    return Card(
        f"{name} duration",
        _NO_DATA if duration is None else wording.milliseconds(duration),
        verdict,
        basis,
        f"{name[1:]} % of the attempts took this long or less; within 1 % of the exact value. The"
        f" target is {target.words}. Measured inside the engine, from receipt until the attempt's"
        " row is written: for the caller, the queue in front, the flush of the commit and the"
        " network come on top.",
        _slowest(summary, _SHARES[name]),
    )


def _judged(
    summary: Overview | None, target: Target, freshness: Freshness
) -> tuple[Words | None, str]:
    found = None if summary is None else assess(OBJECTIVES[target.objective], summary.counts)
    if found is None or found.verdict is Verdict.NO_DATA:
        return (STALE if freshness.is_stale else None), _NO_BASIS
    if freshness.is_stale:
        return STALE, _of(found.of)
    if found.verdict is Verdict.UNDECIDED:
        basis = f"{wording.count(found.of)} of {wording.counted(found.needed, 'attempt')} needed"
    else:
        basis = _of(found.of)
    return objective(found, target), basis


def _receipt(summary: Overview | None, part: Part) -> Selection | None:
    if summary is None or not summary.attempts:
        return None
    return Selection(summary.window, summary.wanted, part)


def _slowest(summary: Overview | None, share: float) -> Selection | None:
    """The attempts that took as long as a percentile, or longer, as far as buckets tell."""
    buckets = None if summary is None else percentile_buckets(summary.counts.histogram, [share])
    if summary is None or buckets is None:
        return None
    return Selection(summary.window, summary.wanted, parts.TIMED, at_least_us=first_us(buckets[0]))


def _of(attempts: int) -> str:
    return f"of {wording.counted(attempts, 'attempt')}"
