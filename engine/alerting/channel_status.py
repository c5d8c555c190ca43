"""How the channels stand: configured or why not, what was delivered, what waits, what failed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from engine.alerting.channels.channel import Channel, ChannelName
from engine.alerting.channels.webhook import Webhook

# What is counted, and over what the median is taken.
WINDOW: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """One channel.

    Attributes:
        name: which.
        missing: why it is not configured here; None when it is.
        remark: what is not as it should be although it works; None without any.
        delivered_at: when something was last delivered; None if never in the window.
        failed_at: when something last failed for good; None if never in the window.
        failed_reason: why.
        waiting: notices that wait or are being sent.
        oldest_at: when the oldest of those was put in; None without any.
        delivered: in the window.
        failed: in the window.
        not_configured: that wait for settings.
        perhaps_repeated: delivered in the window, and marked as such.
        latency_median: from being put in to being delivered, in the window; None without any.
        retrying_reason: what the last try of those that wait has failed of; None without any.
    """

    name: ChannelName
    missing: str | None
    remark: str | None
    delivered_at: datetime | None
    failed_at: datetime | None
    failed_reason: str | None
    waiting: int
    oldest_at: datetime | None
    delivered: int
    failed: int
    not_configured: int
    perhaps_repeated: int
    latency_median: timedelta | None
    retrying_reason: str | None

    @property
    def is_good(self) -> bool:
        """Whether it is configured, and what was last to be told was told."""
        if self.missing is not None or self.not_configured:
            return False
        if self.failed_at is not None:
            return self.delivered_at is not None and self.delivered_at > self.failed_at
        return self.retrying_reason is None


def channel_statuses(
    connection: psycopg.Connection[Any], channels: Iterable[Channel], now: datetime
) -> list[ChannelStatus]:
    """How each channel stands, by the last seven days.

    Args:
        connection: that may read the outbox.
        channels: of this process's settings.
        now: the present instant.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        asked = {"channels": list(ChannelName), "since": now - WINDOW}
        counted = cursor.execute(_COUNTED, asked).fetchall()
    by_name = {row["channel"]: row for row in counted}
    return [_status(each, by_name.get(each.name.value, {})) for each in channels]


def _status(channel: Channel, row: dict[str, Any]) -> ChannelStatus:
    seconds = row.get("median_s")
    return ChannelStatus(
        name=channel.name,
        missing=channel.missing,
        remark=_remark(channel),
        delivered_at=row.get("delivered_at"),
        failed_at=row.get("failed_at"),
        failed_reason=row.get("failed_reason"),
        waiting=row.get("waiting", 0),
        oldest_at=row.get("oldest_at"),
        delivered=row.get("delivered", 0),
        failed=row.get("failed", 0),
        not_configured=row.get("not_configured", 0),
        perhaps_repeated=row.get("perhaps_repeated", 0),
        latency_median=None if seconds is None else timedelta(seconds=float(seconds)),
        retrying_reason=row.get("retrying_reason"),
    )


def _remark(channel: Channel) -> str | None:
    if isinstance(channel, Webhook) and channel.missing is None and not channel.is_signed:
        return "not signed: ALERT_WEBHOOK_SECRET is not set"
    return None


_COUNTED: Final = """
    -- What became of the notices of each channel, in ranges of one index; what still waits counts
    -- however old it is.
    SELECT channel, waiting, oldest_at, not_configured, delivered, delivered_at, perhaps_repeated,
        median_s, failed, failed_at, failed_reason, retrying_reason
    FROM unnest(%(channels)s::text[]) AS asked (channel)
    CROSS JOIN LATERAL (
        SELECT count(*) AS waiting, min(made_at) AS oldest_at
        FROM alert_outbox
        WHERE channel = asked.channel AND state IN ('waiting', 'sending')
    ) AS open
    CROSS JOIN LATERAL (
        SELECT count(*) AS not_configured
        FROM alert_outbox
        WHERE channel = asked.channel AND state = 'not configured'
    ) AS aside
    CROSS JOIN LATERAL (
        SELECT
            count(*) AS delivered,
            max(ended_at) AS delivered_at,
            count(*) FILTER (WHERE is_perhaps_repeated) AS perhaps_repeated,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - made_at))
                AS median_s
        FROM alert_outbox
        WHERE channel = asked.channel AND state = 'delivered' AND ended_at >= %(since)s
    ) AS told
    CROSS JOIN LATERAL (
        SELECT count(*) AS failed
        FROM alert_outbox
        WHERE channel = asked.channel AND state = 'failed' AND ended_at >= %(since)s
    ) AS untold
    LEFT JOIN LATERAL (
        SELECT ended_at AS failed_at, reason AS failed_reason
        FROM alert_outbox
        WHERE channel = asked.channel AND state = 'failed' AND ended_at >= %(since)s
        ORDER BY ended_at DESC
        LIMIT 1
    ) AS last_failure ON true
    LEFT JOIN LATERAL (
        SELECT reason AS retrying_reason
        FROM alert_outbox
        WHERE channel = asked.channel AND state = 'waiting' AND reason IS NOT NULL
        ORDER BY next_at DESC
        LIMIT 1
    ) AS last_retry ON true
"""
