"""Who looks at the pages, and whose data that person may see.

Every page that shows one agent's data asks here, and hands the answer to what it reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whoever looks at a page.

    Attributes:
        agent_id: the only agent whose data may be seen; None for everybody's.
    """

    agent_id: UUID | None = None

    def may_see(self, agent_id: UUID) -> bool:
        """Whether an agent's data may be shown to this viewer."""
        return self.agent_id is None or self.agent_id == agent_id


# Whoever reaches the dashboard of this machine operates it.
LOCAL_OPERATOR: Final = Viewer()


def current() -> Viewer:
    """Who looks at the page that is being drawn. Nobody signs in yet: the local operator."""
    return LOCAL_OPERATOR
