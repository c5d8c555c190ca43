"""The probes that save: green on an engine that is well, red once it is tampered with."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

import psycopg
import pytest

from engine.database.target import Target
from engine.integrity.one_quote import QuoteCheck
from engine.quotes import lifecycle
from engine.quotes.lifecycle import TRANSITIONS, Operation, Status
from engine.readiness.assessment import Verdict
from engine.readiness.probes import races, raw, states
from engine.readiness.probes.leavings import clear_away
from engine.readiness.probes.races import Size
from engine.runtime import Runtime
from engine.saving import course, decision, write
from engine.saving.request import Edit
from engine.saving.retry import RetrySchedule
from engine.saving.write import Write
from tests.api.lookouts import beside_others
from tests.database.databases import rows
from tests.database.guards import GUARDS, all_have_read_before_one_writes, without
from tests.database.releases import Lookout
from tests.sabotage import sabotage
from tests.support import ledger_rows

SMALL: Final = Size(clients=8, rounds=4)


@pytest.fixture
def look(runtime: Runtime) -> Lookout:
    return beside_others(runtime)


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Races of a size that a test has time for; the numbers of the evidence are then these."""
    for name in ("LOCK", "STATE", "REGISTER"):
        monkeypatch.setattr(races, name, SMALL)


@pytest.fixture
def _sent_may_be_edited(monkeypatch: pytest.MonkeyPatch) -> None:
    """SENT is changed as if it were a draft, wherever that is decided."""
    edits = {**TRANSITIONS[Operation.UPDATE], Status.SENT: Status.SENT}
    table = MappingProxyType({**TRANSITIONS, Operation.UPDATE: edits})
    for module in (lifecycle, decision, write):
        monkeypatch.setattr(module, "TRANSITIONS", table)
    monkeypatch.setitem(write._ALLOWED, Operation.UPDATE, "{DRAFT,REJECTED,SENT}")


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(
    "probe", ["hist.register", "lock.race", "retry.inject", "state.matrix", "state.race"]
)
def test_an_engine_that_is_well_passes(look: Lookout, probe: str) -> None:
    found = look(probe)

    assert found.verdict is Verdict.PASSING, found
    assert found.reason
    assert found.witness
    assert found.numbers
    attempts = ledger_rows(look.runtime.target.owner)
    assert {row["source"] for row in attempts} == {"synthetic"}


