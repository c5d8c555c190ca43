"""The probes that call the API: green on one that is well, red once it is tampered with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from engine.access.identities import Identities
from engine.api import exchange, reads, writes
from engine.attempts.ledger import AttemptRow
from engine.attempts.line_writer import LineWriter
from engine.attempts.outcome import UNKNOWN_AGENT
from engine.clock import SystemClock
from engine.errors import TAXONOMY, ErrorCode
from engine.quotes import validation
from engine.quotes.shape import QUOTE_FIELDS, Rule, Unfit
from engine.quotes.store import QuoteStore
from engine.readiness.assessment import Verdict
from engine.readiness.probes import counters, fuzz, smoke
from engine.readiness.probes.calling import Caller, Heard, addresses
from engine.saving import answer
from engine.saving.save import Saver
from engine.settings import Settings
from tests.api.lookouts import beside_others, looking_at
from tests.api.service import Service, served, settings_in
from tests.database.databases import cloned
from tests.database.releases import Lookout
from tests.faults.proxy import free_port
from tests.sabotage import sabotage

GREEN: Final = [
    "api.patch.pack",
    "api.post.pack",
    "corr.roundtrip",
    "flow.ppp",
    "fuzz.contract",
    "metrics.reconcile",
    "sec.authn",
    "sec.authz",
    "sec.ratelimit",
    "smoke.crud",
]
# The boxes of each probe that calls the API, but for those of the smoke test.
BOXES: Final = {
    "api.patch.pack": ("PRE-1.8",),
    "api.post.pack": ("PRE-1.7",),
    "canary.crud": ("POST-1.5",),
    "corr.roundtrip": ("PRE-1.6",),
    "flow.ppp": ("PRE-3.10",),
    "fuzz.contract": ("PRE-1.5", "PRE-8.7"),
    "metrics.reconcile": ("PRE-7.6",),
    "sec.authn": ("PRE-8.4",),
    "sec.authz": ("PRE-8.5",),
    "sec.ratelimit": ("PRE-8.6",),
}
SMOKE_BOXES: Final = {
    "PRE-7.2.1": "create",
    "PRE-7.2.2": "update",
    "PRE-7.2.3": "read",
    "PRE-7.2.4": "delete",
}


@pytest.fixture(scope="module")
def module_look(module_service: Service) -> Lookout:
    return looking_at(module_service)


@pytest.fixture
def look(service: Service, module_look: Lookout) -> Lookout:
    assert module_look.runtime.target == service.runtime.target
    return module_look


@pytest.mark.parametrize("probe", GREEN)
def test_an_api_that_is_well_passes(service: Service, look: Lookout, probe: str) -> None:
    found = look(probe)

    assert found.verdict is Verdict.PASSING, found
    assert found.reason
    assert found.witness
    assert found.numbers
    # Nobody but probes uses this database.
    live = "SELECT DISTINCT agent_id, error_code FROM ledger WHERE source = 'live'"
    rows = service.database.execute(live.encode()).fetchall()
    assert set(rows) <= {(UNKNOWN_AGENT, "AUTHENTICATION_FAILED")}


def test_the_limit_can_be_looked_at_again_at_once(
    look: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(SystemClock, "sleep", lambda _clock, seconds: waited.append(seconds))
    before = look("sec.ratelimit")
    again = look("sec.ratelimit")

    assert [before.verdict, again.verdict] == [Verdict.PASSING] * 2
    assert max(waited) == 0


def test_each_smoke_box_is_judged_on_its_own_part_of_one_transcript(look: Lookout) -> None:
    shared: dict[str, Any] = {}
    found = {box: look("smoke.crud", box=box, shared=shared) for box in SMOKE_BOXES}

    for box, part in SMOKE_BOXES.items():
        assert found[box].verdict is Verdict.PASSING, found[box]
        assert part in found[box].reason
    transcript = shared["smoke.crud"]
    assert sum(found[box].numbers["checks"] for box in found) == len(transcript.checks)


# --- where there is nothing to call ---------------------------------------------------------------


def test_where_no_api_answers_nothing_is_known_but_where_it_was_looked_for(
    service: Service,
) -> None:
    port = free_port()
    look = looking_at(service, port=port, api_port=port)

    for probe in [*GREEN, "canary.crud"]:
        found = look(probe)

        assert found.verdict is Verdict.UNKNOWN
        assert f"http://127.0.0.1:{port}" in found.reason


def test_an_api_of_another_database_proves_nothing_of_this_one(
    service: Service, server: str, template: str, tmp_path: Path
) -> None:
    with cloned(server, template) as target, served(target, settings_in(tmp_path)) as other:
        elsewhere = other.address
        found = looking_at(service, host=elsewhere[0], port=elsewhere[1])("smoke.crud")

    assert found.verdict is Verdict.UNKNOWN
    assert "does not know" in found.reason


def test_an_api_of_other_code_proves_nothing_of_the_release(
    service: Service, look: Lookout
) -> None:
    settings = service.runtime.settings.model_copy(update={"release": "2026.49"})
    host, port = service.address
    there = settings.model_copy(update={"host": host, "port": port})
    found = beside_others(replace(service.runtime, settings=there))("smoke.crud")

    assert found.verdict is Verdict.UNKNOWN
    assert f"runs {look.runtime.settings.release}, not " in found.reason


def test_nobody_is_called_but_this_machine_and_the_public_address() -> None:
    everywhere = Settings(host="0.0.0.0", port=8000, api_port=8001)  # noqa: S104  # not listened on
    public = Settings(host="::", public_url="https://quotes.example")

    assert addresses(everywhere) == ("http://127.0.0.1:8000", "http://127.0.0.1:8001")
    assert addresses(public)[-1] == "https://quotes.example"
    assert addresses(public)[0] == "http://[::1]:8501"


# --- sabotage -------------------------------------------------------------------------------------


@pytest.fixture
def own_look(own_service: Service) -> Iterator[Lookout]:
    """A look at a service of the test's own; what breaks in it is expected."""
    yield looking_at(own_service)
    own_service.take_surprises()


