"""Thirty simulated days under the rules: pages of a healthy service, and what finds incidents when.

    python -m bench.alerts_month [--days 30] [--seeds 5] [--write docs/reference/alert-detection.md]

Nothing waits: the instants are those of the simulated rows, one look each ten seconds. Exits 1 when
a healthy service was paged, an incident was not found, nobody noticed in time that nobody comes, or
a page outside of any incident came.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from bench.alert_detection import Detection, Month, Service, is_good, report
from bench.alert_incidents import STANDSTILLS, STOPS, of_days
from bench.simulated_traffic import STEP, Incident, simulate
from engine.alerting.loading import own_rules
from engine.alerting.measuring import samples_of
from engine.alerting.rules import Rule, Standstill
from engine.alerting.tallies import CHANCE
from engine.alerting.walking import Firing, Rows, Transition, firings, walk_still

START: Final = datetime(2026, 11, 2, tzinfo=UTC)
_PLAIN: Final = 1.0


SERVICES: Final = (
    Service("nine saves a second at noon", 1.0, timedelta(minutes=21)),
    # Nobody comes for half an hour of a Sunday's night, for hours of every night, or most of a day.
    Service("one a second", 1 / 9, timedelta(minutes=30)),
    Service("nine a minute", 1 / 60, timedelta(hours=1)),
    Service("one a minute", 1 / 540, timedelta(hours=5)),
    Service("one in 25 minutes", 1 / 13_500, None),
)


def run(
    days: int,
    *,
    seed: int,
    service: Service = SERVICES[0],
    incidents: Sequence[Incident] = (),
    chance: float = CHANCE,
) -> Month:
    """Walks every rule through simulated days.

    Args:
        days: how many, from a Monday on.
        seed: of chance.
        service: how much comes.
        incidents: what goes wrong; with any, what is watched stands still, too.
        chance: see `engine.alerting.tallies`.
    """
    traffic = simulate(START, days, seed=seed, volume=service.volume, incidents=incidents)
    until = START + timedelta(days=days)
    fired = {
        rule.id: firings(transitions, until)
        for rule in own_rules()
        for transitions in [
            (_stood(rule, traffic.rows) if incidents else ())
            if isinstance(rule.condition, Standstill)
            else traffic.walk(rule, chance=chance)
        ]
    }
    spans = {rule.id: _grace(rule) for rule in own_rules()}
    detections = [
        Detection(each.name, rule_id, _first(fired[rule_id], each.start, each.end + spans[rule_id]))
        for each in incidents
        for rule_id in each.expected
    ]
    if incidents:
        detections += [
            Detection(
                f"the {watched} stands still", rule_id, _first(fired[rule_id], at, at + lasts)
            )
            for watched, rule_id, at, lasts in STANDSTILLS
            if at + lasts <= timedelta(days=days)
        ]
    outside = [
        (rule_id, firing)
        for rule_id, found in fired.items()
        for firing in found
        if not _is_excused(firing.began.at - START, spans[rule_id], incidents)
    ]
    longest = {rule.id: _longest(rule) for rule in own_rules()}
    false = tuple(
        (rule_id, firing)
        for rule_id, firing in outside
        if not _is_excused(firing.began.at - START, longest[rule_id], incidents)
    )
    return Month(
        attempts=traffic.attempts,
        pages=Counter({rule_id: len(found) for rule_id, found in fired.items() if found}),
        detections=tuple(detections),
        false=false,
        echoes=len(outside) - len(false),
    )


def stopped(days: int, *, seed: int, service: Service) -> tuple[Detection, ...]:
    """What HIGH-002 sees of times at which nobody comes.

    Args:
        days: how many; what is not over by then is left out.
        seed: of chance.
        service: how much comes otherwise.
    """
    incidents = of_days(days, STOPS)
    if not incidents:
        return ()
    length = incidents[-1].end // timedelta(days=1) + 1
    traffic = simulate(START, length, seed=seed, volume=service.volume, incidents=incidents)
    rule = next(each for each in own_rules() if each.id == "HIGH-002")
    found = [
        each
        for each in firings(traffic.walk(rule), START + timedelta(days=length))
        if each.began.is_no_data
    ]
    return tuple(
        Detection(each.name, rule.id, _first(found, each.start, each.end)) for each in incidents
    )


def _stood(rule: Rule, rows: Rows) -> tuple[Transition, ...]:
    """What the watchdog goes through, up to an hour after the last standstill."""
    count = min(max(at + lasts for _, _, at, lasts in STANDSTILLS) // STEP + 360, len(rows))
    moved: list[datetime | None] = [rows.look_at(number) for number in range(count)]
    for _watched, rule_id, at, lasts in STANDSTILLS:
        if rule_id == rule.id:
            moved[at // STEP : (at + lasts) // STEP] = [START + at] * (lasts // STEP)
    first = Rows(rows.starts[:count], rows.ends[:count])
    return walk_still(rule, first, moved[:count], STEP)


def _grace(rule: Rule) -> timedelta:
    """How long after an incident it may still be in a rule's shortest window."""
    lengths = [each.length for each in samples_of(rule.condition)]
    return min(lengths, default=timedelta(0)) + rule.hold


def _longest(rule: Rule) -> timedelta:
    """How long after an incident it may still be in a rule's longest window."""
    lengths = [each.length for each in samples_of(rule.condition)]
    return max(lengths, default=timedelta(0)) + rule.hold


def _first(found: Sequence[Firing], start: timedelta, end: timedelta) -> timedelta | None:
    """When a rule was firing first in a span; 0 if it was when the span began."""
    for each in found:
        began = each.began.at - START
        if began <= end and began + each.lasted > start:
            return max(began - start, timedelta(0))
    return None


def _is_excused(at: timedelta, grace: timedelta, incidents: Sequence[Incident]) -> bool:
    spans = [(each.start, each.end) for each in incidents]
    if incidents:
        spans += [(at, at + lasts) for _watched, _rule_id, at, lasts in STANDSTILLS]
    return any(start <= at <= end + grace for start, end in spans)


def main() -> int:
    """Runs all of it and prints the tables; the exit code says whether all was as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30, help="how long each run is")
    parser.add_argument("--seeds", type=int, default=5, help="how many runs of each kind")
    parser.add_argument("--write", type=Path, help="where the tables go, too")
    arguments = parser.parse_args()
    days = arguments.days
    healthy = [
        (
            service,
            [run(days, seed=seed, service=service) for seed in range(arguments.seeds)],
        )
        for service in SERVICES
    ]
    plain = [(service, [run(days, seed=0, service=service, chance=_PLAIN)]) for service in SERVICES]
    disturbed = [run(days, seed=seed, incidents=of_days(days)) for seed in range(arguments.seeds)]
    seeds = range(arguments.seeds)
    stops = [
        (service, [stopped(days, seed=seed, service=service) for seed in seeds])
        for service in SERVICES
    ]
    text = report(days, healthy, plain, disturbed, stops)
    print(text)
    if arguments.write:
        arguments.write.write_text(text, "utf-8")
    quiet = [month for _service, months in healthy for month in months]
    return int(not is_good(quiet, disturbed, stops))


if __name__ == "__main__":
    sys.exit(main())
