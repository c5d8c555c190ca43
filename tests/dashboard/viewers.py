"""Who looks at a page: each role with an account of its own in the engine's database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from sqlmodel import Session

from dashboard.viewer import Viewer
from engine.access.audit import Actor, Way
from engine.access.roles import Role
from engine.access.tables import Account
from engine.database.migrate import owner_engine
from engine.runtime import Runtime

# Of whom the engine knows nothing: enough for what only reads.
OPERATOR: Final = Viewer(role=Role.ADMIN, name="operator")
Seat = Callable[..., Viewer]


def account_of(engine: Runtime, role: Role | None, **more: Any) -> UUID:
    """Makes an account; returns its id."""
    account_id = engine.clock.uuid7()
    stored: dict[str, Any] = {
        "id": account_id,
        "email": f"{account_id}@people.example",
        "created_at": engine.clock.now(),
        "role": None if role is None else role.value,
    } | more
    with Session(owner_engine(engine.target.app)) as session:
        session.add(Account(**stored))
        session.commit()
    return account_id


def actor(account_id: UUID | None, name: str = "somebody") -> Actor:
    """Somebody at a page."""
    return Actor(account_id, name, Way.PAGE, "192.0.2.1", "REQ-OF-A-TEST")
