"""What is read of people; see `memory`."""

from __future__ import annotations

from collections.abc import Hashable
from uuid import UUID

from dashboard import engine_in_process
from dashboard.memory import Known, recall
from dashboard.viewer import Viewer
from engine.access import people
from engine.access.people import People, Whole
from engine.access.roles import Permission


def listed(viewer: Viewer, text: str, since: Hashable) -> Known[People]:
    """Accounts that have a text in their address, name, role or agent's name.

    Args:
        viewer: who asks.
        text: all if empty.
        since: what tells this question from the same one before a change.

    Raises:
        RuntimeError: this process has no engine.
        PermissionError: the viewer may not manage access.
    """
    if not viewer.may(Permission.MANAGE_ACCESS):
        raise PermissionError
    runtime = engine_in_process.runtime()
    return recall(
        runtime,
        ("people", text, since),
        lambda connection: people.people(connection, runtime.clock.now(), text),
    )


def whole(viewer: Viewer, account_id: UUID, since: Hashable) -> Known[Whole | None]:
    """One account with its keys and sign-ins; everybody may see their own.

    Args:
        viewer: who asks.
        account_id: whose.
        since: what tells this question from the same one before a change.

    Raises:
        RuntimeError: this process has no engine.
        PermissionError: it is another's, and the viewer may not manage access.
    """
    if not viewer.may(Permission.MANAGE_ACCESS) and viewer.account_id != account_id:
        raise PermissionError
    runtime = engine_in_process.runtime()
    return recall(
        runtime,
        ("person", account_id, since),
        lambda connection: people.whole(connection, runtime.clock.now(), account_id),
    )
