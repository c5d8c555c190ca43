"""One idempotency key, several callers at the same moment: one effect, one answer for all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import msgspec
import pytest

from engine.database.target import Target
from engine.quotes.lifecycle import Operation
from engine.quotes.numbers import QuoteNumbers
from engine.saving.answer import Refused, Replayed, Saved, SaveResult
from engine.saving.request import SaveRequest
from tests.faults.scene import Scene, open_scene, replayed

ROUNDS = 25
OPERATIONS = (Operation.CREATE, Operation.UPDATE, Operation.SEND, Operation.DELETE)


def at_once(scene: Scene, requests: Sequence[SaveRequest]) -> list[SaveResult]:
    """Makes several calls at the same moment."""
    barrier = Barrier(len(requests), timeout=30)
    results: list[SaveResult | None] = [None] * len(requests)

    def call(place: int, request: SaveRequest) -> None:
        barrier.wait()
        results[place] = scene.send(request)

    threads = [Thread(target=call, args=each) for each in enumerate(requests)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return [result for result in results if result is not None]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_double_click_takes_effect_once_and_both_hear_the_same(
    tmp_path: Path, target: Target, write_form: str, operation: Operation
) -> None:
    with open_scene(tmp_path, target, write_form=write_form) as scene:
        for number in range(ROUNDS):
            quote_id = None if operation is Operation.CREATE else scene.create()
            body = {} if quote_id is None else {"version": 1}
            first = scene.request(operation, quote_id, body, idempotency_key=f"click-{number}")
            second = scene.agency.request(
                operation, quote_id, dict(first.body), idempotency_key=first.idempotency_key
            )

            results = at_once(scene, [first, second])

            assert sorted(type(result).__name__ for result in results) == ["Replayed", "Saved"]
            assert results[0].body() == results[1].body()
            assert results[0].http_status == results[1].http_status


@pytest.mark.parametrize("operation", [Operation.CREATE, Operation.UPDATE])
def test_one_key_for_two_requests_serves_one_and_refuses_the_other(
    tmp_path: Path, target: Target, write_form: str, operation: Operation
) -> None:
    with open_scene(tmp_path, target, write_form=write_form) as scene:
        for number in range(ROUNDS):
            quote_id = None if operation is Operation.CREATE else scene.create()
            body = {} if quote_id is None else {"version": 1}
            requests = [
                scene.request(operation, quote_id, body, idempotency_key=f"reused-{number}")
                for _ in range(2)
            ]

            results = at_once(scene, requests)

            (winner,) = (result for result in results if isinstance(result, Saved))
            (loser,) = (result for result in results if isinstance(result, Refused))
            assert winner.http_status in {200, 201}
            assert loser.http_status == 422
            assert loser.refusal.details == {"reason": "idempotency_key_reused"}


def test_eight_clicks_take_effect_once(tmp_path: Path, target: Target, write_form: str) -> None:
    with open_scene(tmp_path, target, write_form=write_form) as scene:
        for number in range(5):
            first = scene.request(Operation.CREATE, idempotency_key=f"eight-{number}")
            more = [
                scene.agency.request(
                    Operation.CREATE, None, dict(first.body), idempotency_key=first.idempotency_key
                )
                for _ in range(7)
            ]

            results = at_once(scene, [first, *more])

            assert sum(isinstance(result, Saved) for result in results) == 1
            assert sum(isinstance(result, Replayed) for result in results) == 7
            assert len({result.body() for result in results}) == 1


def test_the_second_click_is_a_replay_also_when_the_first_took_the_last_of_the_quota(
    tmp_path: Path, target: Target, write_form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_scene(tmp_path, target, write_form=write_form) as scene:
        more: dict[str, Any] = {"idempotency_key": "last-one", "max_active_quotes": 1}
        first = scene.request(Operation.CREATE, **more)
        second = scene.agency.request(Operation.CREATE, None, dict(first.body), **more)
        take = QuoteNumbers.take

        def overtaken(numbers: QuoteNumbers, *args: object) -> object:
            """The first click is served between the second's look for the key and its number."""
            monkeypatch.setattr(QuoteNumbers, "take", take)
            scene.send(first)
            return take(numbers, *args)  # type: ignore[arg-type]

        monkeypatch.setattr(QuoteNumbers, "take", overtaken)

        result = scene.send(second)

        assert replayed(result).http_status == 201
        assert msgspec.json.decode(result.body())["correlationId"] == first.correlation_id
