"""The settings: the only reader of the environment.

They are read once, by ``load()``; blank means unset. A test compares the table of docs/settings.md with this file.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from platformdirs import user_data_path
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from kling_utils.errors import SettingError
from kling_utils.values import HUB_OWNER, LIST_PRO, LIST_STD

NOVITA = "https://api.novita.ai"
HUGGING_FACE = "https://huggingface.co"
WAYS = ("tunnel", "huggingface")
"""Ways to publish a clip that have a name; an object store has an address."""


def clean_key(
    text: str, *, name: str = "API key", place: str = "novita.ai, Settings, Key Management"
) -> SecretStr:
    """A key without the blanks, quotes and ``Bearer`` that come along when it is copied.

    Raises ``SettingError``, which never shows the key, for one that no header could carry.
    """
    key = text.strip().strip("\"'`").strip()
    if key.lower().startswith("bearer "):
        key = key[7:].strip().strip("\"'`")
    if not key:
        raise SettingError(f"The {name} is empty.", hint=f"Paste the one from {place}.")
    if any(c.isspace() or not c.isprintable() or not c.isascii() for c in key):
        raise SettingError(
            f"The {name} has a blank, a line break or a character beyond ASCII in it.",
            hint="Copy it again, just the key and nothing around it.",
        )
    return SecretStr(key)


def clean_token(text: str) -> SecretStr:
    """A Hugging Face token, as ``clean_key``."""
    place = "huggingface.co, Settings, Access Tokens"
    return clean_key(text, name="Hugging Face token", place=place)


def clean_way(text: str) -> str:
    """A way to publish clips: ``tunnel``, ``huggingface``, or an object store's address. Raises ``SettingError`` for anything else."""
    way = text.strip()
    if way and way.lower() not in WAYS and "://" not in way:
        raise SettingError(
            f"it must be {', '.join(WAYS)}, or an object store such as s3://bucket/prefix.",
            hint="Choose one of them.",
        )
    return way.lower() if way.lower() in WAYS else way


_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*(?:USD)?\s*(?:(?:/|a|per)\s*day)?", re.IGNORECASE)


def clean_amount(text: str | int | float | Decimal) -> Decimal:
    """USD, as ``20``, ``20 USD`` or ``20 USD/day``. Raises ``SettingError`` for anything else."""
    said = f"{text:f}" if isinstance(text, Decimal) else str(text).strip()
    found = None if isinstance(text, bool) else _AMOUNT.fullmatch(said)
    if found is None:
        raise SettingError(
            "it must be an amount in USD, such as 20 or 20 USD.", hint="Give such an amount."
        )
    return Decimal(found[1])


