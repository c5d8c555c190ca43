"""A process that decides on alerts and sends them, to be killed at any moment.

Reads a job as JSON on standard input and works until it is killed. Alerts have numbers; each is
decided once, with its row and its notices in one transaction, by whichever process comes to it.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_OID, UUID, uuid5

import psycopg
from psycopg_pool import PoolTimeout
from pydantic import SecretStr

from engine.alerting.channels import posting
from engine.alerting.channels.channel import ChannelName
from engine.alerting.channels.pacing import Pace
from engine.alerting.channels.telegram import Telegram
from engine.alerting.channels.webhook import Webhook
from engine.alerting.notices import Notice, NoticeKind
from engine.alerting.outbox import entries, put_in
from engine.alerting.schedule import Timing
from engine.alerting.sender import Delivery, Sender
from engine.clock import Clock, SystemClock
from engine.database.target import Target
from engine.settings import Settings

# A day of delivery in minutes: everything that is waited for is shorter by the same measure.
TIMING: Final = Timing(
    lease=timedelta(seconds=3),
    delay_first=timedelta(milliseconds=50),
    delay_max=timedelta(seconds=2),
    hold_first=timedelta(milliseconds=50),
    hold_max=timedelta(seconds=1),
)
_PATIENCE_S: Final = 1.0
_BATCH: Final = 20
_PAUSE_S: Final = 0.02
_DECIDED: Final = """
    INSERT INTO alert (
        id, rule_id, severity, error_code, environment, correlation_id, message, numbers, fired_at
    )
    VALUES (%s, 'CRITICAL-003', 'CRITICAL', 'DATABASE_TIMEOUT', 'bench', %s, %s, '{}', %s)
"""


def alert_id(number: int) -> UUID:
    """The id of the alert with a number."""
    return uuid5(NAMESPACE_OID, f"alert {number}")


def main() -> None:
    """Works on the job on standard input."""
    job = json.load(sys.stdin)
    posting.post.__kwdefaults__ = {"method": "POST", "patience_s": _PATIENCE_S}
    clock = SystemClock()
    target = Target(app=job["app"], owner=job["app"])
    settings = Settings(
        data_dir=Path(job["data_dir"]),
        telegram_bot_token=SecretStr(job["token"]),
        telegram_chat_id=job["chat"],
        telegram_api_url=job["telegram"],
        alert_webhook_url=SecretStr(job["webhook"]),
        alert_webhook_secret=SecretStr(job["secret"]),
    )
    channels: dict[ChannelName, Any] = {
        # Ten thousand at Telegram's own pace would take three hours.
        ChannelName.TELEGRAM: Telegram(settings, clock, Pace(())),
        ChannelName.WEBHOOK: Webhook(settings, clock),
    }
    sender = Sender(settings, target, clock, channels=channels, timing=TIMING)
    threads = [threading.Thread(target=_deliver, args=(each,)) for each in sender.deliveries]
    threads.append(threading.Thread(target=_decide, args=(target, clock, job["alerts"])))
    for thread in threads:
        thread.start()


def _deliver(delivery: Delivery) -> None:
    while True:
        try:
            delivery.run()
        except (psycopg.Error, PoolTimeout) as error:
            sys.stderr.write(f"{type(error).__name__}\n")
        time.sleep(_PAUSE_S)


def _decide(target: Target, clock: Clock, alerts: int) -> None:
    with psycopg.connect(target.app) as connection:
        while True:
            # As a tick does: one at a time, what is decided and what is told of it at once.
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('bench.decide'))")
            row = connection.execute("SELECT count(*) FROM alert").fetchone()
            done = 0 if row is None else row[0]
            for number in range(done, min(done + _BATCH, alerts)):
                notice = bench_notice(number, clock)
                connection.execute(
                    _DECIDED,
                    [notice.alert_id, notice.correlation_id, notice.message, notice.timestamp],
                )
                put_in(connection, entries(notice, ["telegram", "webhook"], clock.now()))
            connection.commit()
            if done >= alerts:
                return


def bench_notice(number: int, clock: Clock) -> Notice:
    """The notice of the alert with a number."""
    return Notice(
        kind=NoticeKind.FIRING,
        alert_id=alert_id(number),
        error_code="DATABASE_TIMEOUT",
        severity=("CRITICAL", "HIGH", "MEDIUM")[number % 3],
        message=f"alert {number}: 12 of 380 attempts ended with DATABASE_TIMEOUT in 5 minutes.",
        metrics={"window_s": 300, "attempts": 380, "bad": 12, "share": 0.0316},
        timestamp=clock.now(),
        environment="bench",
        correlation_id=f"correlation-{number}",
        rule_id="CRITICAL-003",
        rule_name="Database timeouts",
        runbook_url="https://saveguard.example/runbook",
        dashboard_url="https://saveguard.example/",
    )


if __name__ == "__main__":
    main()
