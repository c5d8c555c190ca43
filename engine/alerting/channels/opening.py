"""The channels of an installation, from its settings."""

from __future__ import annotations

from collections.abc import Mapping

from engine.alerting.channels.channel import Channel, ChannelName
from engine.alerting.channels.door import Door
from engine.alerting.channels.telegram import Telegram
from engine.alerting.channels.webhook import Webhook
from engine.clock import Clock
from engine.settings import Settings


def open_channels(settings: Settings, clock: Clock) -> Mapping[ChannelName, Channel]:
    """All channels, configured or not; nothing is asked or sent."""
    return {
        ChannelName.TELEGRAM: Telegram(settings, clock),
        ChannelName.WEBHOOK: Webhook(settings, clock),
        ChannelName.APPRISE: Door(settings, clock),
    }