class Settings(BaseSettings):
    """Everything that the environment decides. The description of each field is its line in docs/settings.md."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    def __repr__(self) -> str:
        key = "with a key" if self.novita_api_key else "without a key"
        return f"Settings(home {self.home.name[:40]!r}, {key}{', hosted' if self.hosted else ''})"

    __str__ = __repr__

    def __init__(self, **given: Any) -> None:
        """``given``, by the fields' names or their variables, wins over the environment.

        Raises ``TypeError`` for a name that is no setting, and ``SettingError``, which names the setting and never its value.
        """
        fields = type(self).model_fields
        known = {*fields, *map(variable, fields)}
        for name in given:
            if name not in known:
                raise TypeError(f"{name!r} is no setting.{_nearest(name, fields)}")
        try:
            # by the variables' names: by a field's name HOME of the environment would be taken for `home`
            super().__init__(**{variable(name): value for name, value in given.items()})
        except ValidationError as error:
            first = error.errors()[0]
            name = variable(str(first["loc"][0])) if first["loc"] else "a setting"
            reason = first["ctx"]["error"] if "error" in first.get("ctx", {}) else first["msg"]
            reason = reason.message if isinstance(reason, SettingError) else f"{reason}."
            raise SettingError(
                f"{name} cannot be used: {reason}", hint=f"Correct or unset {name}."
            ) from None
        if self.lend_key and (lacking := self._lending_lacks()):
            raise SettingError(
                f"KLING_LEND_KEY lends your key to visitors. Nothing was started, because this is missing: {', '.join(lacking)}.",
                hint="Set what is missing, or unset KLING_LEND_KEY.",
            )

    def _lending_lacks(self) -> list[str]:
        """What has to be there before a key is lent: without it a stranger could spend without a bound, or be anyone."""
        named = ("novita_api_key", "budget", "budget_visitor")
        lacking = [variable(name) for name in named if getattr(self, name) is None]
        if not self.signs_in:
            where = "hf_oauth: true in the README of a Space, and no KLING_PASSWORD"
            lacking.append(f"the sign-in with Hugging Face ({where})")
        return lacking

    novita_api_key: SecretStr | None = Field(
        None,
        validation_alias="NOVITA_API_KEY",
        description="Your Novita key. Without it, results are local drafts.",
    )
    novita_base_url: str = Field(
        NOVITA,
        validation_alias="NOVITA_BASE_URL",
        description="Host that speaks the contract: Novita or a sister host.",
    )
    home: Path = Field(
        default_factory=lambda: user_data_path("motion-control-studio", appauthor=False),
        validation_alias="KLING_HOME",
        description="Where jobs, results and the database lie. Default: the system's folder for application data.",
    )
    private_hosts: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(),
        validation_alias="KLING_ALLOW_PRIVATE_HOSTS",
        description="Private hosts, comma separated, that inputs and results may come from; a bare host allows all its ports, and http.",
    )
    poll_interval: float = Field(
        2.0,
        gt=0,
        le=60,
        validation_alias="KLING_POLL_INTERVAL",
        description="First wait between two looks at a job, seconds; grows by 1.3 to five times itself.",
    )
    publish: str = Field(
        "",
        validation_alias="KLING_PUBLISH_TO",
        description="How local clips get to the provider: `tunnel`, `huggingface`, or an object store such as `s3://bucket/prefix`; "
        "`gs://`, `az://` and `hf://datasets/...` work as well.",
    )
    publish_delete: bool = Field(
        False,
        validation_alias="KLING_PUBLISH_DELETE",
        description="Delete a clip from the object store when its job has ended.",
    )
    hf_token: SecretStr | None = Field(
        None,
        validation_alias="HF_TOKEN",
        description="Your Hugging Face token, for `KLING_PUBLISH_TO=huggingface`: it makes and deletes datasets of your account.",
    )
    hf_endpoint: str = Field(
        HUGGING_FACE,
        validation_alias="HF_ENDPOINT",
        description="Host that speaks Hugging Face's interface.",
    )
    public_base_url: str = Field(
        "",
        validation_alias="PUBLIC_BASE_URL",
        description="Address at which strangers reach this page; with it, the page itself offers local clips to the provider.",
    )
    space_host: str = Field(
        "",
        validation_alias="SPACE_HOST",
        description="Set by Hugging Face: the public address of a Space.",
    )
    keep_days: int = Field(
        30,
        ge=1,
        validation_alias="KLING_KEEP_DAYS",
        description="Days after which drafts and the finished jobs of a page's visitors are removed; what this home paid for is kept.",
    )
    submits_per_minute: int = Field(
        20,
        ge=1,
        validation_alias="KLING_SUBMITS_PER_MINUTE",
        description="Most submits a minute with one key. The provider does not publish its limit for this model.",
    )
    rate_std: Decimal = Field(
        LIST_STD,
        ge=0,
        validation_alias="KLING_RATE_STD",
        description="USD a second of kling-v3-0-std, for the quote. Kling's list price; Novita publishes none.",
    )
    rate_pro: Decimal = Field(
        LIST_PRO,
        ge=0,
        validation_alias="KLING_RATE_PRO",
        description="USD a second of kling-v3-0-pro, for the quote.",
    )
    budget: Decimal | None = Field(
        None,
        validation_alias="KLING_BUDGET",
        description="USD that this home spends in a day at most, such as `20`. A job that may cost more than is left is not sent.",
    )
    budget_visitor: Decimal | None = Field(
        None,
        validation_alias="KLING_BUDGET_VISITOR",
        description="USD that one visitor of a hosted page spends in a day at most, whosever key is used.",
    )
    confirm_above: Decimal | None = Field(
        None,
        validation_alias="KLING_CONFIRM_ABOVE",
        description="USD for one job above which the page asks first, and the command line wants `--yes`.",
    )
    deadline: float = Field(
        1200.0,
        gt=0,
        validation_alias="KLING_DEADLINE",
        description="Seconds of processing after which a job counts as still running; queue time does not count.",
    )
    ca_bundle: Path | None = Field(
        None,
        validation_alias="REQUESTS_CA_BUNDLE",
        description="File of certificates to trust instead of the packaged ones, as networks that inspect traffic need.",
    )
    lend_key: bool = Field(
        False,
        validation_alias="KLING_LEND_KEY",
        description="On a Space, visitors who signed in with Hugging Face use your key; needs `KLING_BUDGET` and `KLING_BUDGET_VISITOR`.",
    )
    lend_to: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(),
        validation_alias="KLING_LEND_TO",
        description="Names of Hugging Face accounts, comma separated, that the key is lent to; unset, to all who signed in.",
    )
    oauth_client_id: str = Field(
        "",
        validation_alias="OAUTH_CLIENT_ID",
        description="Set by Hugging Face for a Space with `hf_oauth: true`: visitors can sign in.",
    )
    system: str = Field(
        "",
        validation_alias="SYSTEM",
        description="Set by Hugging Face: `spaces` on a Space.",
    )
    space_id: str = Field(
        "",
        validation_alias="SPACE_ID",
        description="Set by Hugging Face: the page is hosted and ignores the owner's key.",
    )
    password: SecretStr | None = Field(
        None,
        validation_alias="KLING_PASSWORD",
        description="The page asks for a name and this password, and keeps people apart by name; counts as hosted.",
    )
    server_name: str = Field(
        "",
        validation_alias="GRADIO_SERVER_NAME",
        description="Address the page listens on; one beyond loopback counts as hosted.",
    )
    root_path: str = Field(
        "",
        validation_alias="GRADIO_ROOT_PATH",
        description="Path under which a proxy serves the page; counts as hosted.",
    )
    allowed_hosts: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(),
        validation_alias="KLING_ALLOWED_HOSTS",
        description="Names, comma separated, that a page which is not hosted answers to besides `localhost`, `127.0.0.1` and `[::1]`.",
    )
    own_proxy: bool = Field(
        False,
        validation_alias="KLING_OWN_PROXY",
        description="The proxy in front of the page lets in its owner only: requests through it use this machine's key.",
    )
    share: bool = Field(
        False, validation_alias="GRADIO_SHARE", description="A public share link; counts as hosted."
    )

    @field_validator("novita_api_key", mode="before")
    @classmethod
    def _key(cls, value: Any) -> Any:
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        return clean_key(value) if isinstance(value, str) and value.strip() else None

    @field_validator("hf_token", mode="before")
    @classmethod
    def _token(cls, value: Any) -> Any:
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        return clean_token(value) if isinstance(value, str) and value.strip() else None

    @field_validator("password")
    @classmethod
    def _blank(cls, value: SecretStr | None) -> SecretStr | None:
        return value if value is not None and value.get_secret_value().strip() else None

    @field_validator("budget", "budget_visitor", "confirm_above", mode="before")
    @classmethod
    def _usd(cls, value: Any) -> Any:
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        return clean_amount(value)

    @field_validator("hf_endpoint")
    @classmethod
    def _hub(cls, value: str) -> str:
        base, parts = value.strip().rstrip("/"), urlsplit(value.strip())
        local = parts.hostname in ("127.0.0.1", "localhost", "::1")
        if not parts.hostname or parts.username or parts.scheme not in ("https", "http"):
            raise ValueError(f"must look like {HUGGING_FACE}")
        if parts.scheme == "http" and not local:
            raise ValueError("must be https, or your token would travel in the clear")
        return base

    @field_validator("novita_base_url")
    @classmethod
    def _base(cls, value: str) -> str:
        base = value.strip().rstrip("/").removesuffix("/v3").rstrip("/")
        parts = urlsplit(base)
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.username
            or parts.query
        ):
            raise ValueError("must look like https://api.novita.ai")
        if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise ValueError("must be https, or your key would travel in the clear")
        return base

    @field_validator("publish")
    @classmethod
    def _way(cls, value: str) -> str:
        return clean_way(value)

    @field_validator("public_base_url")
    @classmethod
    def _public(cls, value: str) -> str:
        base = value.strip().rstrip("/")
        parts = urlsplit(base)
        if base and (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.username
            or parts.query
        ):
            raise ValueError("must look like https://studio.example.org")
        return base

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("private_hosts", "allowed_hosts", "lend_to", mode="before")
    @classmethod
    def _hosts(cls, value: Any) -> Any:
        return (
            frozenset(h.strip().lower() for h in value.split(",") if h.strip())
            if isinstance(value, str)
            else value
        )

    @property
    def hosted(self) -> bool:
        """True when strangers can reach the page: then it ignores the owner's key and shows each visitor only their own jobs."""
        reachable = self.server_name not in ("", "127.0.0.1", "localhost", "::1")
        proxied = bool(self.root_path.strip("/")) and not self.own_proxy
        open_to_others = self.space_id or self.share or self.public_base_url or self.password
        return bool(open_to_others or reachable or proxied)

    @property
    def signs_in(self) -> bool:
        """Can visitors sign in with Hugging Face? Only on a Space: elsewhere gradio signs everybody in as the owner of the machine."""
        space = self.system == "spaces" and bool(self.space_id)  # as gradio asks
        return space and bool(self.oauth_client_id) and self.password is None

    def lends(self, owner: str) -> bool:
        """Is this home's key lent to that visitor?"""
        name = owner.removeprefix(HUB_OWNER)
        known = self.signs_in and owner.startswith(HUB_OWNER)
        return self.lend_key and known and (not self.lend_to or name in self.lend_to)

    @property
    def frame_hosts(self) -> tuple[str, ...]:
        """Origins of the page's own public addresses, which may frame it."""
        names = [name.strip().lower() for name in self.space_host.split(",") if name.strip()]
        public = urlsplit(self.public_base_url)
        own = [f"{public.scheme}://{public.netloc.lower()}"] if public.netloc else []
        return (*own, *(f"https://{name}" for name in names))

    @property
    def page_url(self) -> str:
        """Public base address of the page, or nothing: never taken from what a request says about itself."""
        return self.public_base_url or (
            f"https://{self.space_host.split(',')[0].strip()}" if self.space_host else ""
        )

    @property
    def proxies(self) -> dict[str, str]:
        """The system's proxies, passed on purpose: the sessions themselves ignore the environment, and with it ``~/.netrc``."""
        return {
            scheme: url for scheme, url in getproxies().items() if scheme in ("http", "https", "no")
        }


def load(**given: Any) -> Settings:
    """The settings of this process; ``given`` wins over the environment. Raises as ``Settings`` does."""
    return Settings(**given)


def unknown_variables(environment: Mapping[str, str] = os.environ) -> list[str]:
    """A sentence for each ``KLING_...`` variable that is no setting, with the nearest name that is one."""
    known = [variable(field) for field in Settings.model_fields]
    wrong = [
        name
        for name in sorted(environment)
        if name.startswith("KLING_") and name not in known and not name.startswith(_TESTS)
    ]
    return [f"{name} is no setting and is ignored.{_nearest(name, known)}" for name in wrong]


_TESTS = "KLING_REQUIRE_"
"""How the variables begin that only the tests read."""


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f" Did you mean {near[0]}?" if near else ""


def variable(field: str) -> str:
    """The environment variable of a field (or of one of its names)."""
    info = Settings.model_fields.get(field)
    return str(info.validation_alias) if info is not None else field
