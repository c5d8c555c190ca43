"""Who runs a command, for the audit trail; and what it means when that is refused."""

from __future__ import annotations

import os
import pwd
from typing import TypeVar

import structlog
from sqlmodel import Session

from engine.access.audit import Actor, terminal_actor
from engine.access.settings_trail import Serving, record_settings
from engine.clock import Clock
from engine.errors import Refusal, SetupError
from engine.runtime import Runtime

T = TypeVar("T")


def machine_user() -> str:
    """The name of the machine's user who runs this process; a number where it has none."""
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def at_terminal(clock: Clock) -> Actor:
    """Whoever runs this command."""
    return terminal_actor(clock, machine_user())


def trail_settings(runtime: Runtime, serving: Serving) -> None:
    """Writes down that a process of that kind serves; with which settings, if that is news.

    Its log has a line from then on. Where there is none, nobody could tell a process that had
    nothing to complain of from one whose log is gone.
    """
    structlog.get_logger().info(
        "process_started",
        serving=serving.value,
        environment=runtime.settings.environment,
        release=runtime.settings.release,
    )
    actor = at_terminal(runtime.clock)
    record_settings(runtime.read_pool, runtime.settings, runtime.clock, serving, actor)


def unless_refusal(session: Session, result: T | Refusal) -> T:
    """What was done.

    Args:
        session: that the audit trail's row of a refusal is in; committed then.
        result: of an action.

    Raises:
        SetupError: it was refused; nothing is changed.
    """
    if isinstance(result, Refusal):
        session.commit()
        raise SetupError(result.message)
    return result
