"""The settings, as a user sets them: by environment variables, with the errors that a wrong one gives."""

from __future__ import annotations

import pickle
import re
from decimal import Decimal
from pathlib import Path

import pytest

from kling_utils.errors import SettingError
from kling_utils.settings import Settings, clean_key, load, unknown_variables, variable

TABLE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"


@pytest.mark.parametrize(
    "pasted",
    [
        "sk_abc",
        "  sk_abc \n",
        '"sk_abc"',
        "Bearer sk_abc",
        "'Bearer  sk_abc'",
        "bearer sk_abc",
        "`sk_abc`",
    ],
)
def test_a_key_is_stripped_of_what_came_along(pasted: str) -> None:
    assert clean_key(pasted).get_secret_value() == "sk_abc"


@pytest.mark.parametrize(
    "pasted", ["sk_secret\nX-Evil: 1", "sk_sécret", "sk secret", "", "  ", "sk_secret\x00"]
)
def test_a_key_that_no_header_can_carry_is_refused_without_being_echoed(pasted: str) -> None:
    with pytest.raises(SettingError) as caught:
        clean_key(pasted)
    assert "cret" not in str(caught.value)
    assert caught.value.hint


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOVITA_API_KEY", " Bearer sk_abc ")
    monkeypatch.setenv("NOVITA_BASE_URL", "https://api.highwayapi.ai/v3/")
    monkeypatch.setenv("KLING_HOME", str(tmp_path / "h"))
    monkeypatch.setenv("KLING_ALLOW_PRIVATE_HOSTS", "127.0.0.1, Media.Local:8080 ,")
    settings = load()
    assert settings.novita_api_key is not None
    assert settings.novita_api_key.get_secret_value() == "sk_abc"
    assert settings.novita_base_url == "https://api.highwayapi.ai"
    assert settings.home == tmp_path / "h"
    assert settings.private_hosts == {"127.0.0.1", "media.local:8080"}
    assert "sk_abc" not in repr(settings)


def test_blank_means_unset_and_home_is_not_taken_from_the_users_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NOVITA_API_KEY", "")
    monkeypatch.setenv("NOVITA_BASE_URL", "")
    monkeypatch.delenv("KLING_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = load()
    assert settings.novita_api_key is None
    assert settings.novita_base_url == "https://api.novita.ai"
    assert settings.home != tmp_path
    assert settings.home.name == "motion-control-studio"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KLING_POLL_INTERVAL", "soon"),
        ("KLING_POLL_INTERVAL", "0"),
        ("KLING_KEEP_DAYS", "-1"),
        ("NOVITA_BASE_URL", "ftp://s3cret.example"),
        ("NOVITA_BASE_URL", "http://api.s3cret.example"),
        ("NOVITA_BASE_URL", "https://user:s3cret@api.example"),
        ("NOVITA_API_KEY", "s3cret\nline"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match=name) as caught:
        load()
    assert "s3cret" not in str(caught.value)
    assert name in caught.value.hint


@pytest.mark.parametrize(
    ("given", "hosted"),
    [
        ({}, False),
        ({"server_name": "127.0.0.1"}, False),
        ({"space_id": "me/studio"}, True),
        ({"share": True}, True),
        ({"public_base_url": "https://studio.example"}, True),
        ({"password": "secret"}, True),
        ({"server_name": "0.0.0.0"}, True),  # noqa: S104 - the case that is tested
    ],
)
def test_what_counts_as_hosted(given: dict[str, object], hosted: bool) -> None:
    assert load(**given).hosted is hosted


def test_every_setting_is_in_the_table_with_its_description() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+?) \| (.*?) ?\|$", TABLE.read_text("utf-8"), re.M)
    assert rows == [
        (variable(name), info.description, usual(info.default))
        for name, info in Settings.model_fields.items()
    ]


def usual(default: object) -> str:
    """A default as the table shows it: nothing for what is unset, or is the system's."""
    if isinstance(default, bool):
        return "yes" if default else "no"
    return (
        f"{default:g}"
        if isinstance(default, int | float)
        else str(default)
        if isinstance(default, str | Decimal)
        else ""
    )


def test_a_setting_is_given_by_its_field_and_an_unknown_one_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    given = Settings(home=tmp_path / "own", rate_std=Decimal(1), poll_interval=3.0)
    assert (given.home, given.rate_std, given.poll_interval) == (tmp_path / "own", Decimal(1), 3.0)
    assert Settings().home != tmp_path
    with pytest.raises(TypeError, match=r"'poll_intervall' is no setting. Did you mean poll_inter"):
        Settings(poll_intervall=3.0)
    with pytest.raises(SettingError, match="KLING_POLL_INTERVAL"):
        Settings(poll_interval="soon")
    assert pickle.loads(pickle.dumps(given)) == given  # noqa: S301


def test_a_variable_that_is_no_setting_is_told_with_the_nearest_name() -> None:
    environment = {"KLING_KEEPDAYS": "3", "KLING_HOME": "x", "OTHER": "y"}
    assert unknown_variables(environment) == [
        "KLING_KEEPDAYS is no setting and is ignored. Did you mean KLING_KEEP_DAYS?"
    ]
