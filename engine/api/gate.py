"""Who is calling, and whether it may: authentication, agent, rate limit, in this order."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import psycopg
from psycopg_pool import PoolTimeout

from engine.access.identities import Identities, Identity
from engine.access.keys import bearer_key
from engine.access.rate_limits import RateLimits
from engine.api.exchange import Exchange
from engine.database.sqlstate import classify
from engine.errors import ErrorCode, Refusal
from engine.saving.refusals import from_failure

_NO_CREDENTIALS: Final = Refusal(
    ErrorCode.AUTHENTICATION_FAILED,
    "Send your API key as: Authorization: Bearer <key>.",
)
_NO_AGENT: Final = Refusal(
    ErrorCode.AGENT_NOT_FOUND,
    "These credentials have no agent profile; contact support.",
)
_SUSPENDED: Final = Refusal(
    ErrorCode.AUTHORIZATION_FAILED, "This agent is suspended; contact support."
)


class Gate:
    """Lets an exchange through, or says why not; safe to use from any thread."""

    def __init__(
        self, identities: Identities, rate_limits: RateLimits, patience: timedelta
    ) -> None:
        """Takes what it asks.

        Args:
            identities: who holds which key.
            rate_limits: how fast an agent may send.
            patience: how long after its arrival an exchange may still wait for the database.
        """
        self._patience_s = patience.total_seconds()
        self._identities = identities
        self._rate_limits = rate_limits

    def admit(self, exchange: Exchange) -> tuple[Identity | None, Refusal | None]:
        """Who calls, as far as it is known, and the refusal if it may not pass."""
        key = bearer_key(exchange.headers.get("authorization"))
        if key is None:
            return None, _NO_CREDENTIALS
        try:
            identity = self._identities.find(key, exchange.received + self._patience_s)
        except (psycopg.Error, PoolTimeout) as error:
            refusal = from_failure(classify(error, write_was_sent=False).code)
            return self._identities.last_known(key), refusal
        if identity is None:
            return None, _NO_CREDENTIALS
        if identity.agent_id is None:
            return identity, _NO_AGENT
        if identity.agent_status != "ACTIVE":
            return identity, _SUSPENDED
        return identity, self._rate_limits.refusal(
            identity.agent_id, identity.rate_limit_per_minute
        )
