"""Who was told that something began: nobody else is to hear that it is over."""

from __future__ import annotations

import json
from typing import Any, Final

import psycopg

from engine.alerting.channels.channel import ChannelName
from engine.alerting.claimed import Claimed


def was_told(connection: psycopg.Connection[Any], over: Claimed, channel: ChannelName) -> bool:
    """Whether a channel has told, or may have, that any of the alerts of a notice began.

    Args:
        connection: to look with.
        over: tells of one alert or of several.
        channel: which.
    """
    return _is_there(connection, _WAS_TOLD, over, channel)


def is_told(connection: psycopg.Connection[Any], over: Claimed, channel: ChannelName) -> bool:
    """The same, or whether it still waits to tell it."""
    return _is_there(connection, _IS_TOLD, over, channel)


def _is_there(
    connection: psycopg.Connection[Any], query: str, over: Claimed, channel: ChannelName
) -> bool:
    others = [str(each.get("alertId")) for each in over.letter.body.get("others") or ()]
    return any(
        connection.execute(
            query.encode(),
            {
                "channel": channel.value,
                "alert_id": alert_id,
                "among": json.dumps([{"alertId": alert_id}]),
            },
        ).fetchone()
        for alert_id in (str(over.alert_id), *others)
    )


# By itself, or as one of a group.
_BEGAN: Final = """
    (
        SELECT 1
        FROM alert_outbox
        WHERE alert_id = %(alert_id)s::uuid
            AND channel = %(channel)s
            AND kind IN ('firing', 'repeat')
            AND {came_to}
    )
    UNION ALL
    (
        SELECT 1
        FROM alert_outbox
        WHERE body -> 'others' @> %(among)s::jsonb
            AND channel = %(channel)s
            AND kind IN ('firing', 'repeat')
            AND {came_to}
    )
    LIMIT 1
"""
_WAS_TOLD: Final = _BEGAN.format(came_to="(state = 'delivered' OR is_perhaps_repeated)")
_IS_TOLD: Final = _BEGAN.format(came_to="state <> 'failed'")
