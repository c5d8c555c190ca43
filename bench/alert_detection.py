"""What the simulated months came to, and the tables that say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Final, TypeAlias

from bench.alert_incidents import STOPPED
from engine.alerting.durations import tell_duration
from engine.alerting.loading import own_rules
from engine.alerting.usual import MEANINGFUL
from engine.alerting.walking import Firing

_COMMAND: Final = (
    "python -m bench.alerts_month --days {days} --seeds {seeds}"
    " --write docs/reference/alert-detection.md"
)


@dataclass(frozen=True, slots=True)
class Service:
    """A service that is watched.

    Attributes:
        name: says how much comes.
        volume: as a multiple of the arrivals.
        missed_within: in how long it has to be noticed that nobody comes; None where so few come
            that this cannot be.
    """

    name: str
    volume: float
    missed_within: timedelta | None


@dataclass(frozen=True, slots=True)
class Detection:
    """When a rule saw an incident; `after` is None if it did not."""

    incident: str
    rule_id: str
    after: timedelta | None


@dataclass(frozen=True, slots=True)
class Month:
    """What came of some days.

    Attributes:
        attempts: how many there were.
        pages: how often each rule fired.
        detections: of each incident by each of its rules.
        false: what fired outside of any incident.
        echoes: burn rates that fired again while their long window still held one.
    """

    attempts: int
    pages: Counter[str]
    detections: tuple[Detection, ...]
    false: tuple[tuple[str, Firing], ...]
    echoes: int = 0


# Of a service, in each run: what was seen of each time at which nobody came.
Stops: TypeAlias = tuple[Service, Sequence[Sequence[Detection]]]


def is_good(
    healthy: Sequence[Month], disturbed: Sequence[Month], stopped: Sequence[Stops] = ()
) -> bool:
    """Whether nothing but incidents was told of, and each of them was."""
    is_quiet = not any(month.pages for month in healthy)
    is_found = all(each.after is not None for month in disturbed for each in month.detections)
    is_missed = all(
        each.after is not None and each.after <= service.missed_within
        for service, runs in stopped
        if service.missed_within is not None
        for run in runs
        for each in run
    )
    is_calm = not any(month.false for month in disturbed)
    return is_quiet and is_found and is_missed and is_calm


def report(
    days: int,
    healthy: Sequence[tuple[Service, Sequence[Month]]],
    plain: Sequence[tuple[Service, Sequence[Month]]],
    disturbed: Sequence[Month],
    stopped: Sequence[Stops] = (),
) -> str:
    """The page of the documentation.

    Args:
        days: of each month.
        healthy: of services that keep their promises.
        plain: the same, told of every sample as it is.
        disturbed: with incidents.
        stopped: when nobody comes.
    """
    return "\n".join(
        [
            *_head(days, len(disturbed)),
            *_healthy(healthy, plain),
            *_by_incident(disturbed),
            *_by_stop(stopped),
            *_by_rule(disturbed),
            "",
        ]
    )


def _head(days: int, seeds: int) -> Iterator[str]:
    yield "# What the alert rules detect, and when"
    yield ""
    yield "<!-- Written by the command below; do not edit. -->"
    yield ""
    yield (
        f"{days} simulated days, {seeds} times each, with a look each ten seconds. How many saves"
        " come is real: two production services with bursts and silences, repeated with days and"
        " nights. A healthy service spends half of what each objective allows, and its bad attempts"
        " come in clusters. `bench/simulated_traffic.py` says how it is drawn,"
        " `bench/alert_incidents.py` what goes wrong."
    )
    yield ""
    yield "```sh"
    yield _COMMAND.format(days=days, seeds=seeds)
    yield "```"
    yield ""


def _healthy(
    healthy: Sequence[tuple[Service, Sequence[Month]]],
    plain: Sequence[tuple[Service, Sequence[Month]]],
) -> Iterator[str]:
    yield "## A healthy service"
    yield ""
    yield (
        "Alerts in all runs together, which should be none; and in one run what the same"
        " thresholds tell without asking whether chance explains a sample."
    )
    yield ""
    yield "| Service | Runs | Saves in all | Alerts | Without proof, in one run | Most of them |"
    yield "|---|---|---|---|---|---|"
    for (service, months), (_service, (bare,)) in zip(healthy, plain, strict=True):
        saves = sum(month.attempts for month in months)
        pages = sum(sum(month.pages.values()) for month in months)
        most = ", ".join(f"{rule_id} {count:,}" for rule_id, count in bare.pages.most_common(3))
        yield (
            f"| {service.name} | {len(months)} | {saves:,} | {pages:,} |"
            f" {sum(bare.pages.values()):,} | {most} |"
        )
    yield ""


def _by_incident(disturbed: Sequence[Month]) -> Iterator[str]:
    yield "## Incidents"
    yield ""
    found = sum(each.after is not None for month in disturbed for each in month.detections)
    of = sum(len(month.detections) for month in disturbed)
    false = sum(len(month.false) for month in disturbed)
    echoes = sum(month.echoes for month in disturbed)
    yield (
        f"{found} of {of} detections that had to be were, and {false} alerts came outside of any"
        f" incident. In {echoes} cases a burn rate fired again in a quiet night while its long"
        " window still held one. Time to detect is from the first second of the incident: the"
        " middle run, and the slowest."
    )
    yield ""
    yield "| Incident | Rule | Found | Time to detect | Slowest |"
    yield "|---|---|---|---|---|"
    for number, each in enumerate(disturbed[0].detections):
        times = [month.detections[number].after for month in disturbed]
        yield f"| {each.incident} | {each.rule_id} | {_row(times)} |"
    yield ""


def _by_stop(stopped: Sequence[Stops]) -> Iterator[str]:
    if not any(run for _service, runs in stopped for run in runs):
        return
    yield "## When nobody comes"
    yield ""
    yield (
        f"From one second to the next nobody comes, for {tell_duration(STOPPED)}. HIGH-002 says so"
        f" as soon as {MEANINGFUL} attempts are usual in the time in which there were none, and not"
        f" before 20 minutes. Of a service that has fewer in 24 hours nobody is told, however long"
        " that lasts."
    )
    yield ""
    yield "| Service | When | Found | Time to detect | Slowest | Must be within |"
    yield "|---|---|---|---|---|---|"
    for service, runs in stopped:
        within = service.missed_within
        for number, each in enumerate(runs[0]):
            times = [run[number].after for run in runs]
            must = "too thin" if within is None else tell_duration(within)
            yield f"| {service.name} | {each.incident} | {_row(times)} | {must} |"
    yield ""


def _by_rule(disturbed: Sequence[Month]) -> Iterator[str]:
    yield "## Rules"
    yield ""
    yield "Over all incidents that a rule has to find, and how often it fired in a month of them."
    yield ""
    yield "| Rule | Found | Time to detect | Slowest | Alerts in a month |"
    yield "|---|---|---|---|---|"
    for rule in own_rules():
        times = [
            each.after
            for month in disturbed
            for each in month.detections
            if each.rule_id == rule.id
        ]
        pages = median(month.pages[rule.id] for month in disturbed)
        yield f"| {rule.id} | {_row(times)} | {pages:g} |"


def _row(times: Sequence[timedelta | None]) -> str:
    known = sorted(each for each in times if each is not None)
    if not known:
        return f"0 of {len(times)} | | "
    middle, slowest = known[len(known) // 2], known[-1]
    return f"{len(known)} of {len(times)} | {tell_duration(middle)} | {tell_duration(slowest)}"
