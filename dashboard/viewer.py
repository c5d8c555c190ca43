"""Who looks at the pages, and what that person may see.

Every page that shows one agent's data asks here, and hands the answer to what it reads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from dashboard import engine_in_process
from dashboard.login import Unknowable, in_process, machine_user
from engine.access.roles import Permission, Role, may
from engine.access.sign_ins import SignedIn

# Of nobody: whoever may see no agent's data is told of this one's.
_NO_AGENT: Final = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whoever looks at a page.

    Attributes:
        own_agent_id: the agent that this person is; None for none.
        role: what they are here for; None for no role.
        account_id: None for nobody who has signed in.
        name: what they are called on the page.
        email: of the account, by which the audit trail knows them; empty without one.
        is_told: whether it could be told who it is; if not, nothing says that they may not look.
    """

    own_agent_id: UUID | None = None
    role: Role | None = None
    account_id: UUID | None = None
    name: str = ""
    email: str = ""
    is_told: bool = True

    @property
    def is_somebody(self) -> bool:
        """Whether there is anything for this viewer to see."""
        return self.role is not None or self.own_agent_id is not None

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


NOBODY: Final = Viewer()
_UNTOLD: Final = Viewer(is_told=False)
# Whoever reaches the dashboard of this machine operates it.
LOCAL_OPERATOR: Final = Viewer(role=Role.ADMIN, name="local")


def current() -> Viewer:
    """Who looks at the page that is being drawn, as their account stands now.

    Asked at every run, a fragment's, too: a sign-in that has ended and a role that was taken away
    count within `identity_lifetime` in tabs that are open.

    Returns:
        Without a role and an agent for whoever is not signed in, or cannot be told.
    """
    if not engine_in_process.is_open():
        return LOCAL_OPERATOR  # there is nothing to see
    login = in_process()
    if login.is_local:
        account_id = login.local_account_id()
        return replace(LOCAL_OPERATOR, account_id=account_id, name=machine_user())
    try:
        return viewer_of(login.of_this_page().signed_in)
    except Unknowable:
        return _UNTOLD


def viewer_of(signed_in: SignedIn | None) -> Viewer:
    """Somebody who is signed in, as pages ask about them."""
    if signed_in is None:
        return NOBODY
    return Viewer(
        own_agent_id=signed_in.agent_id,
        role=signed_in.role,
        account_id=signed_in.account_id,
        name=signed_in.name or signed_in.email,
        email=signed_in.email,
    )