def test_the_size_of_a_race_is_in_its_numbers(
    look: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(races, "LOCK", Size(clients=3, rounds=2))

    numbers = look("lock.race").numbers

    assert (numbers["clients"], numbers["rounds"], numbers["saved"]) == (3, 2, 2)


def test_the_second_writing_of_the_states_agrees_with_the_first() -> None:
    """Should the domain change, both have to."""
    for status, operations in states.MATRIX.items():
        for operation, wanted in operations.items():
            code = lifecycle.refusal_code(operation, status)
            after = TRANSITIONS[operation].get(status)
            assert wanted == (after if code is None else code), (status, operation)
    assert states.MATRIX.keys() == set(Status)


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(
    "probe",
    [
        pytest.param("hist.register", marks=sabotage("hist.register", "PRE-3.9")),
        pytest.param("lock.race", marks=sabotage("lock.race", "PRE-1.3")),
    ],
)
def test_a_save_that_does_not_ask_for_the_version_shows(
    look: Lookout, target: Target, monkeypatch: pytest.MonkeyPatch, probe: str
) -> None:
    clients = 4
    monkeypatch.setattr(races, "LOCK", Size(clients=clients, rounds=2))
    monkeypatch.setattr(races, "REGISTER", Size(clients=clients, rounds=1))
    with (
        without(monkeypatch, target, *GUARDS["one-statement"]),
        all_have_read_before_one_writes(monkeypatch, clients),
    ):
        # The quote that they change is created alone.
        waiting = vars(course)["write_save"]

        def only_changes_wait(connection: Any, asked: Write, *rest: Any) -> Any:
            real = write.write_save if asked.operation is Operation.CREATE else waiting
            return real(connection, asked, *rest)

        with monkeypatch.context() as patch:
            patch.setattr(course, "write_save", only_changes_wait)
            found = look(probe)

    assert found.verdict is Verdict.FAILING, found


@sabotage("state.matrix", "PRE-1.4")
@pytest.mark.usefixtures("_sent_may_be_edited")
def test_a_sent_quote_that_can_be_edited_shows_in_the_matrix(look: Lookout) -> None:
    found = look("state.matrix")

    assert found.verdict is Verdict.FAILING, found
    assert "UPDATE of SENT: SENT, not QUOTE_ALREADY_SENT" in found.numbers["wrong"]


@sabotage("state.race", "PRE-3.12")
@pytest.mark.usefixtures("_sent_may_be_edited", "_small")
def test_a_sent_quote_that_is_edited_in_a_race_shows(
    look: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever version the edit names: its plan asks for the one that stands."""

    def any_version(operation: Any, intent: Any, current: Any, *rest: Any, **more: Any) -> Any:
        if isinstance(intent, Edit):
            intent = replace(intent, expected_version=current.version)
        return decision.plan_change(operation, intent, current, *rest, **more)

    monkeypatch.setattr(course, "plan_change", any_version)
    monkeypatch.setattr(races, "at_once", lambda _threads, calls: [calls[1](), calls[0]()][::-1])

    found = look("state.race")

    assert found.verdict is Verdict.FAILING, found
    assert "4 quotes were edited after they were sent" in found.reason


@sabotage("hist.register", "PRE-3.9")
@pytest.mark.usefixtures("_small")
def test_a_version_without_its_revision_shows_in_the_register(
    look: Lookout, target: Target
) -> None:
    """As if the quote were committed, and what belongs to it were not."""
    with psycopg.connect(target.owner, autocommit=True) as owner:
        owner.execute(
            """
            CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN IF NEW.version = 3 THEN RETURN NULL; END IF; RETURN NEW; END'
            """
        )
        owner.execute(
            "CREATE TRIGGER lose BEFORE INSERT ON quote_revision FOR EACH ROW"
            " EXECUTE FUNCTION lose()"
        )

    found = look("hist.register")

    assert found.verdict is Verdict.FAILING, found
    assert "HISTORY WITH GAPS" in str(found.numbers["first"])


@sabotage("retry.inject", "PRE-9.5")
def test_an_engine_that_does_not_try_again_shows(
    look: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RetrySchedule, "delay", lambda *_: None)

    found = look("retry.inject")

    assert found.verdict is Verdict.FAILING, found
    assert "DATABASE_TRANSACTION_ABORTED" in found.reason


def test_where_no_deadlock_can_be_made_nothing_is_known(runtime: Runtime) -> None:
    behind_a_pooler = runtime.settings.model_copy(update={"pooler": "transaction"})

    found = beside_others(replace(runtime, settings=behind_a_pooler))("retry.inject")

    assert found.verdict is Verdict.UNKNOWN
    assert "No deadlock" in found.reason


def test_a_raw_statement_past_the_engine_is_refused_or_found(look: Lookout) -> None:
    tried = look("state.matrix").numbers["raw"]
    seen = {what: (refused, found) for what, refused, found in tried}

    # A deleted quote that is not deleted is a row that may not be; the others are found by rules.
    assert {"DRAFT to ACCEPTED", "SENT to DRAFT", "ACCEPTED to DRAFT", "EXPIRED to SENT"} <= set(
        seen
    )
    assert [what for what, (refused, found) in seen.items() if not refused and not found] == []


@pytest.mark.usefixtures("_small")
def test_a_raw_statement_that_nothing_finds_shows(
    look: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw, "check_within", lambda *_: QuoteCheck((), {}))

    for probe in ("lock.race", "state.matrix"):
        found = look(probe)
        assert found.verdict is Verdict.FAILING, found
        assert "raw" in found.reason


@pytest.mark.usefixtures("_small")
def test_what_looks_have_left_behind_is_deleted_but_for_what_nothing_leads_on_from(
    look: Lookout,
) -> None:
    for probe in ("lock.race", "state.race", "state.matrix", "retry.inject"):
        look(probe)
    before = statuses(look)

    cleared = clear_away(look.runtime)

    assert before["SENT"] >= SMALL.rounds
    assert cleared == before["SENT"] + before["DRAFT"] + before["REJECTED"]
    assert statuses(look) == {
        "CANCELLED": before["CANCELLED"] + cleared,
        "ACCEPTED": 2,
        "EXPIRED": 2,
    }
    assert clear_away(look.runtime) == 0


def statuses(look: Lookout) -> dict[str, int]:
    """How many quotes are in which status."""
    found = rows(look.runtime.target.app, "SELECT status, count(*) FROM quote GROUP BY status")
    return dict(found)
