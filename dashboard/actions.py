"""What somebody does on a page: one transaction of the engine's, and words on what became of it.

Whether they may is decided there, by their role as it is stored, not by what the page was told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from dashboard import acting, engine_in_process, viewer
from dashboard.notebook import Notebook, notebook
from engine.access.audit import Actor
from engine.clock import Clock
from engine.database.sessions import session_of
from engine.errors import ErrorCode, Refusal
from engine.logs import report

T = TypeVar("T")
Change = Callable[[Session, Clock, Actor], T | Refusal]


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What became of something that somebody did.

    Attributes:
        correlation_id: of it, in the audit trail as well.
        value: what it gave; None where it was refused.
        refusal: why it was not done; None where it was.
        notebook: where to write what is said of it.
    """

    correlation_id: str
    value: T | None
    refusal: Refusal | None
    notebook: Notebook = field(repr=False, compare=False)

    def words(self, done: str) -> str:
        """What to say of it: untrusted text may be in it, so it is for `st.text`.

        Args:
            done: a sentence for when it was done.
        """
        said = done if self.refusal is None else self.refusal.message
        return f"{said} Correlation id: {self.correlation_id}"


def act(change: Change[T]) -> Outcome[T]:
    """Does something for whoever looks at the page; a refusal is written down, too.

    Args:
        change: of the engine's; given a session, which is committed afterwards.

    Raises:
        RuntimeError: this process has no engine.
    """
    runtime = engine_in_process.runtime()
    actor = acting.actor(viewer.current(), runtime.clock)
    kept = notebook()
    try:
        with session_of(runtime.target, runtime.settings) as session:
            found = change(session, runtime.clock, actor)
    except DBAPIError as error:
        return Outcome(actor.correlation_id, None, _not_stored(actor, error), kept)
    # What was changed may be about who is signed in, and as what.
    runtime.sign_ins.forget()
    if isinstance(found, Refusal):
        return Outcome(actor.correlation_id, None, found, kept)
    return Outcome(actor.correlation_id, found, None, kept)


def _not_stored(actor: Actor, error: DBAPIError) -> Refusal:
    if isinstance(error.orig, psycopg.OperationalError):
        return Refusal(
            ErrorCode.DATABASE_TIMEOUT,
            "The database has not answered; reload the page to see whether it was done.",
        )
    report(actor.correlation_id, error.orig or error)
    return Refusal(ErrorCode.INTERNAL_ERROR, "It could not be done; nothing was changed.")
