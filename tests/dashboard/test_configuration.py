"""Streamlit's settings as we hand them over: known to it, complete, and readable in both themes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from streamlit import config

from dashboard import figures
from dashboard.__main__ import dashboard, up
from dashboard.asgi import streamlit_config
from dashboard.streamlit_options import environment_name
from engine.errors import SetupError
from engine.settings import Settings

_PALETTE = "chartCategoricalColors"
_GROUNDS = {
    "theme.light": ("theme.light.backgroundColor", f"theme.{_PALETTE}"),
    "theme.dark": ("theme.dark.backgroundColor", f"theme.dark.{_PALETTE}"),
}


@pytest.fixture
def options() -> dict[str, Any]:
    return streamlit_config(Settings())


def test_every_option_is_known_to_streamlit(options: dict[str, Any]) -> None:
    known = set(config.get_config_options())

    assert set(options) <= known


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("runner.postScriptGC", False),
        ("runner.magicEnabled", False),
        ("runner.fastReruns", False),
        ("browser.gatherUsageStats", False),
        ("server.fileWatcherType", "none"),
        ("server.runOnSave", False),
        ("server.headless", True),
        ("server.maxUploadSize", 1),
        ("server.address", "127.0.0.1"),
        ("server.port", 8501),
        ("client.showErrorDetails", "type"),
        ("client.showErrorLinks", False),
        ("client.toolbarMode", "minimal"),
    ],
)
def test_what_must_be_set_is_set(options: dict[str, Any], option: str, value: object) -> None:
    assert options[option] == value


@pytest.mark.parametrize("option", [f"theme.{_PALETTE}", f"theme.dark.{_PALETTE}"])
def test_a_palette_has_ten_colours(options: dict[str, Any], option: str) -> None:
    """With fewer, the browser throws the whole palette away."""
    palette = options[option]

    assert len(palette) == len(set(palette)) == 10


@pytest.mark.parametrize("theme", _GROUNDS)
def test_every_line_stands_out_from_its_ground(options: dict[str, Any], theme: str) -> None:
    """WCAG 1.4.11: graphics need a contrast of 3."""
    ground, palette = _GROUNDS[theme]

    for colour in [*options[palette], figures.AMBER, figures.RED, figures.SLATE]:
        assert contrast(colour, options[ground]) >= 3, colour


@pytest.mark.parametrize("theme", ["theme.light", "theme.dark"])
@pytest.mark.parametrize(
    "name", ["textColor", "greenColor", "orangeColor", "redColor", "blueColor", "grayColor"]
)
def test_every_text_can_be_read(options: dict[str, Any], theme: str, name: str) -> None:
    """WCAG 1.4.3: text needs a contrast of 4.5, on cards as on the page."""
    for ground in ("backgroundColor", "secondaryBackgroundColor"):
        assert contrast(options[f"{theme}.{name}"], options[f"{theme}.{ground}"]) >= 4.5


def test_only_names_of_this_machine_may_open_a_session() -> None:
    """Else a page whose name was made to point here could read along."""
    assert streamlit_config(Settings())["server.allowedHosts"] == [
        "127.0.0.1",
        "localhost",
        "::1",
    ]
    assert "127.0.0.9" in streamlit_config(Settings(host="127.0.0.9"))["server.allowedHosts"]


def test_the_operators_environment_outranks_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMLIT_CLIENT_SHOW_ERROR_DETAILS", "full")
    monkeypatch.setenv("STREAMLIT_RUNNER_POST_SCRIPT_GC", "true")

    options = streamlit_config(Settings())

    assert "client.showErrorDetails" not in options
    assert "runner.postScriptGC" not in options
    assert "client.toolbarMode" in options


_OURS_ALONE = {
    "STREAMLIT_SERVER_ADDRESS": "SAVEGUARD_HOST",
    "STREAMLIT_SERVER_PORT": "SAVEGUARD_PORT",
    "STREAMLIT_SERVER_ALLOWED_HOSTS": "SAVEGUARD_ALLOWED_HOSTS",
    "STREAMLIT_SERVER_BASE_URL_PATH": "SAVEGUARD_PUBLIC_URL",
    "STREAMLIT_SERVER_CORS_ALLOWED_ORIGINS": "SAVEGUARD_PUBLIC_URL",
    "STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION": "always on",
    "STREAMLIT_SERVER_ENABLE_CORS": "always on",
    "STREAMLIT_SERVER_COOKIE_SECRET": "SAVEGUARD_COOKIE_SECRET",
    "STREAMLIT_SERVER_TRUSTED_USER_HEADERS": "SAVEGUARD_LOGIN",
}


@pytest.mark.parametrize("variable", _OURS_ALONE)
def test_who_can_reach_the_pages_is_set_by_our_settings_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    """Left to Streamlit, it would be its default where no file is: every address."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, "")

    with pytest.raises(SetupError, match=f"^{variable}: .*{_OURS_ALONE[variable]}"):
        streamlit_config(Settings())
    for command in (up, dashboard):
        refused = CliRunner().invoke(command, ["--data-dir", str(tmp_path / "data")])
        assert isinstance(refused.exception, SetupError)
        assert variable in str(refused.exception)
    # Nothing was started for that.
    assert not any(tmp_path.iterdir())


def test_a_file_of_the_directory_that_one_stands_in_opens_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "config.toml").write_text(
        '[server]\naddress = "0.0.0.0"\nbaseUrlPath = "x"\nenableXsrfProtection = false\n'
        'enableCORS = false\ncorsAllowedOrigins = ["*"]\nallowedHosts = ["x"]\n'
        '[server.trustedUserHeaders]\nX-User = "name"\n'
    )
    monkeypatch.chdir(tmp_path)
    ours = streamlit_config(Settings())
    try:
        found = config.get_config_options(force_reparse=True, options_from_flags=ours)
        got = {name: option.value for name, option in found.items()}
    finally:
        monkeypatch.undo()
        config.get_config_options(force_reparse=True)

    assert got["server.address"] == "127.0.0.1"
    assert got["server.allowedHosts"] == ["127.0.0.1", "localhost", "::1"]
    assert got["server.baseUrlPath"] == ""
    assert got["server.enableXsrfProtection"] is got["server.enableCORS"] is True
    assert not got["server.corsAllowedOrigins"]
    assert not got["server.trustedUserHeaders"]


def test_variables_are_named_by_streamlits_own_rule() -> None:
    for name, option in config.get_config_options().items():
        assert environment_name(name) == option.env_var


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG defines it, from 1 to 21."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