Sabotage = Callable[[Service, pytest.MonkeyPatch], None]


def forget_etags(_service: Service, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(writes, "_place_of", lambda _saved: {})


def always_send_the_whole(_service: Service, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reads, "_names", lambda _header, _tag: False)


def call_everything_retryable(_service: Service, patch: pytest.MonkeyPatch) -> None:
    real = answer.refusal_answer

    def wrong(*given: Any) -> Any:
        said = real(*given)
        said.retryable = True
        return said

    patch.setattr(exchange, "refusal_answer", wrong)


def drop_a_column(service: Service, _patch: pytest.MonkeyPatch) -> None:
    service.execute("ALTER TABLE quote DROP COLUMN custom_notes")


def lose_rows_of_deletes(service: Service, _patch: pytest.MonkeyPatch) -> None:
    service.execute(
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
    )
    service.execute(
        "CREATE TRIGGER lose BEFORE INSERT ON attempt FOR EACH ROW WHEN (NEW.operation = 3)"
        " EXECUTE FUNCTION lose()"
    )


def lose_an_update(service: Service, _patch: pytest.MonkeyPatch) -> None:
    service.execute(
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN NEW.destination := OLD.destination; RETURN NEW; END'"
    )
    service.execute(
        "CREATE TRIGGER lose BEFORE UPDATE ON quote FOR EACH ROW EXECUTE FUNCTION lose()"
    )


def lose_every_tenth_line(_service: Service, patch: pytest.MonkeyPatch) -> None:
    real, count = LineWriter.ended, [0]

    def sometimes(writer: LineWriter, row: AttemptRow) -> None:
        count[0] += 1
        if count[0] % 10:
            real(writer, row)

    patch.setattr(LineWriter, "ended", sometimes)


def leave_no_row_of_bad_currencies(_service: Service, patch: pytest.MonkeyPatch) -> None:
    real, number = Saver._record, TAXONOMY[ErrorCode.CURRENCY_INVALID].number

    def mostly(saver: Saver, row: AttemptRow) -> None:
        if row.error_code != number:
            real(saver, row)

    patch.setattr(Saver, "_record", mostly)


class Deaf:
    """A counter that counts nothing."""

    def labels(self, *_labels: str) -> Deaf:
        return self

    def inc(self) -> None:
        """Does not."""

    def observe(self, _seconds: float) -> None:
        """Does not."""


def count_no_requests(service: Service, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(service.metrics, "_requests", Deaf())


def count_no_conflicts(service: Service, patch: pytest.MonkeyPatch) -> None:
    real = service.metrics._attempts.labels

    def mostly(*labels: str) -> Any:
        return Deaf() if "conflict" in labels else real(*labels)

    patch.setattr(service.metrics._attempts, "labels", mostly)


def trust_a_key_for_good(service: Service, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(service.runtime.identities, "_lifetime_s", float("inf"))


def let_anybody_in(_service: Service, patch: pytest.MonkeyPatch) -> None:
    real, known = Identities.find, []

    def find(identities: Identities, *given: Any) -> Any:
        found = real(identities, *given)
        known.extend([] if found is None else [found])
        return found or known[0]

    patch.setattr(Identities, "find", find)


def let_more_through(_service: Service, patch: pytest.MonkeyPatch) -> None:
    real = Identities.find

    def find(identities: Identities, *given: Any) -> Any:
        found = real(identities, *given)
        if found is None or found.rate_limit_per_minute is None:
            return found
        return found._replace(rate_limit_per_minute=found.rate_limit_per_minute + 5)

    patch.setattr(Identities, "find", find)


def say_nothing_of_waiting(_service: Service, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(exchange, "_headers_of", lambda _refusal: {})


def show_quotes_to_anybody(service: Service, patch: pytest.MonkeyPatch) -> None:
    real = QuoteStore.get

    def get(store: QuoteStore, _agent_id: Any, quote_id: Any) -> Any:
        owner = service.database.execute(
            "SELECT agent_id FROM quote WHERE id = %s", [quote_id]
        ).fetchone()
        return None if owner is None else real(store, owner[0], quote_id)

    patch.setattr(QuoteStore, "get", get)


def take_any_expiry(_service: Service, patch: pytest.MonkeyPatch) -> None:
    field = QUOTE_FIELDS["expiresInDays"]
    lax = field._replace(rule=Rule(lambda _value: 7, field.rule.schema))
    patch.setattr(validation, "QUOTE_FIELDS", {**QUOTE_FIELDS, "expiresInDays": lax})


def refuse_long_titles(_service: Service, patch: pytest.MonkeyPatch) -> None:
    field = QUOTE_FIELDS["tripName"]

    def clean(value: Any) -> Any:
        if isinstance(value, str) and len(value) > 100:
            raise Unfit("too_long", "too long")
        return field.rule.clean(value)

    strict = field._replace(rule=Rule(clean, field.rule.schema))
    patch.setattr(fuzz, "cases", lambda: iter(()))  # no bad body is needed to see it
    patch.setattr(validation, "QUOTE_FIELDS", {**QUOTE_FIELDS, "tripName": strict})


SABOTAGE: Final[list[tuple[str, str, Sabotage, str]]] = [
    ("smoke.crud", "PRE-7.2.1", forget_etags, "its ETag is the version"),
    ("smoke.crud", "PRE-7.2.1", drop_a_column, "POST answers 201"),
    ("smoke.crud", "PRE-7.2.2", forget_etags, "the ETag of the change"),
    ("smoke.crud", "PRE-7.2.3", always_send_the_whole, "answers 304"),
    ("smoke.crud", "PRE-7.2.4", lose_rows_of_deletes, "its one row of DELETE"),
    ("canary.crud", "", lose_rows_of_deletes, "did not come to their end"),
    ("flow.ppp", "", lose_an_update, "the quote is the fold"),
    ("api.post.pack", "", forget_etags, "its ETag"),
    ("api.post.pack", "", call_everything_retryable, "as the code is"),
    ("api.patch.pack", "", forget_etags, "its ETag"),
    ("api.patch.pack", "", call_everything_retryable, "as the code is"),
    ("fuzz.contract", "", take_any_expiry, "expiresInDays"),
    ("fuzz.contract", "", refuse_long_titles, "a valid body was refused"),
    ("corr.roundtrip", "", lose_every_tenth_line, "no one line in the log"),
    ("corr.roundtrip", "", leave_no_row_of_bad_currencies, "no one row in the ledger"),
    ("corr.roundtrip", "", count_no_requests, "The edge counted 0 of"),
    ("metrics.reconcile", "", count_no_conflicts, "UPDATE/conflict/QUOTE_CONFLICT_VERSION"),
    ("sec.authn", "", trust_a_key_for_good, "revoked key"),
    ("sec.authn", "", let_anybody_in, "not '401 AUTHENTICATION_FAILED'"),
    ("sec.authz", "", show_quotes_to_anybody, "another agent's"),
    ("sec.ratelimit", "", let_more_through, "exactly the limit passes (25, not 20)"),
    ("sec.ratelimit", "", say_nothing_of_waiting, "Retry-After"),
]


def boxes_of(probe: str, box: str) -> tuple[str, ...]:
    """The boxes that a fault is to turn red: the one that is named, or all of the probe's."""
    return (box,) if box else BOXES[probe]


@pytest.mark.parametrize(
    ("probe", "box", "plant", "words"),
    [
        pytest.param(
            *each,
            id=f"{each[0]}-{each[1] or 'box'}-{each[2].__name__}",
            marks=sabotage(each[0], *boxes_of(each[0], each[1])),
        )
        for each in SABOTAGE
    ],
)
def test_what_was_done_to_it_shows(
    own_service: Service,
    own_look: Lookout,
    monkeypatch: pytest.MonkeyPatch,
    probe: str,
    box: str,
    plant: Sabotage,
    words: str,
) -> None:
    plant(own_service, monkeypatch)

    shared: dict[str, Any] = {}
    found = [own_look(probe, each, shared) for each in boxes_of(probe, box)]

    assert {each.verdict for each in found} == {Verdict.FAILING}, found
    assert all(words in each.reason for each in found)


def test_a_process_whose_log_is_elsewhere_is_not_judged_by_it(
    own_service: Service, own_look: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LineWriter, "ended", lambda *_: None)

    found = own_look("corr.roundtrip")

    assert own_service.stock().attempts > 0
    assert found.verdict is Verdict.UNKNOWN
    assert "not in this data directory" in found.reason


# --- a round each minute --------------------------------------------------------------------------


class MovedClock(SystemClock):
    """The system's clock, with a calendar that a test moves."""

    def __init__(self) -> None:
        self.moved_by = timedelta()

    def now(self) -> datetime:
        """The present, and what it was moved by."""
        return super().now() + self.moved_by


@pytest.fixture
def moved(server: str, template: str, tmp_path: Path) -> Iterator[tuple[Lookout, MovedClock]]:
    clock = MovedClock()
    clock.moved_by = -timedelta(minutes=smoke.ROUNDS_WANTED + 1)
    with ExitStack() as opened:
        target = opened.enter_context(cloned(server, template))
        service = opened.enter_context(served(target, settings_in(tmp_path), clock))
        yield looking_at(service), clock


def test_a_canary_is_well_after_fifteen_minutes_of_good_rounds(
    moved: tuple[Lookout, MovedClock],
) -> None:
    look, clock = moved
    verdicts = []
    for _ in range(smoke.ROUNDS_WANTED):
        verdicts.append(look("canary.crud").verdict)
        clock.moved_by += timedelta(minutes=1)

    assert verdicts[:-1] == [Verdict.INSUFFICIENT] * (smoke.ROUNDS_WANTED - 1)
    assert verdicts[-1] is Verdict.PASSING


def test_rounds_before_the_deployment_do_not_count(moved: tuple[Lookout, MovedClock]) -> None:
    look, clock = moved
    for _ in range(3):
        look("canary.crud")
        clock.moved_by += timedelta(minutes=1)

    found = look.deployed(clock.now() - timedelta(seconds=30))("canary.crud")

    assert found.verdict is Verdict.INSUFFICIENT
    assert found.numbers["begun"] == 1


def test_nothing_counted_on_either_side_is_too_little(
    own_look: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counters, "_ledger", lambda *_: {})
    monkeypatch.setattr(counters, "scraped", lambda _: counters.Scrape(0, {}))

    found = own_look("metrics.reconcile")

    assert found.verdict is Verdict.INSUFFICIENT
    assert found.reason.startswith("Of 6 attempts that were just made 0 are of")


def test_a_list_that_is_not_answered_proves_nothing_of_what_is_in_it(
    own_look: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Caller.__call__

    def refused(caller: Caller, method: str, path: str = "", *more: Any, **headers: str) -> Heard:
        heard = asked(caller, method, path, *more, **headers)
        return heard._replace(status=503, raw=b"{}") if path.startswith("?limit=100") else heard

    monkeypatch.setattr(Caller, "__call__", refused)

    found = own_look("sec.authz")

    assert found.verdict is Verdict.UNKNOWN
    assert found.reason.startswith("Their list was answered with 503")


@sabotage("canary.crud", "POST-1.5")
def test_a_canary_that_is_not_read_as_it_was_written_shows(
    own_look: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QuoteStore, "get", lambda *_: None)

    found = own_look("canary.crud")

    assert found.verdict is Verdict.FAILING
    assert "read" in found.reason
