"""What the lookup page reads: what a text may mean, and the story of one attempt of those."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg

from dashboard import engine_in_process
from dashboard.memory import Known, recall
from dashboard.viewer import Viewer
from engine.alerting.evaluations import Evaluation
from engine.alerting.evaluations import find as find_evaluations
from engine.alerting.tested import Tested
from engine.alerting.tested import find as find_tested
from engine.attempts import lookup, story
from engine.attempts.lookup import AttemptKey, Found, Hit
from engine.attempts.story import Story
from engine.attempts.words import Row

# More of them are not told apart in a list; the box takes a longer text.
LISTED_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Candidate:
    """An attempt that a text may mean.

    Attributes:
        hit: what the text was taken for.
        row: of the view `ledger`, by column.
    """

    hit: Hit
    row: Row


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found for a text.

    Attributes:
        found: what it may mean.
        candidates: attempts, the surest first, at most `LISTED_MAX`.
        is_cut: whether there are more.
        chosen: the one whose story is told; None if there is none.
        story: of that one.
    """

    found: Found
    candidates: tuple[Candidate, ...]
    is_cut: bool
    chosen: Candidate | None
    story: Story | None


def look_up(viewer: Viewer, text: str, attempt: UUID | None) -> Known[Looked]:
    """What there is for a text, of what somebody may see.

    Args:
        viewer: who asks.
        text: anything.
        attempt: which of several to tell; the surest if None or not among them.

    Raises:
        RuntimeError: this process has no engine.
    """
    runtime = engine_in_process.runtime()

    def read(connection: psycopg.Connection[Any]) -> Looked:
        return _read(connection, viewer, text, attempt, runtime.clock.now())

    # By what may be seen, not by who: all who may see the same share it.
    return recall(runtime, ("lookup", viewer.agent_id, text, attempt), read)


def alerting(viewer: Viewer, text: str) -> Known[tuple[Evaluation | Tested, ...]] | None:
    """The evaluations of alert rules and the tests of channels that a text names.

    None for who may not see any agent's data.

    Raises:
        RuntimeError: this process has no engine.
    """
    if viewer.agent_id is not None:
        return None
    runtime = engine_in_process.runtime()

    def read(connection: psycopg.Connection[Any]) -> tuple[Evaluation | Tested, ...]:
        now = runtime.clock.now()
        return *find_evaluations(connection, text, now), *find_tested(connection, text, now)

    return recall(runtime, ("alerting", text), read)


def _read(
    connection: psycopg.Connection[Any],
    viewer: Viewer,
    text: str,
    attempt: UUID | None,
    now: datetime,
) -> Looked:
    # A story is of the attempts of its own attempt's agent: whoever may see that may see it.
    found = lookup.find(connection, text, now, agent_id=viewer.agent_id)
    hits: dict[AttemptKey, Hit] = {}
    for key, hit in _keys(found.hits):
        hits.setdefault(key, hit)
    # The one that is asked for is told, however far down it stands, or if by its own id alone.
    wanted = [key for key in hits if key.id == attempt]
    if attempt is not None and not wanted:
        for key, hit in _keys(
            lookup.find(connection, str(attempt), now, agent_id=viewer.agent_id).hits
        ):
            if key.id == attempt:
                wanted.append(key)
                hits[key] = hit
    keys = list(dict.fromkeys([*list(hits)[:LISTED_MAX], *wanted]))
    candidates = tuple(Candidate(hits[_key(row)], row) for row in story.read_rows(connection, keys))
    chosen = next((each for each in candidates if each.row["id"] == attempt), None)
    chosen = chosen or next(iter(candidates), None)
    return Looked(
        found,
        candidates[:LISTED_MAX],
        len(hits) > LISTED_MAX,
        chosen,
        None if chosen is None else story.tell(connection, chosen.row),
    )


def _keys(hits: Sequence[Hit]) -> Iterator[tuple[AttemptKey, Hit]]:
    for hit in sorted(hits, key=lambda each: each.certainty):
        for key in hit.attempts:
            yield key, hit


def _key(row: Row) -> AttemptKey:
    return AttemptKey(row["agent_id"], row["started_at"], row["id"])
