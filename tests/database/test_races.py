"""Many callers, one quote: whoever starts from the version that stands wins, and nobody else."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest

from engine.database.target import Target
from engine.errors import ErrorCode
from engine.quotes.lifecycle import Operation
from engine.readiness.probes.history import History, facts_of, judge
from engine.runtime import open_runtime
from engine.saving.answer import Refused, Saved, SaveResult
from engine.saving.expiry import expire_due
from engine.saving.request import SaveRequest
from engine.settings import Settings
from tests.database.guards import GUARDS, all_have_read_before_one_writes, without
from tests.faults.calls import Calls, saved
from tests.faults.scene import check_integrity
from tests.support import new_agency

FORMS: Final = ["one-statement", "several-statements"]
CLIENTS, ROUNDS, WORKERS = 50, 20, 32

by_form = pytest.mark.parametrize("write_form", FORMS)


@contextmanager
def open_calls(data_dir: Path, target: Target, write_form: str, **more: Any) -> Iterator[Calls]:
    """An engine to race on; left in peace, its history is judged."""
    settings = {"write_form": write_form, "pool_wait": timedelta(seconds=10), **more}
    surprises: list[BaseException] = []
    with open_runtime(
        Settings(data_dir=data_dir, **settings),
        target,
        report=lambda _correlation_id, error: surprises.append(error),
    ) as runtime:
        calls = Calls(runtime, new_agency(runtime), History())
        yield calls
        facts = facts_of(target.owner, calls.agency.agent_id)
        assert judge(calls.history.calls, facts) == []
        assert runtime.journal.open_count == 0
    assert surprises == []


def at_once(calls: Calls, requests: Sequence[SaveRequest]) -> list[SaveResult]:
    """Makes calls from as many threads, which start together."""
    barrier = Barrier(len(requests), timeout=60)
    results: list[SaveResult] = []

    def call(request: SaveRequest) -> None:
        barrier.wait()
        results.append(calls.send(request))

    threads = [Thread(target=call, args=(request,)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == len(requests)
    return results


def race(calls: Calls, quote_id: UUID, version: int, clients: int) -> list[SaveResult]:
    """So many clients patch one quote from the same version."""
    body = {"version": version}
    return at_once(calls, [calls.request(Operation.UPDATE, quote_id, body) for _ in range(clients)])


def assert_one_wins(results: Sequence[SaveResult], version: int) -> None:
    """Exactly one save is done, and every other one is told of it."""
    winners = [result for result in results if isinstance(result, Saved)]
    losers = [result for result in results if isinstance(result, Refused)]
    assert len(winners) == 1
    assert winners[0].version == version + 1
    assert len(losers) == len(results) - 1
    for loser in losers:
        assert loser.refusal.code is ErrorCode.QUOTE_CONFLICT_VERSION
        assert loser.refusal.details["actualVersion"] == version + 1
        assert loser.refusal.details["winnerCorrelationId"] == winners[0].correlation_id


@by_form
def test_of_fifty_clients_that_patch_one_version_exactly_one_wins(
    tmp_path: Path, target: Target, write_form: str
) -> None:
    with open_calls(tmp_path, target, write_form) as calls:
        quote_id = calls.create()
        for version in range(1, ROUNDS + 1):
            assert_one_wins(race(calls, quote_id, version, CLIENTS), version)

        quote = calls.runtime.quotes.get(calls.agency.agent_id, quote_id)
        assert quote is not None
        assert quote.version == ROUNDS + 1
    check_integrity(target)


@by_form
def test_exactly_one_wins_also_when_all_have_seen_the_version_that_stands(
    tmp_path: Path, target: Target, write_form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_calls(tmp_path, target, write_form, pool_size=CLIENTS) as calls:
        quote_id = calls.create()
        for version in range(1, 6):
            with all_have_read_before_one_writes(monkeypatch, CLIENTS):
                results = race(calls, quote_id, version, CLIENTS)
            assert_one_wins(results, version)
    check_integrity(target)


@by_form
@pytest.mark.timeout(600)
@pytest.mark.parametrize("rounds", [30, pytest.param(200, marks=pytest.mark.slow)])
def test_workers_that_read_and_patch_one_quote_lose_no_update(
    tmp_path: Path, target: Target, write_form: str, rounds: int
) -> None:
    with open_calls(tmp_path, target, write_form) as calls:
        quote_id, agent_id = calls.create(), calls.agency.agent_id
        barrier = Barrier(WORKERS, timeout=60)

        def work() -> None:
            barrier.wait()
            for _ in range(rounds):
                quote = calls.runtime.quotes.get(agent_id, quote_id)
                assert quote is not None
                calls.update(quote_id, quote.version)

        workers = [Thread(target=work) for _ in range(WORKERS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(500)

        successes = calls.history.count("saved") - 1
        quote = calls.runtime.quotes.get(agent_id, quote_id)
        assert quote is not None
        assert len(calls.history.calls) == WORKERS * rounds + 1
        assert quote.version == 1 + successes
        sys.stdout.write(f"{write_form}: {WORKERS} x {rounds}, {successes} successes\n")
    check_integrity(target)


@by_form
def test_of_a_patch_a_send_and_a_delete_at_once_exactly_one_takes_effect(
    tmp_path: Path, target: Target, write_form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    operations = [Operation.UPDATE, Operation.SEND, Operation.DELETE] * 2
    codes = set()
    with open_calls(tmp_path, target, write_form) as calls:
        for _ in range(15):
            quote_id = calls.create()
            requests = [calls.request(each, quote_id, {"version": 1}) for each in operations]
            with all_have_read_before_one_writes(monkeypatch, len(requests)):
                results = at_once(calls, requests)

            assert sum(isinstance(result, Saved) for result in results) == 1
            codes |= {result.refusal.code for result in results if isinstance(result, Refused)}
    # What a loser hears depends on who won, and is never anything else.
    assert codes <= {
        ErrorCode.QUOTE_CONFLICT_VERSION,
        ErrorCode.QUOTE_ALREADY_SENT,
        ErrorCode.QUOTE_NOT_FOUND,
    }
    check_integrity(target)


@by_form
def test_moves_that_name_no_version_wait_for_patches_and_then_take_effect(
    tmp_path: Path, target: Target, write_form: str
) -> None:
    with open_calls(tmp_path, target, write_form) as calls:
        for _ in range(15):
            quote_id = calls.create()
            patch = calls.request(Operation.UPDATE, quote_id, {"version": 1})
            send = calls.request(Operation.SEND, quote_id)

            at_once(calls, [patch, send])

            quote = calls.runtime.quotes.get(calls.agency.agent_id, quote_id)
            assert quote is not None
            assert quote.status == "SENT"


@by_form
def test_an_offer_is_accepted_or_it_expires_and_never_both(
    tmp_path: Path, target: Target, write_form: str
) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "write_form": write_form})
    with open_runtime(settings, target) as runtime:
        calls = Calls(runtime, new_agency(runtime), History())
        seen = set()
        for _ in range(15):
            quote_id = calls.create()
            saved(calls.save(Operation.SEND, quote_id))
            with psycopg.connect(target.app, autocommit=True) as connection:
                connection.execute("UPDATE quote SET expires_at = now() WHERE id = %s", [quote_id])
            barrier = Barrier(2, timeout=60)
            results: list[SaveResult] = []

            def accept(quote_id: UUID = quote_id, barrier: Barrier = barrier) -> None:
                barrier.wait()
                results.append(calls.save(Operation.ACCEPT, quote_id))  # noqa: B023

            caller = Thread(target=accept)
            caller.start()
            barrier.wait()
            expired = expire_due(runtime.read_pool, runtime.saver, runtime.clock)
            caller.join(60)

            quote = runtime.quotes.get(calls.agency.agent_id, quote_id)
            assert quote is not None
            assert quote.version == 3
            assert quote.status == ("EXPIRED" if expired else "ACCEPTED")
            assert isinstance(results[0], Refused if expired else Saved)
            seen.add(quote.status)
    sys.stdout.write(f"{write_form}: {seen}\n")


# --- the checks above are alive -------------------------------------------------------------------
#
# See `guards`: each of them suffices by itself; without all of them the race is lost, and is seen
# to be.


@pytest.mark.parametrize(
    ("write_form", "guard"), [(form, guard) for form in FORMS for guard in sorted(GUARDS[form])]
)
def test_each_guard_of_the_version_suffices_by_itself(
    tmp_path: Path,
    target: Target,
    write_form: str,
    guard: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "write_form": write_form})
    others = GUARDS[write_form] - {guard}
    with (
        open_runtime(settings, target) as runtime,
        without(monkeypatch, target, *others),
    ):
        calls = Calls(runtime, new_agency(runtime), History())
        quote_id = calls.create()
        for version in range(1, 4):
            with all_have_read_before_one_writes(monkeypatch, 8):
                results = race(calls, quote_id, version, 8)

            assert sum(isinstance(result, Saved) for result in results) == 1
        facts = facts_of(target.owner, calls.agency.agent_id)
        assert judge(calls.history.calls, facts) == []


@by_form
def test_the_race_is_lost_and_seen_to_be_when_no_guard_asks_for_the_version(
    tmp_path: Path, target: Target, write_form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "write_form": write_form})
    with (
        open_runtime(settings, target) as runtime,
        without(monkeypatch, target, *GUARDS[write_form]),
    ):
        calls = Calls(runtime, new_agency(runtime), History())
        quote_id = calls.create()
        with all_have_read_before_one_writes(monkeypatch, 8):
            results = race(calls, quote_id, 1, 8)

        with pytest.raises(AssertionError):
            assert_one_wins(results, 1)
        assert sum(isinstance(result, Saved) for result in results) == 8
        facts = facts_of(target.owner, calls.agency.agent_id)
        named = "\n".join(judge(calls.history.calls, facts))
        assert "VERSION IS NOT THE COUNT OF CHANGES" in named
        assert "HISTORY WITH GAPS" in named
