"""Test results that are brought from elsewhere: which boxes they decide, and how.

A suite is green when each of its paths has tests in the results and every one of them has passed.
What was skipped has not: its box is waived until somebody makes it run, or stays red. There have to
be as many tests as ever passed in this environment, and as there were when it was red of the same
commit: a file with a part of them turns nothing green. Results are of one commit; those of another
say nothing of this release.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from sqlmodel import Session

from engine.access.audit import Action, Actor, Subject
from engine.access.permits import Permit
from engine.access.roles import Permission
from engine.clock import Clock
from engine.errors import ErrorCode, Refusal
from engine.readiness.assessment import Verdict
from engine.readiness.junit import JUnitError, Outcome, Result, read_junit
from engine.readiness.knowledge import Release
from engine.readiness.probes.absent import IMPORTED
from engine.readiness.probes.probe import Found, failing, insufficient, passing
from engine.readiness.records import RecordKind, body_of, records_of, records_of_kind
from engine.readiness.running import put_down_found
from engine.settings import Settings

# Of a commit's name at least so much has to be given.
_COMMIT_MIN: Final = 7
_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Suite:
    """Tests that decide a box.

    Attributes:
        name: as the table has it.
        boxes: that it decides.
        paths: files and folders of tests, from the top of the repository.
        sabotage: tests that plant the fault which the suite is to find.
    """

    name: str
    boxes: tuple[str, ...]
    paths: tuple[str, ...]
    sabotage: tuple[str, ...] = ()


@cache
def suites() -> tuple[Suite, ...]:
    """The table beside this module."""
    written = (resources.files("engine.readiness") / "suites.toml").read_text("utf-8")
    return tuple(
        Suite(
            name,
            tuple(table["boxes"]),
            tuple(table["paths"]),
            tuple(table.get("sabotage", ())),
        )
        for name, table in tomllib.loads(written).items()
    )


def import_results(
    session: Session,
    clock: Clock,
    settings: Settings,
    actor: Actor,
    release: Release,
    xml: bytes,
    commit: str,
) -> Mapping[str, Found] | Refusal:
    """Puts down what test results say of the boxes that they decide.

    Args:
        session: of the transaction; committed by the caller, also after a refusal.
        clock: for the records.
        settings: of this process, whose fingerprint evidence keeps.
        actor: who brings them.
        release: that they are of.
        xml: JUnit XML, as `python -m tests --junitxml=FILE` writes it.
        commit: that they were made of, at least 7 characters of its name.

    Returns:
        What was found, by box. Results in which a suite has no test at all leave its box as it is
        if it has evidence, so that they may come in several files. AUTHORIZATION_FAILED for who may
        not sign off; QUOTE_VALIDATION_FAILED for a file that is none, or of another commit.
    """
    permit = Permit(session, clock, actor, Permission.SIGN_OFF)
    subject = Subject("release", str(release.id))
    refusal = permit.refusal(Action.PROBE_RUN, subject)
    if refusal is not None:
        return refusal
    started_at = clock.now()
    if not is_same_commit(commit, release.commit):
        return permit.refused(
            Action.PROBE_RUN,
            subject,
            _unfit(f"These results are not of {release.commit}, the commit of {release.name}"),
        )
    try:
        results = read_junit(xml)
    except JUnitError as error:
        return permit.refused(
            Action.PROBE_RUN, subject, _unfit(f"This is no file of test results: {error}")
        )
    digest = hashlib.sha256(xml).hexdigest()
    before = _counts_before(session, release)
    decided = {each.item_id for each in records_of(session, release.id)
               if each.kind == RecordKind.EVIDENCE}  # fmt: skip
    found: dict[str, Found] = {}
    for suite in suites():
        for box in suite.boxes:
            item = release.items.get(box)
            if item is None or item.probe not in IMPORTED:
                continue
            said = judged(suite, results, before.get(box, 0), digest, release.commit)
            if said.numbers["tests"] or box not in decided:
                found[box] = said
    for box, said in found.items():
        put_down_found(session, clock, settings, actor, release, box, said, started_at)
    permit.done(
        Action.PROBE_RUN,
        subject,
        {"results": digest, "tests": len(results), "boxes": sorted(found)},
    )
    return found


def is_same_commit(given: str, wanted: str) -> bool:
    """Whether two names are of one commit: one of them may be the other's beginning."""
    one, other = given.strip().casefold(), wanted.strip().casefold()
    shorter = min(one, other, key=len)
    return len(shorter) >= _COMMIT_MIN and one[: len(shorter)] == other[: len(shorter)]


