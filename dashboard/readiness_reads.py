"""What is read of releases; see `memory`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlmodel import Session

from dashboard import engine_in_process
from dashboard.memory import Known, recall
from dashboard.session_reads import in_session
from dashboard.viewer import Viewer
from engine.access.roles import Permission
from engine.readiness.box_history import Said, box_history
from engine.readiness.contacts import Roster, roster_of
from engine.readiness.fingerprints import fingerprints_now
from engine.readiness.items import Dependency
from engine.readiness.looking import Readiness, look, read_release, releases
from engine.readiness.records import body_of
from engine.runtime import Runtime

T = TypeVar("T")

# Each is read whole.
SIDE_BY_SIDE: Final = 6


@dataclass(frozen=True, slots=True)
class Listed:
    """A release in a list to choose from.

    Attributes:
        id: of the release.
        name: what people call it.
        environment: where it is going.
    """

    id: UUID
    name: str
    environment: str


def listed(viewer: Viewer, since: Hashable) -> Known[tuple[Listed, ...]]:
    """The releases that there are, newest first.

    Args:
        viewer: who asks.
        since: what tells this question from the same one before a change.

    Raises:
        RuntimeError: this process has no engine.
        PermissionError: the viewer may not see how releases stand.
    """
    return _ask(viewer, ("releases", since), _listed)


def whole(viewer: Viewer, release_id: UUID, since: Hashable) -> Known[Readiness | None]:
    """A release as it stands; raises as `listed`."""
    return _ask(
        viewer,
        ("release", release_id, since),
        lambda session: readiness_now(session, engine_in_process.runtime(), release_id),
    )


def side_by_side(
    viewer: Viewer, release_ids: Sequence[UUID], since: Hashable
) -> Known[tuple[Readiness, ...]]:
    """Several releases as they stand; raises as `listed`."""
    wanted = tuple(release_ids)

    def read(session: Session) -> tuple[Readiness, ...]:
        runtime = engine_in_process.runtime()
        found = (readiness_now(session, runtime, each) for each in wanted)
        return tuple(each for each in found if each is not None)

    return _ask(viewer, ("releases side by side", wanted, since), read)


def history(
    viewer: Viewer, readiness: Readiness, box_id: str, since: Hashable
) -> Known[tuple[Said, ...]]:
    """What was put down of a box, newest first; raises as `listed`."""
    release_id = readiness.release.id
    evidence_id = readiness.knowledge.evidence_ids.get(box_id)
    return _ask(
        viewer,
        ("box", release_id, box_id, evidence_id, since),
        lambda session: box_history(session, release_id, box_id, evidence_id),
    )


def roster(viewer: Viewer, environment: str, since: Hashable) -> Known[Roster]:
    """The contacts of an environment; raises as `listed`."""
    return _ask(
        viewer, ("contacts", environment, since), lambda session: roster_of(session, environment)
    )


def readiness_now(session: Session, runtime: Runtime, release_id: UUID) -> Readiness | None:
    """A release as it stands in a transaction; None when there is none with this id."""
    found = fingerprints_of(session, runtime, release_id)
    return None if found is None else look(session, release_id, found, runtime.clock.now())


def fingerprints_of(
    session: Session, runtime: Runtime, release_id: UUID
) -> dict[Dependency, str] | None:
    """Of things as they are now, for a release; None when there is none with this id."""
    release = read_release(session, release_id)
    return None if release is None else fingerprints_now(session, runtime.settings, release)


def _ask(viewer: Viewer, question: Hashable, read: Callable[[Session], T]) -> Known[T]:
    """What is known of releases may be shared by all who pass here."""
    if not viewer.may(Permission.SEE_NUMBERS):
        raise PermissionError
    runtime = engine_in_process.runtime()
    return recall(runtime, ("readiness", question), lambda _: in_session(runtime, read))


def _listed(session: Session) -> tuple[Listed, ...]:
    return tuple(_of(each.release_id, body_of(each)) for each in releases(session))


def _of(release_id: UUID, body: dict[str, Any]) -> Listed:
    return Listed(release_id, body["name"], body["environment"])
