"""Two simulated days: a healthy service pages nobody, and what goes wrong is found in time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from bench.alert_detection import Detection, Service, is_good, report
from bench.alert_incidents import INCIDENTS, STANDSTILLS, expected
from bench.alerts_month import SERVICES, START, run, stopped
from bench.simulated_traffic import Incident
from engine.alerting.loading import own_rules
from engine.alerting.states import RuleState
from engine.alerting.walking import Firing, Transition

_DAYS = 2
_PAGE = Firing(
    Transition(START, RuleState.INACTIVE, RuleState.FIRING, False, "Bad.", {}),  # noqa: FBT003
    None,
    timedelta(0),
)


def _packed() -> Iterator[Incident]:
    """Those that last an hour at most, seven in each of the two working days."""
    short = [each for each in INCIDENTS if each.lasts <= timedelta(hours=1)]
    for number, each in enumerate(short[:14]):
        day, place = divmod(number, 7)
        yield replace(each, start=timedelta(days=day, hours=8, minutes=75 * place))


@pytest.mark.parametrize("service", SERVICES, ids=lambda each: each.name)
def test_a_healthy_service_pages_nobody(service: Service) -> None:
    month = run(_DAYS, seed=7, service=service)

    assert month.attempts > 0
    assert month.pages == {}


def test_incidents_are_found_in_time_and_nothing_else_is_told() -> None:
    incidents = list(_packed())

    month = run(_DAYS, seed=7, incidents=incidents)

    after = {(each.incident, each.rule_id): each.after for each in month.detections}
    assert len(incidents) == 14
    assert set(after) == {(each.name, rule_id) for each in incidents for rule_id in each.expected}
    late = {key: each for key, each in after.items() if each is None or each > _limit(key[0])}
    assert late == {}
    assert month.false == ()
    assert is_good([], [month])


def _limit(incident: str) -> timedelta:
    """A window and what it takes to fill it; nobody at all is noticed after a quarter more."""
    return timedelta(minutes=21 if incident == "nobody comes through" else 7)


@pytest.mark.parametrize("service", SERVICES, ids=lambda each: each.name)
def test_that_nobody_comes_is_noticed_in_time_where_attempts_are_usual(service: Service) -> None:
    (seen,) = found = stopped(5, seed=7, service=service)

    assert (seen.after is None) == (service.missed_within is None)
    assert is_good([], [], [(service, [found])])
    if service.missed_within is not None:
        late = replace(seen, after=service.missed_within + timedelta(seconds=1))
        assert not is_good([], [], [(service, [[late]])])
        assert not is_good([], [], [(service, [[replace(seen, after=None)]])])


def test_the_verdict_is_bad_with_an_incident_unseen_or_a_page_that_nothing_explains() -> None:
    (first, *_others) = INCIDENTS
    quiet = run(_DAYS, seed=7)

    missed = run(_DAYS, seed=7, incidents=[replace(first, codes={})])

    assert [each.after for each in missed.detections] == [None]
    assert is_good([quiet], [quiet])
    assert not is_good([quiet], [missed])
    assert not is_good([quiet], [replace(quiet, false=(("HIGH-005", _PAGE),))])
    assert not is_good([replace(quiet, pages=Counter({"HIGH-005": 1}))], [quiet])


def test_without_proof_the_same_thresholds_cry_wolf_and_the_page_says_so() -> None:
    service = SERVICES[0]
    quiet, bare = run(_DAYS, seed=7), run(_DAYS, seed=7, chance=1)
    disturbed = run(_DAYS, seed=7, incidents=[INCIDENTS[0]])

    stops = [(service, [[Detection("a holiday", "HIGH-002", timedelta(minutes=20))]])]

    page = report(_DAYS, [(service, [quiet])], [(service, [bare])], [disturbed], stops)

    assert sum(bare.pages.values()) > 20
    assert f"| {service.name} | 1 | {quiet.attempts:,} | 0 | {sum(bare.pages.values())} |" in page
    assert "| database timeouts, 0.5 % | CRITICAL-003 | 1 of 1 |" in page
    assert "1 of 1 detections" in page
    assert f"| {service.name} | a holiday | 1 of 1 | 20 min | 20 min | 21 min |" in page


def test_every_rule_has_an_incident_that_it_must_find() -> None:
    watched = {rule_id for _watched, rule_id, _at, _lasts in STANDSTILLS}

    # A database that is away is told by the watchdog, past the ticks that are simulated here.
    assert expected(INCIDENTS) | watched | {"WATCH-001-DATABASE"} == {
        rule.id for rule in own_rules()
    }
