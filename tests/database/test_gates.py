"""Gates: open where what people are to vouch for is there, shut once something of it is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.access.roles import Role
from engine.clock import FrozenClock
from engine.database.sessions import session_of
from engine.errors import TAXONOMY, ErrorCode
from engine.readiness.assessment import Verdict
from engine.readiness.contacts import WANTED, Contact, set_contacts
from engine.readiness.documents import Documents, read_documents
from engine.readiness.feedback import dispose, put_down_feedback
from engine.readiness.knowledge import SEEN
from engine.readiness.probes import gates
from engine.runtime import Runtime
from tests.database.attempt_rows import attempt, write
from tests.database.people import account
from tests.database.releases import NOON, Lookout, ago, at_noon, rolled
from tests.sabotage import sabotage

INTERNAL, TIMEOUT = (
    TAXONOMY[each].number for each in (ErrorCode.INTERNAL_ERROR, ErrorCode.DATABASE_TIMEOUT)
)
HOUR = timedelta(hours=1)


@pytest.fixture
def look(runtime: Runtime) -> Lookout:
    return at_noon(runtime)


def with_contacts(look: Lookout, **changes: str) -> None:
    people = [
        Contact(part, role, address="#incidents")
        if part == "channel"
        else Contact(part, role, "Ada", "+351 210 000 000", f"{role.split()[0]}@agency.travel")
        for part, role in WANTED
    ]
    people[0] = replace(people[0], **changes)
    with session_of(look.runtime.target) as session:
        made = set_contacts(session, look.clock, look.actor, "staging", people)
    assert not hasattr(made, "code"), made


def edited(monkeypatch: pytest.MonkeyPatch, change: Callable[[str, str], str]) -> Documents:
    pages = read_documents()
    assert pages is not None
    changed = replace(pages, pages={name: change(name, text) for name, text in pages.pages.items()})
    monkeypatch.setattr(gates, "read_documents", lambda: changed)
    return changed


_BOXES = {"docs.gate": "PRE-6.1", "docs.runbook": "PRE-6.2", "docs.sign": "PRE-6.4"}
DOCUMENTS = [
    ("docs.gate", "docs/reference/settings.md", "`DATABASE_URL`", "`DATABASE`", "DATABASE_URL"),
    ("docs.gate", "README.md", "(docs/", "(documents/", "README.md: documents/"),
    ("docs.runbook", "docs/runbooks/errors.md", "**Verify**", "**Check**", "has no Verify"),
    ("docs.sign", "docs/runbooks/incidents.md", "## Review", "## Views", "no section Review"),
]


@pytest.mark.parametrize(
    ("probe", "page", "words", "instead", "found"),
    [pytest.param(*each, marks=sabotage(each[0], _BOXES[each[0]])) for each in DOCUMENTS],
)
def test_documents_that_are_whole_open_a_gate_and_one_that_is_not_shuts_it(
    look: Lookout,
    monkeypatch: pytest.MonkeyPatch,
    probe: str,
    page: str,
    words: str,
    instead: str,
    found: str,
) -> None:
    with_contacts(look)
    whole = look(probe)
    edited(monkeypatch, lambda name, text: text.replace(words, instead) if name == page else text)

    assert whole.verdict is Verdict.PASSING, whole
    red = look(probe)
    assert red.verdict is Verdict.FAILING
    assert found in red.reason


def test_another_edit_is_another_digest(look: Lookout, monkeypatch: pytest.MonkeyPatch) -> None:
    with_contacts(look)
    probes = ("docs.gate", "docs.runbook", "docs.sign")
    before = [look(each).numbers[SEEN] for each in probes]
    edited(monkeypatch, lambda name, text: text + " " * name.startswith("docs/runbooks/"))

    after = [look(each).numbers[SEEN] for each in probes]

    assert [one == two for one, two in zip(before, after, strict=True)] == [False, False, False]


def test_where_no_documentation_is_installed_nothing_is_known(
    look: Lookout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert read_documents(tmp_path) is None
    monkeypatch.setattr(gates, "read_documents", lambda: None)

    for probe in ("docs.gate", "docs.runbook", "docs.sign"):
        assert look(probe).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "box",
    [pytest.param(each, marks=sabotage("docs.sign", each)) for each in ("PRE-6.4", "PRE-6.5")],
)
def test_a_plan_whose_contacts_are_placeholders_is_red_and_without_any_unknown(
    look: Lookout, box: str
) -> None:
    assert look("docs.sign", box).verdict is Verdict.UNKNOWN

    with_contacts(look, name="TBD")

    found = look("docs.sign", box)
    assert (found.verdict, found.reason) == (
        Verdict.FAILING,
        "1 contacts are red, on-call, primary among them",
    )


@pytest.mark.parametrize(
    ("window", "deployed", "verdict"),
    [
        pytest.param(None, None, Verdict.FAILING, marks=sabotage("window.record", "PRE-10.8")),
        ((HOUR, 3 * HOUR), None, Verdict.PASSING),
        ((-HOUR, 3 * HOUR), None, Verdict.FAILING),
        ((-HOUR, 3 * HOUR), timedelta(0), Verdict.PASSING),
        ((HOUR, 3 * HOUR), timedelta(0), Verdict.FAILING),
    ],
    ids=["none", "to come", "begun", "deployed within", "deployed before"],
)
def test_a_window_is_planned_to_come_and_the_deployment_falls_within_it(
    runtime: Runtime,
    window: tuple[timedelta, timedelta] | None,
    deployed: timedelta | None,
    verdict: Verdict,
) -> None:
    plan: dict[str, Any] = (
        {}
        if window is None
        else {"planned_from": NOON + window[0], "planned_until": NOON + window[1]}
    )
    look = at_noon(runtime, **plan)
    if deployed is not None:
        look.deployed(NOON - deployed)

    assert look("window.record").verdict is verdict


@sabotage("train.quiz", "PRE-6.6")
def test_each_who_is_on_call_needs_an_account_to_vouch_with(look: Lookout) -> None:
    with_contacts(look)
    account(look.runtime.target, look.clock, Role.ON_CALL, email="primary@agency.travel")
    account(look.runtime.target, look.clock, Role.VIEWER, email="secondary@agency.travel")

    found = look("train.quiz")

    assert found.verdict is Verdict.FAILING
    assert found.reason.startswith("1 of 2 who are on call have no account")


def test_everybody_on_call_who_has_an_account_can_be_asked(look: Lookout) -> None:
    with_contacts(look)
    for name in ("primary", "secondary"):
        account(look.runtime.target, look.clock, Role.ON_CALL, email=f"{name}@agency.travel")

    assert look("train.quiz").verdict is Verdict.PASSING


@sabotage("feedback.sign", "POST-8.5")
def test_feedback_is_counted_from_the_deployment_and_not_before_its_time_is_over(
    runtime: Runtime,
) -> None:
    look = at_noon(runtime)
    assert look("feedback.sign").verdict is Verdict.UNKNOWN
    look.deployed(ago(hours=49))
    none = look("feedback.sign")
    earlier = replace(look.runtime, clock=FrozenClock(ago(hours=3)))
    with session_of(runtime.target) as session:
        made = put_down_feedback(
            session, earlier.clock, look.actor, look.release_id, "Slow", ["correlation"]
        )
        refused = put_down_feedback(
            session, earlier.clock, look.actor, look.release_id, "Slow", ["no id"]
        )

    lost = look("feedback.sign")
    write(runtime.target.app, attempt(ago(hours=4)))  # whose id is that word
    some = look("feedback.sign")

    assert not hasattr(made, "code")
    assert hasattr(refused, "code")
    assert (none.verdict, some.verdict) == (Verdict.PASSING, Verdict.PASSING)
    assert lost.verdict is Verdict.FAILING
    assert lost.reason.startswith("1 of 1 correlation ids that feedback names are of no attempt")
    assert (none.numbers["entries"], some.numbers["entries"]) == (0, 1)
    assert none.numbers[SEEN] != some.numbers[SEEN]
    assert look.deployed(ago(hours=30))("feedback.sign").verdict is Verdict.INSUFFICIENT


@sabotage("edge.propose", "POST-8.6")
def test_every_edge_case_that_a_machine_proposes_is_disposed_of(runtime: Runtime) -> None:
    look = at_noon(runtime).deployed(ago(hours=49))
    write(runtime.target.app, attempt(ago(hours=60), outcome=5, error_code=TIMEOUT))
    write(runtime.target.app, attempt(ago(hours=2), outcome=5, error_code=TIMEOUT))
    write(runtime.target.app, attempt(ago(hours=2), outcome=5, error_code=INTERNAL))
    write(runtime.target.app, attempt(ago(hours=2), duration_us=3_000_000, operation=2))
    rolled(runtime.target)

    red = look("edge.propose")
    for candidate in red.numbers["candidates"]:
        with session_of(runtime.target) as session:
            dispose(session, look.clock, look.actor, look.release_id, candidate, "Known", "I-7")
    green = look("edge.propose")

    assert red.verdict is Verdict.FAILING
    assert red.numbers["candidates"] == [
        "first seen: CREATE INTERNAL_ERROR",
        "slow: UPDATE correlation",
    ]
    assert (green.verdict, green.numbers["issues"]) == (Verdict.PASSING, ["I-7", "I-7"])
    assert red.numbers[SEEN] != green.numbers[SEEN]
