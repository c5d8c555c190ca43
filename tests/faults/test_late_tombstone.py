"""Somebody has closed an attempt that is still on its way: the original dies of it."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from engine.attempts import ledger
from engine.attempts.ledger import AttemptRow
from engine.database.target import Target
from engine.quotes.lifecycle import Operation
from tests.faults.calls import saved
from tests.faults.proxy import Fault, Request
from tests.faults.scene import in_background, open_scene, refused


def writes_the_attempt(request: Request) -> bool:
    """The statement that adds the attempt's row, alone or with everything else."""
    return "INSERT INTO attempt" in request.sql


@pytest.mark.parametrize("is_keyed", [True, False])
@pytest.mark.parametrize("operation", [Operation.CREATE, Operation.UPDATE, Operation.DELETE])
def test_an_original_that_arrives_after_its_tombstone_dies_and_its_caller_is_told(
    tmp_path: Path, target: Target, write_form: str, operation: Operation, *, is_keyed: bool
) -> None:
    with open_scene(tmp_path, target, write_form=write_form) as scene:
        quote_id = None if operation is Operation.CREATE else scene.create()
        request = scene.request(
            operation,
            quote_id,
            {} if quote_id is None else {"version": 1},
            idempotency_key="a-key" if is_keyed else None,
        )
        original = scene.proxy.on(writes_the_attempt, Fault.HOLD_REQUEST)
        caller, results = in_background(lambda: scene.send(request))
        assert original.met.wait(10)
        row = AttemptRow(
            agent_id=request.agent_id,
            started_at=request.started_at,
            id=request.attempt_id,
            origin_id=0,
            operation=operation.value,
            correlation_id=request.correlation_id,
        )
        with psycopg.connect(target.app, autocommit=True) as sweeper:
            assert ledger.settle(sweeper, row) is row

        original.gate.set()
        caller.join(30)

        assert refused(results[0]) == ("QUOTE_PERSISTENCE_FAILED", False)
        assert scene.row_of(results[0])["outcome"] == "failed"
        # The caller's next try takes effect: nothing of the first one is left, no key either.
        again = scene.agency.request(
            operation, quote_id, dict(request.body), idempotency_key=request.idempotency_key
        )
        assert saved(scene.send(again)).version == (1 if quote_id is None else 2)
