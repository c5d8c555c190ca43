"""`saveguard api` and `saveguard worker`: the parts that run without a dashboard."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click
import uvicorn
from starlette.routing import Router

from engine.api.app import open_api
from engine.api.metrics import Metrics
from engine.cli.options import data_dir_option, settings_of
from engine.clock import SystemClock
from engine.logs import configure_logs, report
from engine.runtime import open_database, open_runtime
from engine.worker import open_worker, own_jobs

# A save's own budget is ten seconds; whoever is in the middle of one may finish.
_GRACE_S = 12


@click.command("api")
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port of the API.")
@data_dir_option
def api(host: str | None, port: int | None, data_dir: Path | None) -> None:
    """Serves the HTTP API alone."""
    settings = settings_of(host=host, api_port=port, data_dir=data_dir)
    configure_logs(settings.log_format)
    clock, metrics = SystemClock(), Metrics()
    target = open_database(settings, clock)
    with (
        open_runtime(settings, target, clock=clock, observe=metrics.ended, report=report) as opened,
        open_worker(opened, own_jobs),
        open_api(opened, metrics, report, is_alone=True) as routes,
    ):
        click.echo(f"API on http://{settings.host}:{settings.api_port}/api", err=True)
        uvicorn.run(
            Router(routes=routes),
            host=settings.host,
            port=settings.api_port,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            timeout_graceful_shutdown=_GRACE_S,
        )


@click.command("worker")
@data_dir_option
def worker(data_dir: Path | None) -> None:
    """Runs the background jobs alone: sweep, expire, reap, partitions."""
    settings = settings_of(data_dir=data_dir)
    configure_logs(settings.log_format)
    clock = SystemClock()
    target = open_database(settings, clock)
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda _number, _frame: stop.set())
    with open_runtime(settings, target, clock=clock, report=report) as opened, open_worker(opened):
        stop.wait()
