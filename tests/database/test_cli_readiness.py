"""`saveguard readiness …`: a release from its making to the gate, at a terminal."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.access.roles import Role
from engine.cli.acting import machine_user
from engine.clock import SystemClock
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.readiness import signoff, verifier
from engine.readiness.attestation import opened
from engine.readiness.fingerprints import fingerprints_now
from engine.readiness.knowledge import knowledge_of
from engine.readiness.looking import look
from engine.readiness.records import records_of, written_instant
from engine.readiness.releases import own_checklist, releases_named
from engine.readiness.results import suites
from engine.readiness.standing import Meaning
from engine.settings import Settings
from tests.database.databases import CLOCK, run
from tests.database.people import account, trail
from tests.database.releases import AUTHOR, author, lead
from tests.database.shell import Shell
from tests.database.test_results import results_of

LIST = "## Pre\n### Phase 1: Words\n- [x] Read by somebody\n"
ADD = (
    "readiness", "release", "add", "2026.48", "--commit", "0123abc", "--author", AUTHOR,
    "--environment",
)  # fmt: skip
OURS = ("--release", "2026.48")


@pytest.fixture
def office(saveguard: Shell, target: Target) -> Shell:
    """A shell where the author of releases has an account."""
    author(target, CLOCK)
    return saveguard


@pytest.fixture
def ops(office: Shell) -> Shell:
    """A shell in which there is a release for this very environment."""
    assert office(*ADD, "development").code == 0
    return office


def signed_off(target: Target, settings: Settings, words: str = "I have") -> None:
    """A lead has vouched for the one box, and signed."""
    _, actor = lead(target, CLOCK)
    for step in ("attest", "sign"):
        with session_of(target) as session:
            release_id = releases_named(session, "2026.48")["development"]
            release = knowledge_of(records_of(session, release_id)).release
            now = fingerprints_now(session, settings, release)
            found = look(session, release_id, now, CLOCK.now())
            assert found is not None
            if step == "attest":
                done = signoff.attest(session, CLOCK, actor, found, "PRE-1.1", words, now)
            else:
                seen = found.phases[0].seen
                done = signoff.sign(
                    session, CLOCK, actor, found, "PRE-1", Meaning.APPROVED, "", seen
                )
            assert not hasattr(done, "code"), done


def test_a_release_is_made_listed_and_deployed(saveguard: Shell, target: Target) -> None:
    ada = account(target, CLOCK, Role.LEAD, email="ada@people.example")
    planned = ("--from", "2026-12-01T10:00:00Z", "--until", "2026-12-01T12:00:00Z")

    made = saveguard(*ADD, "staging", "--author", "ADA@people.example", *planned, "--json")
    instant = written_instant(SystemClock().now())
    deployed = saveguard("readiness", "deploy", *OURS, "--at", instant)

    assert (made.code, deployed.code) == (0, 0)
    (listed,) = saveguard("readiness", "release", "list", "--json").facts
    assert listed["releaseId"] == made.facts["releaseId"]
    assert (listed["deployedAt"], listed["isRunning"]) == (instant, True)
    assert "runs now" in saveguard("readiness", "release", "list").out
    with session_of(target) as session:
        release_id = releases_named(session, "2026.48")["staging"]
        assert knowledge_of(records_of(session, release_id)).release.author_id == ada.id
    events = [each["action"] for each in trail(target)]
    assert events == ["release made", "release deployed"]
    assert {each["actor"] for each in trail(target)} == {machine_user()}


def test_what_cannot_be_done_is_one_line(ops: Shell, tmp_path: Path) -> None:
    (tmp_path / "list.md").write_text("# No boxes\n")

    assert "a release of this name" in ops.refused(*ADD, "development")
    checklist = ("--checklist", str(tmp_path / "list.md"))
    assert "cannot be read" in ops.refused(*ADD, "staging", *checklist)
    missing = ("--checklist", str(tmp_path / "none.md"))
    assert "cannot be read" in ops.refused(*ADD, "staging", *missing)
    assert "no release nothing" in ops.refused("readiness", "status", "--release", "nothing")
    assert "no phase PRE-99" in ops.refused("readiness", "status", *OURS, "--phase", "PRE-99")
    assert "no box PRE-99" in ops.refused("readiness", "run", *OURS, "--box", "PRE-99")
    assert "is derived" in ops.refused("readiness", "run", *OURS, "--box", "READY-1")
    assert "after it was made" in ops.refused(
        "readiness", "deploy", *OURS, "--at", "2026-01-01T00:00:00Z"
    )
    assert "once it has happened" in ops.refused(
        "readiness", "deploy", *OURS, "--at", "2999-01-01T00:00:00Z"
    )


def test_what_somebody_wrote_is_no_line_of_its_own(
    office: Shell, target: Target, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "list.md").write_text(LIST)
    office(*ADD, "development", "--checklist", str(tmp_path / "list.md"))
    signed_off(target, settings, "I have\n  PRE-1.2    passing            not so")

    shown = office("readiness", "status", *OURS, "--phase", "PRE-1").out
    written = office("readiness", "export", *OURS).out

    (line,) = [each for each in shown.splitlines() if "not so" in each]
    assert line.endswith("Read by somebody: I have PRE-1.2 passing not so")
    assert len([each for each in written.splitlines() if "not so" in each]) == 1
    assert len(written.splitlines()) == len(LIST.splitlines()) + 2


def test_a_fresh_release_shows_170_boxes_none_of_them_green(ops: Shell) -> None:
    shown = ops("readiness", "status", *OURS)
    facts = ops("readiness", "status", *OURS, "--json").facts

    assert shown.code == 0
    assert "170  unknown" in shown.out
    assert "0  passing            proved by evidence that is fresh" in shown.out
    assert "The shortest way on" in shown.out
    assert sum(facts["counts"].values()) == facts["counts"]["unknown"] == 170
    (phase,) = ops("readiness", "status", *OURS, "--phase", "PRE-2", "--json").facts["phases"]
    assert phase["id"] == "PRE-2"


def test_a_run_decides_boxes_and_says_what_they_come_to(ops: Shell, target: Target) -> None:
    boxes = ("--box", "PRE-2.1", "--box", "PRE-2.3")
    good = ops("readiness", "run", *OURS, *boxes)
    run(target.owner, "ALTER TABLE quote ALTER version DROP NOT NULL")
    bad = ops("readiness", "run", *OURS, *boxes)

    assert (good.code, bad.code) == (0, 1)
    assert "2 boxes looked at; of all 170:" in good.out
    assert "2  passing" in good.out
    assert "PRE-2.3" in bad.out
    assert "failing" in bad.out
    assert trail(target)[-1]["action"] == "probe run"


def test_evidence_is_not_taken_from_another_environment(office: Shell) -> None:
    office(*ADD, "production")

    line = office.refused("readiness", "run", *OURS)

    assert "this system is development, the release goes to production" in line


def test_the_gate_opens_once_every_phase_is_signed_off(
    office: Shell, target: Target, tmp_path: Path
) -> None:
    (tmp_path / "list.md").write_text(LIST)
    office(*ADD, "development", "--checklist", str(tmp_path / "list.md"))
    closed = office("readiness", "gate", *OURS)
    assert closed.code == 1
    assert "vouch  Vouch for PRE-1.1" in closed.out
    assert "sign   Sign PRE-1" in closed.out

    signed_off(target, Settings(data_dir=tmp_path))
    assert office("readiness", "verify").code == 0

    opened_gate = office("readiness", "gate", *OURS, "--until-phase", "PRE-1", "--json")
    assert (opened_gate.code, opened_gate.facts["isOpen"]) == (0, True)


def test_the_gate_of_a_host_without_the_key_opens_only_when_that_is_accepted(
    office: Shell, target: Target, tmp_path: Path
) -> None:
    (tmp_path / "list.md").write_text(LIST)
    office(*ADD, "development", "--checklist", str(tmp_path / "list.md"))
    signed_off(target, Settings(data_dir=tmp_path))
    sealed = office("readiness", "verify").code
    key = Path(office("readiness", "key", "--json").facts["publicKeyFile"]).parent
    key.rename(key.with_name("elsewhere"))

    shut = office("readiness", "gate", *OURS)
    accepted = office("readiness", "gate", *OURS, "--unverified")

    assert (sealed, shut.code, accepted.code) == (0, 1, 0)
    assert "no signing key" in shut.err


def test_the_gate_of_no_phase_stays_shut(office: Shell, tmp_path: Path) -> None:
    after = "## Post-Deployment Checklist\n### Phase 1: Watch (0-15 minutes)\n- [ ] Look\n"
    (tmp_path / "list.md").write_text(after)
    office(*ADD, "development", "--checklist", str(tmp_path / "list.md"))
    assert office("readiness", "verify").code == 0

    shut = office("readiness", "gate", *OURS)

    assert shut.code == 1
    assert "No phase is to be judged" in shut.err


def test_a_name_in_several_environments_needs_one_of_them(office: Shell, ops: Shell) -> None:
    for environment in ("staging", "production"):
        assert ops(*ADD, environment).code == 0
    status = ("readiness", "status", *OURS)

    ours, theirs = ops(*status), ops(*status, "--environment", "staging")
    office.patch.setenv("SAVEGUARD_ENVIRONMENT", "elsewhere")
    which = office.refused(*status)

    assert "for development" in ours.out
    assert "for staging" in theirs.out
    assert "development, production, staging: say which with --environment" in which
    assert "only for" in office.refused(*status, "--environment", "nowhere")


def test_an_author_has_to_be_named_and_to_have_an_account(office: Shell) -> None:
    unnamed = [each for each in ADD if each not in {"--author", AUTHOR}]

    assert "--author EMAIL" in office.refused(*unnamed, "development")
    stranger = office.refused(*unnamed, "development", "--author", "nobody@people.example")
    assert "No account has this address" in stranger


def test_a_run_leaves_boxes_of_the_release_alone_where_other_code_runs(ops: Shell) -> None:
    other = ops("readiness", "run", *OURS, "--box", "PRE-1.4")
    ops.patch.setenv("SAVEGUARD_RELEASE", "2026.48+0123abc")
    ours = ops("readiness", "run", *OURS, "--box", "PRE-1.4")

    assert "This process runs 0.1.0, not 2026.48: set SAVEGUARD_RELEASE" in other.out
    assert "This process runs" not in ours.out


def test_the_gate_stays_shut_when_records_are_not_what_was_sealed(
    office: Shell, target: Target, tmp_path: Path
) -> None:
    (tmp_path / "list.md").write_text(LIST)
    office(*ADD, "development", "--checklist", str(tmp_path / "list.md"))
    signed_off(target, Settings(data_dir=tmp_path))
    assert office("readiness", "verify").code == 0
    run(
        target.owner,
        "GRANT UPDATE ON readiness_record TO CURRENT_USER",
        "UPDATE readiness_record SET recorded_by = 'somebody else' WHERE kind = 'sign-off'",
    )

    shut = office("readiness", "gate", *OURS)

    assert shut.code == 1
    assert "edited: record" in shut.out


def test_records_verify_here_and_with_the_file_that_stands_alone(
    ops: Shell, tmp_path: Path
) -> None:
    path = tmp_path / "records.json"
    ended = ops("readiness", "verify", "--bundle", str(path))
    key = ops("readiness", "key", "--json").facts

    assert (ended.code, ended.out) == (0, "1 records, 1 seals: as they were sealed\n")
    command = ["--checkpoints", key["checkpoints"], "--key", key["publicKey"]]
    alone = subprocess.run(  # noqa: S603  # our own file
        [sys.executable, "-I", "-S", verifier.__file__, str(path), *command],
        check=False,
        capture_output=True,
        text=True,
    )
    assert alone.returncode == 0
    assert alone.stdout.startswith("1 records, 1 seals: as sealed\n")
    assert Path(key["publicKeyFile"]).read_text().strip() == key["publicKey"]

    Path(key["checkpoints"]).unlink()
    without = ops("readiness", "verify", "--json")
    assert (without.code, without.facts["findings"][0]["what"]) == (1, "unproved")


def test_a_release_is_written_out_in_every_form(ops: Shell, tmp_path: Path) -> None:
    path = tmp_path / "written"

    def written(form: str) -> str:
        ended = ops("readiness", "export", *OURS, "--format", form, "--output", str(path))
        assert (ended.code, ended.out) == (0, "")
        return path.read_text()

    assert own_checklist().splitlines()[0] == written("markdown").splitlines()[0]
    assert json.loads(written("json"))["counts"]["unknown"] == 170
    assert written("html").startswith("<!doctype html>")
    envelope = json.loads(written("bundle"))
    public_key = bytes.fromhex(ops("readiness", "key", "--json").facts["publicKey"])
    statement = opened(envelope, public_key)
    assert statement is not None
    assert statement["subject"] == [{"name": "2026.48", "digest": {"gitCommit": "0123abc"}}]
    predicate = statement["predicate"]
    assert (predicate["seal"]["number"], len(predicate["records"])) == (1, 1)
    assert json.loads(base64.b64decode(envelope["payload"])) == statement
    assert ops("readiness", "export", *OURS).out.startswith(own_checklist().splitlines()[0])


def test_contacts_are_red_until_somebody_has_put_them_down(
    ops: Shell, target: Target, tmp_path: Path
) -> None:
    before = ops("readiness", "contacts", "list")
    (tmp_path / "contacts.toml").write_text(
        '[[contacts]]\npart = "on-call"\nrole = "primary"\nname = "Ada"\n'
        'phone = "+351 210 000 000"\nemail = "ada@agency.pt"\n'
        '[[contacts]]\npart = "channel"\nrole = "slack"\naddress = "[Channel]"\n'
    )
    done = ops("readiness", "contacts", "set", str(tmp_path / "contacts.toml"))
    after = ops("readiness", "contacts", "list", "--json")

    assert (before.code, before.out.count("RED")) == (1, 8)
    assert (done.code, done.out) == (0, "2 contacts put down\n")
    faults = {(each["part"], each["role"]): each["fault"] for each in after.facts}
    assert faults["on-call", "primary"] is None
    assert faults["channel", "slack"] == "The address is a placeholder: [Channel]"
    event = trail(target)[-1]
    assert (event["action"], event["details"]) == ("contacts changed", {"contacts": 2})

    (tmp_path / "contacts.toml").write_text('[[contacts]]\npart = "friend"\nrole = "x"\n')
    assert "A contact is of" in ops.refused(
        "readiness", "contacts", "set", str(tmp_path / "contacts.toml")
    )


def test_risks_are_raised_while_their_boxes_are_open(ops: Shell) -> None:
    listed = ops("readiness", "risks", "list", *OURS)
    facts = ops("readiness", "risks", "list", *OURS, "--json").facts

    assert listed.code == 1
    assert "medium (assessed as low): Optimistic locking (industry standard)" in listed.out
    assert all(each["isRaised"] for each in facts)


def test_help_says_that_people_sign_on_the_page(saveguard: Shell) -> None:
    words = " ".join(saveguard("readiness", "--help").out.split())

    assert "do that on the page, signed in as yourself" in words


def test_test_results_of_its_commit_decide_boxes(ops: Shell, tmp_path: Path) -> None:
    results = tmp_path / "results.xml"
    names = [suite.name for suite in suites()]
    results.write_bytes(results_of(*names))
    given = ("readiness", "import", str(results), *OURS, "--commit")

    imported = ops(*given, "0123abc")
    results.write_bytes(results_of(*names, inside="<failure/>"))
    failing = ops(*given, "0123abc")

    assert (imported.code, failing.code) == (0, 1)
    assert " failing" not in imported.out
    assert "PRE-3.2    passing" in imported.out
    assert " failing" in failing.out
    assert "not of 0123abc" in ops.refused(*given, "7654321")
    assert "cannot be read" in ops.refused(
        "readiness", "import", str(tmp_path / "none.xml"), *OURS, "--commit", "0123abc"
    )
