"""The `saveguard` command: the engine's commands, and those that serve the dashboard."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from starlette.routing import BaseRoute

from dashboard import engine_in_process
from dashboard.api_process import api_process
from dashboard.streamlit_options import require_own_options
from dashboard.way_in import advice, require_way_in
from engine.access.settings_trail import Serving
from engine.api.app import open_api
from engine.api.metrics import Metrics
from engine.cli.acting import trail_settings
from engine.cli.listening import require_free, url_of
from engine.cli.main import cli, run
from engine.cli.options import data_dir_option, keep_logs, port_option, settings_of
from engine.cli.serving import announce_api
from engine.cli.stopping import until_stopped
from engine.clock import SystemClock
from engine.errors import SetupError
from engine.logs import report
from engine.runtime import Runtime, open_database, open_runtime
from engine.settings import Settings
from engine.worker import open_worker

_OTHER_PORT: Final = "--port or SAVEGUARD_PORT"
_OTHER_API_PORT: Final = "SAVEGUARD_API_PORT"


@cli.command("up")
@click.option("--host", help="Address to listen on.")
@port_option("Port of the dashboard and API.")
@click.option("--split", is_flag=True, help="Run the API in a process of its own.")
@data_dir_option
def up(host: str | None, port: int | None, split: bool, data_dir: Path | None) -> None:  # noqa: FBT001
    """Migrates, then serves dashboard and API."""
    settings = settings_of(host=host, port=port, data_dir=data_dir)
    require_way_in(settings)
    require_own_options(os.environ)
    keep_logs(settings)
    require_free(settings.host, settings.port, _OTHER_PORT)
    if split:
        _require_port_for_api(settings)
    with (
        until_stopped("Saveguard", settings),
        _open_engine(settings, migrate=True, has_edge=not split) as (runtime, metrics),
        open_worker(runtime),
    ):
        trail_settings(runtime, Serving.EVERYTHING)
        if split:
            with api_process(settings):
                _serve(settings, runtime)
        else:
            with open_api(runtime, metrics, report) as routes:
                _serve(settings, runtime, routes)


@cli.command("dashboard")
@click.option("--host", help="Address to listen on.")
@port_option("Port of the dashboard.")
@data_dir_option
def dashboard(host: str | None, port: int | None, data_dir: Path | None) -> None:
    """Serves the dashboard alone."""
    settings = settings_of(host=host, port=port, data_dir=data_dir)
    require_way_in(settings)
    require_own_options(os.environ)
    keep_logs(settings)
    require_free(settings.host, settings.port, _OTHER_PORT)
    with (
        until_stopped("Dashboard", settings),
        _open_engine(settings, migrate=False, has_edge=False) as (runtime, _metrics),
    ):
        trail_settings(runtime, Serving.DASHBOARD)
        _serve(settings, runtime)


def main() -> None:
    """Entry point of the console command."""
    run(cli)


@contextmanager
def _open_engine(
    settings: Settings, *, migrate: bool, has_edge: bool
) -> Iterator[tuple[Runtime, Metrics]]:
    clock, metrics = SystemClock(), Metrics()
    target = open_database(settings, clock, migrate=migrate)
    with open_runtime(
        settings, target, clock=clock, has_edge=has_edge, observe=metrics.ended, report=report
    ) as runtime:
        yield runtime, metrics


def _serve(settings: Settings, runtime: Runtime, routes: Sequence[BaseRoute] = ()) -> None:
    """Serves the pages, and the API beside them when its routes are given."""
    # Streamlit takes a second to import; the other commands need not wait for it.
    from dashboard import asgi  # noqa: PLC0415
    from dashboard.login import in_process  # noqa: PLC0415

    here = url_of(settings.host, settings.port)
    # Streamlit's server would take any local program's word for where a request comes from.
    os.environ["FORWARDED_ALLOW_IPS"] = settings.trusted_proxies

    def announce() -> None:
        where = f"{settings.public_url}, served on {here}" if settings.public_url else here
        click.echo(f"Dashboard on {where}", err=True)
        if routes:
            announce_api(settings.host, settings.port)

    engine_in_process.provide(runtime)
    try:
        login = in_process()
        for line in advice(runtime):
            click.echo(line, err=True)
        app = asgi.build_app(routes, login, announce)
        app.run(config=asgi.streamlit_config(settings))
    finally:
        engine_in_process.provide(None)


def _require_port_for_api(settings: Settings) -> None:
    if settings.api_port == settings.port:
        raise SetupError(
            f"dashboard and API cannot both have port {settings.port}: choose another with"
            f" {_OTHER_API_PORT}"
        )
    require_free(settings.host, settings.api_port, _OTHER_API_PORT)


if __name__ == "__main__":
    main()