def judged(
    suite: Suite, results: Sequence[Result], count_before: int, digest: str, commit: str
) -> Found:
    """What results say of a suite.

    Args:
        suite: which.
        results: of all tests.
        count_before: tests that there have to be of it at least.
        digest: SHA-256 of the file.
        commit: that they are of.
    """
    own = [each for each in results if any(_is_in(each, path) for path in suite.paths)]
    saboteurs = [each for each in results if any(_is(each, name) for name in suite.sabotage)]
    bad = [each for each in [*own, *saboteurs] if each.outcome >= Outcome.FAILED]
    skipped = [each for each in [*own, *saboteurs] if each.outcome is Outcome.SKIPPED]
    absent = [path for path in suite.paths if not any(_is_in(each, path) for each in own)]
    unsabotaged = [
        name for name in suite.sabotage if not any(_is(each, name) for each in saboteurs)
    ]
    numbers = {
        "suite": suite.name,
        "commit": commit,
        "sha256": digest,
        "tests": len(own),
        "sabotage": len(saboteurs),
        "failed": len(bad),
        "skipped": len(skipped),
        "testsBefore": count_before,
        "named": sorted({each.id for each in [*bad, *skipped]})[:_NAMED],
    }
    witness = f"JUnit XML {digest} of {commit}"
    proof = f", and {len(saboteurs)} tests that plant a fault passed" if suite.sabotage else ""
    skips = (
        f"{len(skipped)} of {len(own)} were skipped, {_first(skipped)} among them; have it run, or"
        " the box waived naming it"
    )
    unproved = (
        f"all {len(own)} passed, but nothing shows that they would find a fault:"
        f" {(unsabotaged or [''])[0]} is missing"
    )
    # The first that holds decides.
    verdicts: tuple[tuple[bool, Says, str], ...] = (
        (not own, insufficient, "has no test in these results"),
        (bool(bad), failing, f"{len(bad)} of {len(own)} failed, {_first(bad)} among them"),
        (bool(absent), failing, f"no test of {(absent or [''])[0]} is in these results"),
        (
            bool(skipped),
            failing,
            skips,
        ),
        (
            bool(unsabotaged),
            insufficient,
            unproved,
        ),
        (
            len(own) < count_before,
            failing,
            f"{len(own)} tests, where there were {count_before} before",
        ),
        (True, passing, f"all {len(own)} passed{proof}"),
    )
    says, reason = next((says, reason) for holds, says, reason in verdicts if holds)
    return says(f"The suite {suite.name}: {reason}", witness, **numbers)


Says = Callable[..., Found]


def _first(results: Sequence[Result]) -> str:
    return results[0].id if results else ""


def _is_in(result: Result, path: str) -> bool:
    return result.file == path or result.file.startswith(f"{path}/")


def _is(result: Result, name: str) -> bool:
    """Whether a test has a name, or is one of those with parameters that have it."""
    return result.id == name or ("[" not in name and result.id.startswith(f"{name}["))


def _counts_before(session: Session, release: Release) -> dict[str, int]:
    """How many tests there have to be for each box.

    As many as ever passed for another release of this environment; and as many as there were since
    then when it was red, of the same commit.
    """
    environments = {
        each.release_id: body_of(each)["environment"]
        for each in records_of_kind(session, RecordKind.RELEASE)
    }
    passed: dict[str, int] = {}
    red: dict[str, int] = {}
    for each in records_of_kind(session, RecordKind.EVIDENCE):
        box, body = each.item_id, body_of(each)
        tests = body["numbers"].get("tests")
        if (
            box is None
            or not isinstance(tests, int)
            or environments.get(each.release_id) != release.environment
        ):
            continue
        is_passing = body["verdict"] == Verdict.PASSING
        if is_passing and each.release_id != release.id:
            passed[box] = max(tests, passed.get(box, 0))
        if body["numbers"].get("commit") == release.commit:
            if is_passing:
                red.pop(box, None)
            elif body["verdict"] == Verdict.FAILING:
                red[box] = max(tests, red.get(box, 0))
    return {box: max(passed.get(box, 0), red.get(box, 0)) for box in passed.keys() | red.keys()}


def _unfit(why: str) -> Refusal:
    return Refusal(ErrorCode.QUOTE_VALIDATION_FAILED, f"{why}; nothing was put down.")
