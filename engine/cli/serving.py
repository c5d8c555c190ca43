"""`saveguard api` and `saveguard worker`: the parts that run without a dashboard."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click
import uvicorn
from starlette.routing import Router

from engine.access.settings_trail import Serving
from engine.api.app import DOCUMENT_PATH, open_api
from engine.api.hosts import AllowedHosts, HostGuard, allowed_hosts
from engine.api.metrics import Metrics
from engine.api.refusing import Refuser
from engine.api.security_headers import SecurityHeaders, api_headers
from engine.cli.acting import trail_settings
from engine.cli.listening import listen, require_free, url_of
from engine.cli.options import data_dir_option, keep_logs, port_option, settings_of
from engine.cli.stopping import until_stopped
from engine.clock import SystemClock
from engine.logs import report
from engine.runtime import open_database, open_runtime
from engine.worker import open_worker, own_jobs

# A save's own budget is ten seconds; whoever is in the middle of one may finish.
_GRACE_S: Final = 12
_OTHER_PORT: Final = "--port or SAVEGUARD_API_PORT"


class _Server(uvicorn.Server):
    """Announces itself once it takes requests, and signals."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()


def announce_api(host: str, port: int) -> None:
    """Says where the API is, by the address that describes it."""
    click.echo(f"API on {url_of(host, port)}{DOCUMENT_PATH}", err=True)


@click.command("api")
@click.option("--host", help="Address to listen on.")
@port_option("Port of the API.")
@click.option("--part", "is_part", is_flag=True, hidden=True)  # of `up --split`, which says more
@data_dir_option
def api(host: str | None, port: int | None, data_dir: Path | None, *, is_part: bool) -> None:
    """Serves the HTTP API alone."""
    settings = settings_of(host=host, api_port=port, data_dir=data_dir)
    allowed_hosts(settings)
    keep_logs(settings)
    require_free(settings.host, settings.api_port, _OTHER_PORT)
    if is_part:
        threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    clock, metrics = SystemClock(), Metrics()
    with until_stopped("API", settings, is_quiet=is_part):
        target = open_database(settings, clock)
        with (
            open_runtime(
                settings,
                target,
                clock=clock,
                has_edge=True,
                observe=metrics.ended,
                report=report,
            ) as opened,
            open_worker(opened, own_jobs),
            open_api(opened, metrics, report, is_alone=True) as routes,
        ):
            trail_settings(opened, Serving.API)
            hosts = AllowedHosts(allowed_hosts(settings))
            headers = api_headers(
                is_behind_tls=(settings.public_url or "").lower().startswith("https:")
            )
            guarded = HostGuard(Router(routes=routes), hosts, Refuser(opened.read_pool, clock))
            server = _Server(
                uvicorn.Config(
                    SecurityHeaders(guarded, lambda _scope: headers),
                    log_level="warning",
                    access_log=False,
                    server_header=False,
                    proxy_headers=bool(settings.trusted_proxies.strip()),
                    forwarded_allow_ips=settings.trusted_proxies,
                    lifespan="off",
                    timeout_graceful_shutdown=_GRACE_S,
                ),
                lambda: announce_api(settings.host, settings.api_port),
            )
            server.run(listen(settings.host, settings.api_port, _OTHER_PORT))


def _end_with_parent() -> None:
    """Ends this process when the one that started it is gone, be it killed."""
    os.read(sys.stdin.fileno(), 1)  # nobody writes: it returns when the other end is closed
    os.kill(os.getpid(), signal.SIGTERM)


@click.command("worker")
@data_dir_option
def worker(data_dir: Path | None) -> None:
    """Runs the background jobs alone."""
    settings = settings_of(data_dir=data_dir)
    keep_logs(settings)
    with until_stopped("Worker", settings):
        clock = SystemClock()
        target = open_database(settings, clock)
        with (
            open_runtime(settings, target, clock=clock, report=report) as opened,
            open_worker(opened),
        ):
            trail_settings(opened, Serving.WORKER)
            threading.Event().wait()
