"""The state of every objective, as the Markdown of two tables: what is kept, and what burns.

Pure functions. Each state is told in a word and a number, and by a colour only besides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from dashboard import receipts, wording
from dashboard.wording import Words
from engine.rollups import parts
from engine.rollups.grid import window_until
from engine.rollups.parts import Part
from engine.rollups.selection import Selection
from engine.slo.assessment import Assessment, assess
from engine.slo.bounds import Verdict
from engine.slo.burn import PAIRS, Burn, BurnPair, BurnState, burns
from engine.slo.coverage import Coverage, CoverageState, LogCoverage
from engine.slo.objectives import BUDGET_PERIOD, OBJECTIVES, WINDOWS, Objective
from engine.slo.overview import Overview

_Mark = Callable[[str, Selection | None], str]

_NONE: Final = "-"
_STATES: Final = {
    Verdict.NO_DATA: Words("no data", "gray"),
    Verdict.UNDECIDED: Words("too few", "gray"),
    Verdict.MET: Words("met", "green"),
    Verdict.BROKEN: Words("broken", "red"),
}
_COVERAGE: Final = {
    CoverageState.UNKNOWN: Words("no data", "gray"),
    CoverageState.COMPLETE: Words("complete", "green"),
    CoverageState.MISSING: Words("missing", "red"),
}
_OFF: Final = Words("too few, off", "orange")
_PERCENTILE: Final = {"latency_p95": "p95_us", "latency_p99": "p99_us"}
# Told as the share that is good; all others as the share that is bad.
_TOLD_GOOD: Final = frozenset({"success_rate", "service_success_rate"})
# What nothing is promised of, and on-call wants to see all the same.
_WATCHED: Final[Sequence[tuple[str, Part]]] = (
    ("Timeouts", parts.TIMEOUTS),
    ("Rolled back, retried", parts.RETRIED),
    ("Rolled back, given up", parts.ABORTED),
    ("Critical, with QUOTE_ALREADY_SENT", parts.CRITICAL_AND_ALREADY_SENT),
)


def state(found: Assessment) -> Words:
    """What a sample says of an objective, in a word or two."""
    if found.verdict is Verdict.UNDECIDED and found.is_off:
        return _OFF
    return _STATES[found.verdict]


def table(summary: Overview, *, has_links: bool = True) -> str:
    """Every objective: the window that was chosen in numbers, the standard ones in words."""
    chosen = wording.window_words(summary.length)
    heads = [
        "Objective",
        chosen,
        "Target",
        "Bad of all",
        "95 % bound",
        *(wording.span(each) for each in WINDOWS),
        f"Budget left, {wording.span(BUDGET_PERIOD)}",
    ]
    mark = receipts.mark if has_links else _plain
    rows = [_row(each, summary, mark) for each in OBJECTIVES.values()]
    found = summary.coverage
    rows.append(_coverage("Requests in the ledger", found, found.missing))
    rows.append(_coverage("Requests in the log", found.log, found.log.missing + found.log.lost))
    rows += [_watched(title, part, summary, mark) for title, part in _WATCHED]
    return _markdown(heads, rows)


def burn_table(summary: Overview) -> str:
    """The burn rates of the objectives that have alerts on them."""
    heads = ["Error budget burns at", *(_pair_title(each) for each in PAIRS)]
    rows = []
    for objective in OBJECTIVES.values():
        if objective.burns:
            found = burns(objective, lambda length: summary.by_length[length])
            rows.append([objective.title, *(_burn(each) for each in found)])
    return _markdown(heads, rows)


def told(summary: Overview) -> str:
    """In one sentence: how many objectives are broken in the chosen window, and which."""
    states: dict[Verdict, list[str]] = {verdict: [] for verdict in Verdict}
    for each in OBJECTIVES.values():
        states[assess(each, summary.counts).verdict].append(each.title)
    return ", ".join(_states_told(states))


def _states_told(states: dict[Verdict, list[str]]) -> Iterator[str]:
    broken = states[Verdict.BROKEN]
    if broken:
        yield f"broken: {', '.join(broken)}"
    for verdict, words in (
        (Verdict.MET, "met"),
        (Verdict.UNDECIDED, "with too few attempts to be sure"),
        (Verdict.NO_DATA, "without data"),
    ):
        if states[verdict]:
            yield f"{len(states[verdict])} {words}"


def _plain(words: str, _selection: Selection | None) -> str:
    """The words alone, for who may not see the attempts behind them."""
    return words


def _row(objective: Objective, summary: Overview, mark: _Mark) -> list[str]:
    found = assess(objective, summary.counts)
    return [
        objective.title,
        _value(objective, found, summary),
        objective.target.replace("<", "\\<").replace(">", "\\>"),
        _bad_of_all(found, summary, mark),
        _bound(objective, found),
        *(_stand(objective, length, summary, mark) for length in WINDOWS),
        _budget(assess(objective, summary.by_length[BUDGET_PERIOD])),
    ]


def _coverage(title: str, found: Coverage | LogCoverage, missing: int) -> list[str]:
    """Whether each request has its row, or its line; of the minutes of the window that are over."""
    empty = [""] * (2 + len(WINDOWS))
    share, words = found.share, _COVERAGE[found.state]
    if share is None:
        return [title, _coloured(words), "100 %", _NONE, *empty]
    value = f"**{wording.percent(share)}** {_coloured(words)}"
    numbers = f"{wording.count(missing)} of {wording.count(found.requests)}"
    return [title, value, "100 %", numbers, *empty]


def _watched(title: str, part: Part, summary: Overview, mark: _Mark) -> list[str]:
    bad, of = part.count(summary.counts), summary.attempts
    value = "no data" if not of else wording.percent_at_least(bad / of)
    empty = [""] * (2 + len(WINDOWS))
    numbers = _linked(bad, of, Selection(summary.window, summary.wanted, part), mark)
    return [title, value, _NONE, numbers, *empty]


def _value(objective: Objective, found: Assessment, summary: Overview) -> str:
    words = state(found)
    if found.share is None:
        return _coloured(words)
    if objective.key in _PERCENTILE:
        percentiles = summary.percentiles
        number = (
            ""
            if percentiles is None
            else wording.milliseconds(getattr(percentiles, _PERCENTILE[objective.key]))
        )
    elif objective.key in _TOLD_GOOD:
        number = wording.percent((found.of - found.bad) / found.of)
    else:
        number = wording.percent_at_least(found.share)
    return f"**{number}** {_coloured(words)}"


def _bad_of_all(found: Assessment, summary: Overview, mark: _Mark) -> str:
    selection = Selection(summary.window, summary.wanted, found.objective.bad)
    return _linked(found.bad, found.of, selection, mark)


def _linked(bad: int, of: int, selection: Selection, mark: _Mark) -> str:
    if not of:
        return _NONE
    numbers = f"{wording.count(bad)} of {wording.count(of)}"
    return mark(numbers, selection)


def _bound(objective: Objective, found: Assessment) -> str:
    """What the true share is with 95 % confidence, on the side that decides."""
    if not found.of:
        return _NONE
    is_broken = found.verdict is Verdict.BROKEN
    share = found.at_least if is_broken else found.at_most
    # Each is cut to the side on which no more is said than was proved.
    if objective.key in _TOLD_GOOD:
        good = 1 - share
        if is_broken:
            return f"at most {wording.percent_at_least(good)}"
        return f"at least {wording.percent(good)}"
    suffix = " slower" if objective.key in _PERCENTILE else ""
    if is_broken:
        return f"at least {wording.percent(share)}{suffix}"
    return f"at most {wording.percent_at_least(share)}{suffix}"


def _stand(objective: Objective, length: timedelta, summary: Overview, mark: _Mark) -> str:
    found = assess(objective, summary.by_length[length])
    words = _coloured(state(found))
    if not found.of:
        return words
    window = window_until(summary.now, length)
    return mark(words, Selection(window, summary.wanted, objective.bad))


def _budget(found: Assessment) -> str:
    left = found.budget_left
    if left is None:
        return _coloured(_STATES[Verdict.NO_DATA])
    if left < 0:
        return _coloured(Words(f"overspent {wording.percent_at_least(-left)}", "red"))
    return wording.percent(left)


def _burn(found: Burn) -> str:
    match found.state:
        case BurnState.UNKNOWN:
            return _coloured(Words("no data", "gray"))
        case BurnState.BURNING:
            return f"{_rates(found)} {_coloured(Words('burning', 'red'))}"
        case BurnState.CALM:
            # Not green: a rate of a few attempts proves nothing.
            return f"{_rates(found)} {_coloured(Words('calm', 'gray'))}"


def _rates(found: Burn) -> str:
    return f"**{_rate(found.long_rate)}** / {_rate(found.short_rate)}"


def _rate(rate: float | None) -> str:
    return _NONE if rate is None else f"{rate:,.1f} x"


def _pair_title(pair: BurnPair) -> str:
    return f"{wording.span(pair.long)} / {wording.span(pair.short)}, limit {pair.factor:g} x"


def _coloured(words: Words) -> str:
    return f":{words.colour}[{words.text}]"


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
