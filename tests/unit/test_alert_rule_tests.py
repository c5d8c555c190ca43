"""Rules walk through pasts in a few words; a walk is what looking at each instant would be."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.alerting.evaluation import evaluate
from engine.alerting.loading import own_rules
from engine.alerting.measuring import (
    UNREAD,
    Moved,
    Readings,
    measure,
    measure_tallies,
    samples_of,
)
from engine.alerting.rule_tests import own_tests, read_tests, run_rule_tests
from engine.alerting.rules import Burning, Rule, Share, Standstill, Watched
from engine.alerting.series_notation import Minute, read_series
from engine.alerting.states import Measured, Memory, RuleState
from engine.alerting.tallies import Tally
from engine.alerting.walking import Rows, Transition, firings, walk, walk_still
from engine.errors import SetupError
from engine.slo.burn import PAIRS
from engine.slo.objectives import OBJECTIVES
from tests.properties.strategies import TRIED
from tests.unit.alert_rules import MINUTE, NOON, SHARE, rule

_KINDS = (
    "CRITICAL-001", "CRITICAL-003", "HIGH-002", "HIGH-005", "MEDIUM-003", "WATCH-001",
    "BURN-latency_p95-1",
)  # fmt: skip
_TEST = {
    "name": '"a test"',
    "rules": '["HIGH-005"]',
    "series": '["540 x 1 % for 10 min"]',
    "at": '{ "10 min" = "firing" }',
}


@pytest.mark.parametrize("tested", own_rules(), ids=lambda each: each.id)
def test_every_rule_passes_its_tests(tested: Rule) -> None:
    runs = run_rule_tests([tested], own_tests())

    assert [(run.test.name, failure) for run in runs for failure in run.failures] == []
    assert any(run.test.must_fire for run in runs)
    assert any(run.test.is_quiet for run in runs)


@pytest.mark.parametrize("rule_id", _KINDS)
def test_a_rule_that_is_deaf_or_cries_wolf_fails_one_of_its_tests(rule_id: str) -> None:
    original = next(each for each in own_rules() if each.id == rule_id)
    deaf, shrill = _deaf(original), _shrill(original)

    assert any(run.failures and run.test.must_fire for run in run_rule_tests([deaf], own_tests()))
    assert any(run.failures and run.test.is_quiet for run in run_rule_tests([shrill], own_tests()))


def _deaf(original: Rule) -> Rule:
    condition = original.condition
    match condition:
        case Share():
            return replace(original, condition=replace(condition, above=0.99), no_data_after=None)
        case Burning():
            pair = replace(condition.pair, budget_share=condition.pair.budget_share * 1.9)
            return replace(original, condition=replace(condition, pair=pair))
        case Standstill():
            return replace(original, condition=replace(condition, intervals=60), no_data_after=None)


def _shrill(original: Rule) -> Rule:
    condition = original.condition
    match condition:
        case Share():
            if condition.above:
                return replace(original, condition=replace(condition, above=0))
            # There is no share below any at all; but it may want attempts where there are none.
            return replace(original, condition=replace(condition, least=5), no_data_after=MINUTE)
        case Burning():
            pair = replace(condition.pair, budget_share=condition.pair.budget_share / 40)
            return replace(original, condition=replace(condition, pair=pair))
        case Standstill():
            return replace(original, condition=replace(condition, intervals=1))


@pytest.mark.parametrize(
    ("pieces", "minutes"),
    [
        (["120 x 0.2 % for 5 min"], [(0, 120), (0, 120), (0, 120), (0, 120), (1, 120)]),
        (["10 x 3 bad for 2 min"], [(3, 10), (3, 10)]),
        (["10 x 0.5 bad for 2 min"], [(0, 10), (1, 10)]),
        (["0 for 2 min", "7 x 0 % for 1 min"], [(0, 0), (0, 0), (0, 7)]),
        (["100 x 29 % for 1 min"], [(29, 100)]),
        (["100 x 14.4 rate for 1 min"], [(14, 100)]),
        (["100 x 20 rate for 2 min"], [(20, 100), (20, 100)]),
    ],
)
def test_a_series_is_what_came_in_each_minute(
    pieces: list[str], minutes: list[tuple[int, int]]
) -> None:
    assert read_series(pieces, 0.01) == tuple(Minute(Tally(*each)) for each in minutes)


def test_a_series_says_what_could_not_be_read_and_what_stood_still() -> None:
    assert read_series(["unread for 1 min", "moves for 1 min", "still for 1 min"], None) == (
        Minute(is_read=False),
        Minute(),
        Minute(is_moving=False),
    )


@pytest.mark.parametrize(
    ("piece", "words"),
    [
        ("540", "no piece"),
        ("540 x 1 % for 5", "no piece"),
        ("540 x 1 %", "no piece"),
        ("x 1 % for 5 min", "no piece"),
        ("540 for 5 min", "does not say how many are bad"),
        ("5 x 6 bad for 5 min", "more bad attempts than"),
        ("5 x 101 % for 5 min", "more bad attempts than"),
        ("5 x 2 rate for 5 min", "of no objective"),
        ("5 x 0 bad for 31 d", "from 1 min to 30 d"),
        ("5 x 0 bad for 30 s", "from 1 min to 30 d"),
        ("5 x 0 bad for 5 weeks", "no duration"),
    ],
)
def test_a_piece_that_says_nothing_is_refused(piece: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_series([piece], None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rules": None}, "rules is missing"),
        ({"series": None}, "series is missing"),
        ({"at": '{ "10 min" = "burning" }'}, "burning"),
        ({"at": '{ "soon" = "firing" }'}, "no duration"),
        ({"at": "{}"}, "one of both"),
        ({"is_quiet": "true"}, "one of both"),
        ({"when": '"now"'}, "there is no field when"),
    ],
)
def test_a_test_that_is_wrong_is_refused_with_its_name(
    changes: dict[str, str | None], words: str
) -> None:
    fields = {**_TEST, **changes}
    text = "\n".join(["[[test]]", *(f"{key} = {value}" for key, value in fields.items() if value)])

    with pytest.raises(SetupError, match=rf"\Atests of alert rules: a test: .*{words}"):
        read_tests(text)


def test_an_instant_after_the_end_of_a_series_is_a_failure() -> None:
    (test,) = read_tests(
        "[[test]]\n" + "\n".join(f"{key} = {value}" for key, value in _TEST.items())
    )
    late = replace(test, at={timedelta(minutes=11): RuleState.FIRING})

    (run,) = run_rule_tests(own_rules(), [late])

    assert run.failures == ("after 11 min the series is over",)


def test_windows_are_widened_to_whole_rows_and_reach_over_rows_of_other_lengths() -> None:
    hours = Rows.even(NOON, timedelta(hours=1), 2)
    minutes = Rows.even(NOON + timedelta(hours=2), MINUTE, 3)
    rows = Rows(
        np.concatenate([hours.starts, minutes.starts]), np.concatenate([hours.ends, minutes.ends])
    )
    values = np.array([100, 200, 1, 2, 4])

    assert rows.sums(values, timedelta(minutes=5)).tolist() == [100, 200, 201, 203, 207]
    assert rows.sums(values, timedelta(minutes=2)).tolist() == [100, 200, 201, 3, 6]
    assert rows.sums(values, MINUTE).tolist() == [100, 200, 1, 2, 4]
    assert rows.sums(values, timedelta(hours=9)).tolist() == [100, 300, 301, 303, 307]


_SPANS = st.integers(0, 8).map(lambda minutes: minutes * MINUTE)
_CONDITIONS = st.sampled_from(
    [
        replace(SHARE, least=1),
        replace(SHARE, least=200),
        replace(SHARE, above=0.0),
        Burning(
            OBJECTIVES["critical_error_rate"],
            replace(PAIRS[0], long=12 * MINUTE, short=3 * MINUTE, budget_share=0.0004),
            least=100,
        ),
    ]
)
_PASTS = st.lists(
    st.tuples(st.integers(1, 25), st.integers(0, 80), st.sampled_from([0, 0, 0, 0.01, 0.1, 1])),
    min_size=1,
    max_size=6,
)


@TRIED
@given(
    condition=_CONDITIONS,
    hold=_SPANS,
    keep=_SPANS,
    no_data=st.none() | _SPANS.filter(bool),
    past=_PASTS,
    unread=st.sets(st.integers(0, 60), max_size=8),
)
def test_a_walk_is_what_a_look_each_minute_comes_to(
    condition: Share | Burning,
    hold: timedelta,
    keep: timedelta,
    no_data: timedelta | None,
    past: list[tuple[int, int, float]],
    unread: set[int],
) -> None:
    tested = rule(condition=condition, hold=hold, keep=keep, no_data_after=no_data)
    tallies = [Tally(round(of * share), of) for minutes, of, share in past for _ in range(minutes)]
    read = np.array([number not in unread for number in range(len(tallies))])
    bad, of = (np.array(column) for column in zip(*tallies, strict=True))

    walked = walk(tested, Rows.even(NOON, MINUTE, len(tallies)), bad, of, read=read)

    assert walked == tuple(_looked(tested, condition, tallies, unread))


def _looked(
    tested: Rule, condition: Share | Burning, tallies: list[Tally], unread: set[int]
) -> list[Transition]:
    memory: Memory | None = None
    found: list[Transition] = []
    for number in range(len(tallies)):
        windows = [
            tallies[max(number + 1 - sample.length // MINUTE, 0) : number + 1]
            for sample in samples_of(condition)
        ]
        measured = (
            UNREAD
            if number in unread
            else measure_tallies(
                condition, [Tally(*map(sum, zip(*each, strict=True))) for each in windows]
            )
        )
        memory = _look(tested, measured, memory, NOON + (number + 1) * MINUTE, found)
    return found


def _look(
    tested: Rule, measured: Measured, memory: Memory | None, now: datetime, found: list[Transition]
) -> Memory:
    decision = evaluate(tested, measured, memory, now)
    if decision.is_new:
        before = memory.state if memory else RuleState.INACTIVE
        found.append(
            Transition(
                now, before, decision.memory.state, decision.is_no_data, decision.reason,
                measured.numbers,
            )
        )  # fmt: skip
    return decision.memory


@TRIED
@given(
    looks=st.lists(st.sampled_from([True, True, True, False, None]), min_size=1, max_size=40),
    keep=_SPANS,
)
def test_a_walk_of_the_watchdog_is_what_a_look_each_minute_comes_to(
    looks: list[bool | None], keep: timedelta
) -> None:
    tested = rule(condition=Standstill(Watched.ROLLER), keep=keep, no_data_after=2 * MINUTE)
    moved: list[datetime | None] = []
    last = NOON
    for number, moves in enumerate(looks, 1):
        last = NOON + number * MINUTE if moves else last
        moved.append(None if moves is None else last)
    found: list[Transition] = []
    memory: Memory | None = None
    for number, at in enumerate(moved, 1):
        now = NOON + number * MINUTE
        readings = Readings(now, moved={Watched.ROLLER: Moved(at, MINUTE)})
        memory = _look(tested, measure(tested.condition, readings), memory, now, found)

    walked = walk_still(tested, Rows.even(NOON, MINUTE, len(moved)), moved, MINUTE)

    assert walked == tuple(found)


def test_firings_are_alerts_with_how_long_they_lasted() -> None:
    tested = rule(condition=replace(SHARE, window=MINUTE))
    bad = np.array([0, 9, 9, 0, 9])

    transitions = walk(tested, Rows.even(NOON, MINUTE, 5), bad, np.full(5, 10))
    first, second = firings(transitions, NOON + 5 * MINUTE)

    assert first.began.at == NOON + 2 * MINUTE
    assert first.ended is not None
    assert first.lasted == 2 * MINUTE
    assert second.ended is None
    assert second.lasted == timedelta(0)
    assert first.began.numbers["bad"] == 9


def test_a_rule_is_walked_by_what_it_is_about() -> None:
    rows = Rows.even(NOON, MINUTE, 1)
    still = rule(condition=Standstill(Watched.SPOOL))

    with pytest.raises(TypeError, match="TEST-001 is about attempts"):
        walk_still(rule(condition=SHARE), rows, [NOON], MINUTE)
    with pytest.raises(TypeError, match="TEST-001 is not about attempts"):
        walk(still, rows, np.zeros(1, np.int64), np.zeros(1, np.int64))
