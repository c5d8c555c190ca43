"""The headline numbers: what each is, what it rests on, and what may be said of its target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from dashboard import wording
from dashboard.status import NOTHING_READ, STALE, Freshness
from dashboard.verdicts import Verdict, attempts_needed, judge
from dashboard.wording import Words
from engine.attempts.summary import Summary


@dataclass(frozen=True, slots=True)
class Card:
    """One headline number.

    Attributes:
        label: what it is.
        value: the number, or that there is none.
        verdict: what it means; None where nothing is promised.
        basis: what it rests on.
        help: the definition.
    """

    label: str
    value: str
    verdict: Words | None
    basis: str
    help: str


@dataclass(frozen=True, slots=True)
class Target:
    """What is promised: a share of bad attempts that is not reached, and how we say so.

    Attributes:
        share: of bad attempts, between 0 and 1.
        kept: in words, such as "Within 500 ms".
        missed: the contrary.
    """

    share: float
    kept: str
    missed: str

    @property
    def words(self) -> str:
        """The target inside a sentence."""
        return _lower(self.kept)


def _within(share: float, limit_us: int) -> Target:
    words = wording.limit(limit_us)
    return Target(share, f"Within {words}", f"Over {words}")


_SUCCESS: Final = Target(0.01, "Above 99 %", "Below 99 %")
_LATENCY: Final = {
    "P95": _within(0.05, wording.LIMITS.p95_us),
    "P99": _within(0.01, wording.LIMITS.p99_us),
}
_NO_DATA: Final = "No data"
_NO_BASIS: Final = "no attempts to judge by"


def objective(verdict: Verdict, target: Target, *, is_off: bool) -> Words:
    """What a sample says about a target.

    Args:
        verdict: of the sample.
        target: what is promised.
        is_off: whether the sample itself misses the target, be it by chance.
    """
    match verdict:
        case Verdict.NO_DATA:
            return Words(_NO_DATA, "gray")
        case Verdict.MET:
            return Words(target.kept, "green")
        case Verdict.MISSED:
            return Words(target.missed, "red")
        case Verdict.UNDECIDED if is_off:
            return Words(f"{target.missed}, too few to be sure", "orange")
        case Verdict.UNDECIDED:
            return Words("Too few to be sure", "gray")


def headline(summary: Summary | None, freshness: Freshness) -> tuple[Card, ...]:
    """The headline numbers: how much, how well, how fast."""
    return (
        _attempts(summary, freshness),
        _service(summary, freshness),
        _success(summary, freshness),
        _latency("P95", summary, freshness),
        _latency("P99", summary, freshness),
    )


def _attempts(summary: Summary | None, freshness: Freshness) -> Card:
    if summary is None:
        value, basis = _NO_DATA, _lower(NOTHING_READ)
    elif summary.attempts:
        value = wording.count(summary.attempts)
        basis = f"{wording.rate(summary.attempts, summary.window)} on average"
    else:
        value, basis = "0", _lower(wording.no_attempts(summary.operation, summary.window))
    return Card(
        "Attempts",
        value,
        STALE if freshness.is_stale else None,
        basis,
        "Live attempts: the denominator of every rate on this page. What was refused before an"
        " agent was known is not among them; what failed through us is.",
    )


def _service(summary: Summary | None, freshness: Freshness) -> Card:
    """What on-call can act on; it has a colour and no target of its own."""
    share = None if summary is None else summary.service_success_rate
    verdict, basis = None, _NO_BASIS
    if summary is not None and summary.attempts:
        ours = summary.service_failures
        verdict = Words(f"Our failures: {wording.count(ours)}", "red" if ours else "gray")
        basis = _of(summary.attempts)
    return Card(
        "Service rate",
        _NO_DATA if share is None else wording.percent(share),
        STALE if freshness.is_stale else verdict,
        basis,
        "Attempts that did not fail through us, of all: failed and indeterminate ones count"
        " against it, rejections and conflicts do not. This is what on-call can act on.",
    )


def _success(summary: Summary | None, freshness: Freshness) -> Card:
    share = None if summary is None else summary.success_rate
    bad, of = (0, 0) if summary is None else (summary.unsuccessful, summary.attempts)
    verdict, basis = _judged(bad, of, _SUCCESS, freshness)
    return Card(
        "Success rate",
        _NO_DATA if share is None else wording.percent(share),
        verdict,
        basis,
        "Committed and replayed attempts of all, as the checklist counts it: callers' errors count"
        f" against it, too. The target is {_SUCCESS.words}.",
    )


def _latency(name: Literal["P95", "P99"], summary: Summary | None, freshness: Freshness) -> Card:
    duration, slower = None, 0
    if summary is not None and summary.percentiles is not None:
        found = summary.percentiles
        duration = found.p95_us if name == "P95" else found.p99_us
        slower = summary.slower.p95 if name == "P95" else summary.slower.p99
    of = 0 if summary is None else summary.attempts
    target = _LATENCY[name]
    verdict, basis = _judged(slower, of, target, freshness)
    return Card(
        f"{name} duration",
        _NO_DATA if duration is None else wording.milliseconds(duration),
        verdict,
        basis,
        f"{name[1:]} % of the attempts took this long or less; the target is {target.words}."
        " Measured inside the engine, from receipt until the attempt's row is written: for the"
        " caller, the queue in front, the flush of the commit and the network come on top.",
    )


def _judged(bad: int, of: int, target: Target, freshness: Freshness) -> tuple[Words | None, str]:
    verdict = judge(bad, of, target.share)
    if verdict is Verdict.NO_DATA:
        return (STALE if freshness.is_stale else None), _NO_BASIS
    if freshness.is_stale:
        return STALE, _of(of)
    basis = _of(of)
    if verdict is Verdict.UNDECIDED:
        needed = attempts_needed(bad, target.share)
        basis = f"{wording.count(of)} of {wording.counted(needed, 'attempt')} needed"
    return objective(verdict, target, is_off=bad >= of * target.share), basis


def _of(attempts: int) -> str:
    return f"of {wording.counted(attempts, 'attempt')}"


def _lower(words: str) -> str:
    """A statement inside a sentence."""
    return words[0].lower() + words[1:]
