"""The table of objectives: every state in a word and a number, nothing green without proof."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final
from urllib.parse import parse_qsl

import pytest

from dashboard import objectives
from engine.errors import ErrorCode
from engine.rollups.counts import Counts
from engine.slo.coverage import Coverage, LogCoverage
from engine.slo.objectives import OBJECTIVES, PARTS, Objective
from engine.slo.overview import LENGTHS, Overview
from tests.dashboard.summaries import END, counts, summary

# Another reading: what was drawn of the one before is not shown again.
LATER: Final = END + timedelta(seconds=2)
_LINK: Final = re.compile(r"\[(:?[^()]*?)\]\(attempts\?([^)]*)\)")


def rows(found: Overview) -> dict[str, dict[str, str]]:
    """Each objective's cells by their heads, without links."""
    return cells(objectives.table(found))


def cells(table: str) -> dict[str, dict[str, str]]:
    heads, _, *lines = [
        [_LINK.sub(r"\1", cell.strip()) for cell in line.strip("|").split("|")]
        for line in table.splitlines()
    ]
    return {line[0]: dict(zip(heads, line, strict=True)) for line in lines}


def test_every_objective_has_its_row() -> None:
    assert {each.title for each in OBJECTIVES.values()} <= set(rows(summary()))


def test_without_attempts_all_is_unknown() -> None:
    found = objectives.table(summary()) + objectives.burn_table(summary())

    assert "green" not in found
    assert "%](" not in found
    assert rows(summary())["Success rate"]["Last 5 minutes"] == ":gray[no data]"
    assert rows(summary())["Success rate"]["Budget left, 30 d"] == ":gray[no data]"
    assert rows(summary())["Timeouts"]["Last 5 minutes"] == "no data"


def test_a_clean_sample_that_is_too_small_is_not_met() -> None:
    found = rows(summary(committed=2_994))

    assert found["Critical error rate"]["Last 5 minutes"] == "**0 %** :gray[too few]"
    assert found["Success rate"]["Last 5 minutes"] == "**100 %** :green[met]"
    enough = rows(summary(committed=2_995, now=LATER))
    assert "met" in enough["Critical error rate"]["Last 5 minutes"]


def test_a_broken_objective_says_how_bad_it_is_at_least() -> None:
    found = rows(summary(committed=900, codes={ErrorCode.DATABASE_TIMEOUT: 100}))

    rate = found["Service success rate"]
    assert rate["Last 5 minutes"] == "**90 %** :red[broken]"
    assert rate["Bad of all"] == "100 of 1,000"
    assert rate["95 % bound"].startswith("at most 91.")
    assert rate["Budget left, 30 d"] == ":red[overspent 900 %]"
    assert found["Timeouts"]["Last 5 minutes"] == "10 %"


def test_a_bad_share_is_never_told_smaller_than_it_is() -> None:
    found = rows(summary(committed=99_999, codes={ErrorCode.INTERNAL_ERROR: 1}))

    assert found["Internal errors"]["Last 5 minutes"].startswith("**0.01 %**")
    assert found["Success rate"]["Last 5 minutes"].startswith("**99.99 %**")


@pytest.mark.parametrize(
    ("found", "said", "numbers"),
    [
        (Coverage(0, 0, 4), ":gray[no data]", "-"),
        (Coverage(2_000, 0, 3), "**100 %** :green[complete]", "0 of 2,000"),
        (Coverage(200_000, 1, 0), "**99.99 %** :red[missing]", "1 of 200,000"),
    ],
)
def test_coverage_is_measured_and_never_assumed(found: Coverage, said: str, numbers: str) -> None:
    row = rows(summary(committed=5, coverage=found))["Requests in the ledger"]

    assert (row["Last 5 minutes"], row["Bad of all"]) == (said, numbers)


def test_each_window_is_judged_by_itself() -> None:
    bad = counts(committed=50, codes={ErrorCode.DATABASE_TIMEOUT: 50})
    by_length: dict[object, Counts] = dict.fromkeys(LENGTHS, counts(committed=5_000))
    by_length[LENGTHS[0]] = bad

    found = rows(summary(committed=10, by_length=by_length))["Service success rate"]

    assert (found["5 min"], found["1 h"]) == (":red[broken]", ":green[met]")


def test_a_budget_burns_when_both_windows_of_a_pair_do() -> None:
    by_length: dict[object, Counts] = dict.fromkeys(LENGTHS, counts(committed=1_000))
    failing = counts(committed=800, codes={ErrorCode.DATABASE_TIMEOUT: 200})
    minutes_5, _, hour_1, *_ = LENGTHS
    by_length[hour_1] = failing
    calm = cells(objectives.burn_table(summary(by_length=by_length)))
    by_length[minutes_5] = failing
    burning = cells(objectives.burn_table(summary(by_length=by_length, now=LATER)))

    head = "1 h / 5 min, limit 14.4 x"
    assert calm["Service success rate"][head] == "**20.0 x** / 0.0 x :gray[calm]"
    assert burning["Service success rate"][head] == "**20.0 x** / 20.0 x :red[burning]"


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=lambda each: each.key)
def test_a_number_leads_to_what_it_counts(objective: Objective) -> None:
    table = objectives.table(summary(committed=90, codes={ErrorCode.INTERNAL_ERROR: 10}))
    (line,) = [row for row in table.splitlines() if row.startswith(f"| {objective.title} |")]

    linked = [dict(parse_qsl(said)) for _, said in _LINK.findall(line)]

    assert [said["only_part"] for said in linked] == [objective.bad.key] * 5
    assert objective.bad.key in PARTS


def test_the_log_has_a_row_of_its_own() -> None:
    def told(log: LogCoverage, seconds: int) -> tuple[str, str]:
        now = LATER + timedelta(seconds=seconds)
        found = rows(summary(committed=1, coverage=Coverage(10, 0, 0, log), now=now))
        return found["Requests in the log"]["Last 5 minutes"], found["Requests in the log"][
            "Bad of all"
        ]

    assert told(LogCoverage(0, 0, 0), 1) == (":gray[no data]", "-")
    assert told(LogCoverage(10, 0, 0), 2) == ("**100 %** :green[complete]", "0 of 10")
    assert told(LogCoverage(10, 1, 1), 3) == ("**80 %** :red[missing]", "2 of 10")
