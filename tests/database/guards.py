"""What keeps two saves from starting at one version, taken away; and the narrowest race."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from threading import Barrier
from typing import Any, Final

import psycopg
import pytest
from sqlalchemy import Update

from engine.database.target import Target
from engine.saving import course, statements, write
from engine.saving.write import Write

# Several guards keep two saves from starting at one version: the version in the WHERE clause of the
# update, the primary key of the revisions, and, of several statements, the judgement on the locked
# row. Each of them suffices by itself; without all of them the race is lost, and is seen to be.

WHERE, KEY, JUDGEMENT = "where", "key", "judgement"
GUARDS: Final = {"one-statement": {WHERE, KEY}, "several-statements": {WHERE, KEY, JUDGEMENT}}


@contextmanager
def without(patch: pytest.MonkeyPatch, target: Target, *guards: str) -> Iterator[None]:
    """While some of the guards are gone."""
    built = (statements.change_in_one, statements.change_quote)
    with patch.context() as unguarded:
        if WHERE in guards:
            unguarded.setattr(
                statements, "_changed_quote", partial(version_blind, statements._changed_quote())
            )
        if JUDGEMENT in guards:
            unguarded.setattr(write, "_decide", partial(judge_blindly, write._decide))
        if KEY in guards:
            with psycopg.connect(target.owner) as owner:
                owner.execute("ALTER TABLE quote_revision DROP CONSTRAINT quote_revision_pkey")
        for each in built:
            each.cache_clear()
        yield
    for each in built:
        each.cache_clear()


def version_blind(real: Update) -> Update:
    """The update without the version in its WHERE clause."""
    kept = [each for each in real._where_criteria if "expected_version" not in str(each)]
    assert len(kept) == len(real._where_criteria) - 1
    blind = real._clone()
    blind._where_criteria = tuple(kept)
    return blind


def judge_blindly(real: Any, connection: Any, asked: Write, values: dict[str, Any]) -> Any:
    """The judgement on the locked row, for which any version is good enough."""
    row = statements.lock_current().run(connection, values).fetchone()
    version = asked.plan.expected_version if row is None else row[1]
    return real(
        connection, replace(asked, plan=replace(asked.plan, expected_version=version)), values
    )


@contextmanager
def all_have_read_before_one_writes(patch: pytest.MonkeyPatch, clients: int) -> Iterator[None]:
    """The narrowest race there is: every one of the clients has seen the version that stands."""
    barrier = Barrier(clients, timeout=60)
    real = write.write_save

    def wait_and_write(*args: Any) -> Any:
        barrier.wait()
        return real(*args)

    with patch.context() as narrowed:
        narrowed.setattr(course, "write_save", wait_and_write)
        yield
