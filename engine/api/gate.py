"""Who is calling, and whether it may: key, agent, rate limit, scope.

A refusal says no more of a key than that it opens nothing: one that has ended, one of an account
that is disabled and one that never was are refused in the same words, after the same statements.
Whose it was stands where the caller does not see it, in the ledger or the audit trail.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import psycopg
from psycopg_pool import PoolTimeout

from engine.access.addresses import network_of
from engine.access.identities import Identities, Identity
from engine.access.keys import bearer_key
from engine.access.rate_limits import MINUTE_S, RateLimits, Standing
from engine.api.exchange import Exchange
from engine.clock import Clock
from engine.database.pool import Pool
from engine.database.sqlstate import classify
from engine.errors import ErrorCode, Refusal
from engine.saving.refusals import from_failure
from engine.settings import Settings

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
_READ_ONLY: Final = Refusal(
    ErrorCode.AUTHORIZATION_FAILED, "This key may only read; save with a key of scope write."
)


class Admission(NamedTuple):
    """Who calls, and whether it may.

    Attributes:
        identity: whose key was shown, as far as it is known; not to be trusted when refused.
        refusal: why the call may not pass; None when it may.
        standing: with the agent's rate limit, if it has one and was known.
    """

    identity: Identity | None
    refusal: Refusal | None
    standing: Standing | None = None


class Gate:
    """Lets an exchange through, or says why not; safe to use from any thread."""

    def __init__(
        self,
        identities: Identities,
        limits: RateLimits,
        pool: Pool,
        settings: Settings,
        clock: Clock,
    ) -> None:
        """Takes what it asks.

        Args:
            identities: who holds which key.
            limits: how often somebody may call, or show bad credentials.
            pool: for counting; of saves it must be one that no read can use up.
            settings: how long an exchange may wait for the database, and how many bad credentials
                an address may show.
            clock: for whether a key has ended.
        """
        self._patience_s = settings.save_budget.total_seconds()
        self._bad_credentials_per_minute = settings.bad_credentials_per_minute
        self._identities = identities
        self._limits = limits
        self._pool = pool
        self._clock = clock

    def admit(self, exchange: Exchange, *, saves: bool) -> Admission:
        """Who calls, and the refusal if it may not.

        Args:
            exchange: the call.
            saves: whether it is one that changes something.
        """
        authorization = exchange.headers.get("authorization")
        if not authorization:
            return Admission(None, _NO_CREDENTIALS)
        key = bearer_key(authorization)
        if key is None:
            return self._bad_credentials(exchange, None)
        try:
            identity = self._identities.find(key, self._deadline(exchange))
        except (psycopg.Error, PoolTimeout) as error:
            refusal = from_failure(classify(error, write_was_sent=False).code)
            return Admission(self._identities.last_known(key), refusal)
        if identity is None or identity.ended_by(self._clock.now()) is not None:
            return self._bad_credentials(exchange, identity)
        if identity.agent_id is None:
            return Admission(identity, _NO_AGENT)
        standing = self._standing(exchange, identity)
        return Admission(identity, _refusal(identity, standing, saves=saves), standing)

    def _bad_credentials(self, exchange: Exchange, identity: Identity | None) -> Admission:
        """Refuses credentials that open nothing, and counts them against their address."""
        network, most = network_of(exchange.address), self._bad_credentials_per_minute
        standing = self._limits.count(
            f"address/{network}", most, self._pool, self._deadline(exchange)
        )
        if not standing.is_refused:
            return Admission(identity, _NO_CREDENTIALS)
        # A flood with somebody's old key is not theirs: it counts for nobody from here on.
        return Admission(None, _too_many_bad_credentials(standing))

    def _standing(self, exchange: Exchange, identity: Identity) -> Standing | None:
        """The call counted against the agent's limit; None, without asking, when it has none."""
        most = identity.rate_limit_per_minute
        if most is None:
            return None
        who = f"agent/{identity.agent_id}"
        return self._limits.count(who, most, self._pool, self._deadline(exchange))

    def _deadline(self, exchange: Exchange) -> float:
        return exchange.received + self._patience_s


def headers_of(standing: Standing | None) -> dict[str, str]:
    """What an answer says of an agent's rate limit (draft-ietf-httpapi-ratelimit-headers)."""
    if standing is None:
        return {}
    return {
        "ratelimit-policy": f'"agent";q={standing.per_minute};w={MINUTE_S}',
        "ratelimit": f'"agent";r={standing.remaining};t={standing.reset_s}',
    }


def _refusal(identity: Identity, standing: Standing | None, *, saves: bool) -> Refusal | None:
    if identity.agent_status != "ACTIVE":
        return _SUSPENDED
    if standing is not None and standing.is_refused:
        return _too_fast(standing)
    return _READ_ONLY if saves and not identity.scope.may_write else None


def _too_fast(standing: Standing) -> Refusal:
    limit, seconds = standing.per_minute, standing.reset_s
    return Refusal(
        ErrorCode.RATE_LIMIT_EXCEEDED,
        f"This agent may send {limit} requests a minute; wait {seconds} seconds.",
        {"limitPerMinute": limit, "retryAfterSeconds": seconds},
    )


def _too_many_bad_credentials(standing: Standing) -> Refusal:
    seconds = standing.reset_s
    return Refusal(
        ErrorCode.RATE_LIMIT_EXCEEDED,
        "Too many calls with credentials that open nothing came from this address;"
        f" wait {seconds} seconds, and send your API key as: Authorization: Bearer <key>.",
        {"limitPerMinute": standing.per_minute, "retryAfterSeconds": seconds},
    )
