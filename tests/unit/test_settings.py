"""Settings: read once, refused by the variable's name, and silent about secrets."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from engine.errors import SetupError
from engine.settings import Settings, default_data_dir, environment_name, load_settings

SECRET = "correct-horse-battery"  # noqa: S105  # what must not be seen again
SECRET_URL = f"postgresql://saveguard:{SECRET}@db.example/quotes"
DURATIONS = [name for name, field in Settings.model_fields.items() if field.annotation is timedelta]


def complaint(environ: dict[str, str], **overrides: object) -> str:
    with pytest.raises(SetupError) as caught:
        load_settings(environ, **overrides)
    return str(caught.value)


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = load_settings({})

    assert settings.is_embedded
    assert (settings.host, settings.port, settings.pooler) == ("127.0.0.1", 8501, "none")
    assert settings.data_dir == default_data_dir()


def test_the_timeouts_and_retries_are_those_of_the_domain_page() -> None:
    settings = Settings()

    assert settings.lock_timeout == timedelta(seconds=2)
    assert settings.statement_timeout == timedelta(seconds=8)
    assert settings.save_budget == timedelta(seconds=10)
    assert settings.retry_limit == 2
    assert settings.retry_delay == timedelta(milliseconds=50)
    assert settings.idempotency_lifetime == timedelta(hours=24)
    assert settings.body_limit == 1024 * 1024


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described_in_a_sentence(name: str) -> None:
    description = Settings.model_fields[name].description

    assert description is not None
    assert description.endswith(".")


@pytest.mark.parametrize(
    ("field", "variable"),
    [
        ("database_url", "DATABASE_URL"),
        ("pooler", "POOLER"),
        ("owner_database_url", "SAVEGUARD_OWNER_DATABASE_URL"),
        ("save_budget", "SAVEGUARD_SAVE_BUDGET"),
    ],
)
def test_a_setting_has_one_name_in_the_environment(field: str, variable: str) -> None:
    assert environment_name(field) == variable


def test_settings_come_from_their_variables() -> None:
    settings = load_settings(
        {
            "DATABASE_URL": SECRET_URL,
            "POOLER": "transaction",
            "SAVEGUARD_DATA_DIR": "/srv/with a space",
            "SAVEGUARD_PORT": "65535",
            "SAVEGUARD_WRITE_FORM": "several-statements",
            "SAVEGUARD_RELEASE": "1.2.3+4",
            "HOME": "/somewhere",
        }
    )

    assert settings.database_url == SecretStr(SECRET_URL)
    assert not settings.is_embedded
    assert settings.pooler == "transaction"
    assert settings.data_dir == Path("/srv/with a space")
    assert (settings.port, settings.write_form) == (65535, "several-statements")
    assert settings.release == "1.2.3+4"


def test_the_command_line_wins_over_the_environment_unless_it_says_nothing() -> None:
    environ = {"SAVEGUARD_PORT": "1000", "SAVEGUARD_HOST": "::1"}

    settings = load_settings(environ, port=2000, host=None)

    assert (settings.port, settings.host) == (2000, "::1")


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert load_settings({"DATABASE_URL": "", "SAVEGUARD_PORT": ""}) == load_settings({})


def test_unknown_names_are_refused_all_at_once() -> None:
    message = complaint({"SAVEGUARD_PROT": "1", "SAVEGUARD_HOTS": "x", "SAVEGUARD_PORT": "1"})

    assert message.startswith("SAVEGUARD_HOTS, SAVEGUARD_PROT: no such setting")


@pytest.mark.parametrize("name", ["SAVEGUARD_DATABASE_URL", "SAVEGUARD_POOLER", "SAVEGUARD_"])
def test_a_setting_with_a_name_of_its_own_has_no_second_one(name: str) -> None:
    assert complaint({name: "none"}).startswith(f"{name}: no such setting")


WRONG: list[tuple[str, str]] = [
    ("POOLER", "session"),
    ("SAVEGUARD_WRITE_FORM", "two"),
    ("SAVEGUARD_LOG_FORMAT", "xml"),
    ("SAVEGUARD_PORT", "0"),
    ("SAVEGUARD_PORT", "65536"),
    ("SAVEGUARD_PORT", "http"),
    ("SAVEGUARD_POOL_SIZE", "0"),
    ("SAVEGUARD_POOL_SIZE", "51"),
    ("SAVEGUARD_RETRY_LIMIT", "-1"),
    ("SAVEGUARD_RETRY_LIMIT", "6"),
    ("SAVEGUARD_BODY_LIMIT", "1023"),
    ("SAVEGUARD_ENVIRONMENT", "two words"),
    ("SAVEGUARD_RELEASE", "x" * 65),
    ("SAVEGUARD_INSTANCE", "new\nline"),
    ("SAVEGUARD_INSTANCE", "trailing\n"),
    ("SAVEGUARD_INSTANCE", "../../etc"),
    ("SAVEGUARD_SAVE_BUDGET", "soon"),
    ("SAVEGUARD_SAVE_BUDGET", "nan"),
    ("SAVEGUARD_SAVE_BUDGET", "inf"),
    ("SAVEGUARD_SAVE_BUDGET", "1e400"),
    ("SAVEGUARD_SAVE_BUDGET", "PT5S"),
]


@pytest.mark.parametrize(("variable", "value"), WRONG)
def test_a_value_we_do_not_know_is_refused_with_the_variables_name_and_not_its_value(
    variable: str, value: str
) -> None:
    message = complaint({variable: value})

    assert message.startswith(f"{variable}: ")
    assert "\n" not in message
    assert len(value) < 4 or value not in message


@pytest.mark.parametrize("field", [each for each in DURATIONS if each != "identity_lifetime"])
@pytest.mark.parametrize(
    ("written", "seconds"), [("2", 2), ("0.25", 0.25), ("1e1", 10), ("86400", 86_400)]
)
def test_a_duration_is_a_number_of_seconds(field: str, written: str, seconds: float) -> None:
    settings = load_settings({environment_name(field): written})

    assert getattr(settings, field) == timedelta(seconds=seconds)


@pytest.mark.parametrize("field", DURATIONS)
def test_a_duration_is_not_negative(field: str) -> None:
    assert complaint({environment_name(field): "-1"}).startswith(f"{environment_name(field)}: ")


@pytest.mark.parametrize(
    ("variable", "value", "complaint_"),
    [
        ("SAVEGUARD_PORT", "http", "a whole number is needed"),
        ("SAVEGUARD_PORT", "1.5", "a whole number is needed"),
        ("SAVEGUARD_PORT", "0", "must be at least 1"),
        ("SAVEGUARD_PORT", "65536", "must be at most 65535"),
        ("SAVEGUARD_IDENTITY_LIFETIME", "5.1", "must be at most 5"),
        ("SAVEGUARD_SAVE_BUDGET", "soon", "a number of seconds is needed"),
        ("SAVEGUARD_SAVE_BUDGET", "inf", "a number of seconds is needed"),
        ("SAVEGUARD_SAVE_BUDGET", "0", "must be more than 0"),
        ("SAVEGUARD_RETRY_DELAY", "-1", "must be at least 0"),
        ("POOLER", "session", "must be 'none' or 'transaction'"),
        ("SAVEGUARD_RELEASE", "a b", "does not fit the pattern ^[A-Za-z0-9._+-]{1,64}$"),
    ],
)
def test_a_complaint_is_in_our_words_and_says_where_to_read_on(
    variable: str, value: str, complaint_: str
) -> None:
    expected = f"{variable}: {complaint_}; see docs/reference/settings.md"

    assert complaint({variable: value}) == expected


def test_a_slip_of_the_pen_is_told_what_was_probably_meant() -> None:
    assert complaint({"SAVEGUARD_PROT": "1", "SAVEGUARD_XYZ": "1"}) == (
        "SAVEGUARD_PROT, SAVEGUARD_XYZ: no such setting (did you mean SAVEGUARD_PORT?);"
        " see docs/reference/settings.md"
    )


def test_all_durations_are_known_to_these_tests() -> None:
    assert {"save_budget", "lock_timeout", "retry_delay", "sweep_interval"} <= set(DURATIONS)


def test_a_duration_may_come_as_one() -> None:
    settings = load_settings({}, save_budget=timedelta(minutes=1))

    assert settings.save_budget == timedelta(minutes=1)


def test_settings_once_read_do_not_change() -> None:
    settings = Settings()

    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]


def test_an_unknown_override_is_refused() -> None:
    assert "SAVEGUARD_PROT" in complaint({}, prot=1)


@pytest.mark.parametrize("variable", ["DATABASE_URL", "SAVEGUARD_OWNER_DATABASE_URL"])
def test_a_secret_is_not_seen_when_settings_are_printed(variable: str) -> None:
    settings = load_settings({variable: SECRET_URL})

    shown = [repr(settings), str(settings), f"{settings}", repr(settings.model_dump())]
    shown.append(settings.model_dump_json())

    assert not any(SECRET in text for text in shown)


@pytest.mark.parametrize("variable", ["SAVEGUARD_PORT", "SAVEGUARD_SAVE_BUDGET", "POOLER"])
def test_a_secret_in_the_wrong_variable_is_not_seen_in_the_complaint(variable: str) -> None:
    with pytest.raises(SetupError) as caught:
        load_settings({variable: SECRET_URL, "DATABASE_URL": SECRET_URL})

    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("given", [{"port": SECRET}, {"database_url": [SECRET]}])
def test_a_secret_is_not_seen_when_pydantic_itself_complains(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(given)

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(("user", "directory"), [(0, "/var/lib/saveguard"), (1000, "saveguard")])
def test_the_data_lies_where_the_databases_user_can_look(
    monkeypatch: pytest.MonkeyPatch, user: int, directory: str
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    monkeypatch.setenv("HOME", "/home/agent")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)

    path = default_data_dir()

    assert str(path).endswith(directory)
    assert (user == 0) is (path == Path("/var/lib/saveguard"))


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("10.0.0.1/8", "10.0.0.1/8 is no address and no network"),
        ("127.0.0.1, 10.0.0.256", "10.0.0.256"),
        ("127.0.0.1 10.0.0.1", "127.0.0.1 10.0.0.1"),
        ("2001:db8::1/32", "2001:db8::1/32"),
        ("::1, deadbeefdeadbeef", "entry 2"),
    ],
)
def test_a_proxy_that_is_no_address_is_refused_by_name(value: str, named: str) -> None:
    said = complaint({"SAVEGUARD_TRUSTED_PROXIES": value})

    assert said.startswith(f"SAVEGUARD_TRUSTED_PROXIES: {named}")
    assert "deadbeef" not in said


@pytest.mark.parametrize("value", ["127.0.0.1", "10.0.0.0/8, ::1,2001:db8::/32", "", " "])
def test_proxies_are_addresses_and_networks(value: str) -> None:
    assert load_settings({"SAVEGUARD_TRUSTED_PROXIES": value}).trusted_proxies == value
