"""Who looks at the pages, and what that person may see.

Every page that shows one agent's data asks here, and hands the answer to what it reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from engine.access.roles import Permission, Role, may

# Of nobody: whoever may see no agent's data is told of this one's.
_NO_AGENT: Final = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whoever looks at a page.

    Attributes:
        own_agent_id: the agent that this person is; None for none.
        role: what they are here for; None for no role.
        account_id: None for nobody who has signed in.
        name: what they are called on the page and in the audit trail.
    """

    own_agent_id: UUID | None = None
    role: Role | None = None
    account_id: UUID | None = None
    name: str = ""

    @property
    def agent_id(self) -> UUID | None:
        """The only agent whose data may be seen; None for everybody's."""
        return None if self.may(Permission.READ_LEDGER) else self.own_agent_id or _NO_AGENT

    def may(self, permission: Permission) -> bool:
        """Whether this viewer's role has a permission."""
        return may(self.role, permission)

    def may_see(self, agent_id: UUID) -> bool:
        """Whether an agent's data may be shown to this viewer."""
        return self.agent_id is None or self.agent_id == agent_id


# Whoever reaches the dashboard of this machine operates it.
LOCAL_OPERATOR: Final = Viewer(role=Role.ADMIN, name="local")


def current() -> Viewer:
    """Who looks at the page that is being drawn. Nobody signs in yet: the local operator."""
    return LOCAL_OPERATOR
