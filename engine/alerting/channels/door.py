"""Apprise: the door to Slack, e-mail and a hundred others.

It is another's code that talks to those. It tells whether a service took a message and little more,
so that a failure always counts as one that may have arrived. It is imported when it is first used:
it brings two hundred modules along.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from engine.alerting.channels.channel import (
    ChannelName,
    FailureReason,
    Letter,
    Permanent,
    Result,
    Retry,
    Sent,
)
from engine.alerting.channels.posting import PATIENCE_S
from engine.alerting.channels.wording import pieces_of, plain_text, title_of
from engine.clock import Clock
from engine.settings import Settings

if TYPE_CHECKING:
    import apprise

_TYPES: Final = {"firing": "failure", "repeat": "failure", "resolved": "success"}


class Door:
    """The services behind some addresses of Apprise's own kind."""

    name: Final = ChannelName.APPRISE

    def __init__(self, settings: Settings, _clock: Clock) -> None:
        """Imports nothing yet.

        Args:
            settings: the addresses, by spaces.
        """
        urls = settings.alert_apprise_urls
        self._urls = () if urls is None else tuple(urls.get_secret_value().split())
        self._opened: apprise.Apprise | None = None
        self._fault: str | None = None

    @property
    def missing(self) -> str | None:
        """Why it is not configured."""
        if not self._urls:
            return "ALERT_APPRISE_URLS is not set"
        if self._opened is None and self._fault is None:
            self._open()
        return self._fault

    def wait(self) -> float:
        """Each service paces itself."""
        return 0.0

    def send(self, letter: Letter) -> Result:
        """Sends to all services; each of them takes it, or it is tried again."""
        if self.missing is not None or self._opened is None:
            return Permanent(FailureReason.NOT_CONFIGURED)
        pieces = pieces_of(letter)
        told = self._opened.notify(
            title=title_of(letter.body),
            body=plain_text(pieces[1:]).lstrip("\n"),
            notify_type=_TYPES.get(str(letter.body.get("kind")), "info"),
            body_format="text",
            interpret_escapes=False,
            timeout=PATIENCE_S,
        )
        taken = [bool(each) for each in told]
        answer = f"{sum(taken)} of {len(self._urls)} services took it"
        if told:
            return Sent(None, None, answer)
        timed_out = told.status.name == "TIMEOUT"
        reason = FailureReason.TIMEOUT if timed_out else FailureReason.NOT_TAKEN
        return Retry(reason, answer=answer, may_have_arrived=True)

    def _open(self) -> None:
        opened = _imported()
        # Its own lines may quote an address, and of what carries its requests the DEBUG ones do.
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        logging.getLogger("urllib3").setLevel(logging.INFO)
        for number, url in enumerate(self._urls, 1):
            if not opened.add(url):
                self._fault = f"address {number} of ALERT_APPRISE_URLS is none that Apprise knows"
                return
        self._opened = opened


def _imported() -> apprise.Apprise:
    import apprise  # noqa: PLC0415  # two hundred modules

    return apprise.Apprise(
        asset=apprise.AppriseAsset(secure_logging=True, http_redirects=False, storage_mode="memory")
    )
