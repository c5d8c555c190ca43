"""The headline numbers: what each is, what it rests on, and what may be said of its target."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from dashboard import wording
from dashboard.verdicts import Verdict, attempts_needed, judge
from dashboard.wording import Freshness, Words
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
class _Target:
    """What is promised: a share of bad attempts that is not reached, and how we say so."""

    share: float
    words: str


_SUCCESS: Final = _Target(0.01, "> 99 %")
_LATENCY: Final = {
    "P95": _Target(0.05, f"< {wording.milliseconds(wording.LIMITS.p95_us)}"),
    "P99": _Target(0.01, f"< {wording.milliseconds(wording.LIMITS.p99_us)}"),
}
_NO_DATA: Final = "No data"


def objective(verdict: Verdict, target: str, *, is_off: bool) -> Words:
    """What a sample says about a target.

    Args:
        verdict: of the sample.
        target: in words, such as "< 500 ms".
        is_off: whether the sample itself misses the target, be it by chance.
    """
    match verdict:
        case Verdict.NO_DATA:
            return Words(_NO_DATA, "gray")
        case Verdict.MET:
            return Words(f"Meets {target}", "green")
        case Verdict.MISSED:
            return Words(f"Misses {target}", "red")
        case Verdict.UNDECIDED if is_off:
            return Words(f"Off {target}, not proved", "orange")
        case Verdict.UNDECIDED:
            return Words("Not enough data to say", "gray")


def headline(summary: Summary | None, freshness: Freshness, window: timedelta) -> tuple[Card, ...]:
    """The four headline numbers."""
    return (
        _attempts(summary, freshness, window),
        _success(summary, freshness),
        _latency("P95", summary, freshness),
        _latency("P99", summary, freshness),
    )


def _attempts(summary: Summary | None, freshness: Freshness, window: timedelta) -> Card:
    if summary is None:
        value, basis = _NO_DATA, "nothing could be read yet"
    elif summary.attempts:
        value = wording.count(summary.attempts)
        basis = f"{wording.per_second(summary.attempts, window)} on average"
    else:
        value, basis = "0", f"none in the {wording.window_words(window).lower()}"
    return Card(
        "Attempts",
        value,
        wording.STALE if freshness.is_stale else None,
        basis,
        "Live attempts of known agents: the denominator of every rate on this page.",
    )


def _success(summary: Summary | None, freshness: Freshness) -> Card:
    rate = None if summary is None else summary.success_rate
    bad, of = (0, 0) if summary is None else (summary.unsuccessful, summary.attempts)
    verdict, basis = _judged(bad, of, _SUCCESS, freshness)
    return Card(
        "Success rate",
        _NO_DATA if rate is None else wording.percent(rate),
        verdict,
        basis,
        "Committed and replayed attempts of all, as the checklist counts it; the target is > 99 %."
        " The service rate above counts failures of ours only: no rejections, no conflicts.",
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
        f"{name[1:]} % of the attempts took this long or less; the target is {target.words}.",
    )


def _judged(bad: int, of: int, target: _Target, freshness: Freshness) -> tuple[Words | None, str]:
    verdict = judge(bad, of, target.share)
    if verdict is Verdict.NO_DATA:
        return (wording.STALE if freshness.is_stale else None), "no attempts to judge by"
    attempts = wording.counted(of, "attempt")
    basis = f"of {attempts}"
    if verdict is Verdict.UNDECIDED:
        basis = f"{attempts}, needs {wording.count(attempts_needed(bad, target.share))}"
    if freshness.is_stale:
        return wording.STALE, basis
    return objective(verdict, target.words, is_off=bad >= of * target.share), basis
