"""Where a job's provider is, and with whose key: decided anew at each call.

Owns visitors' keys, which live in this memory for as long as their job needs them and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import SecretStr

from kling_utils import events as ev
from kling_utils.errors import CannotServe
from kling_utils.jobs.job_errors import named
from kling_utils.jobs.store import Store
from kling_utils.providers.base import Provider
from kling_utils.providers.http import Transport
from kling_utils.providers.local import LocalProvider
from kling_utils.providers.novita import NovitaProvider
from kling_utils.settings import Settings
from kling_utils.values import HOME_OWNER, Job
from kling_utils.values import Provider as ProviderName


class Credentials:
    """Resolves a job to its provider. Thread-safe: a dict's own operations are all it needs."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        *,
        transport: Transport,
        local: LocalProvider,
        clock: Callable[[], float],
    ) -> None:
        self._settings, self._store, self._clock = settings, store, clock
        self._transport, self.local = transport, local
        self._proved: dict[str, float] = {}
        self._keys: dict[str, SecretStr] = {}

    def own_key(self, owner: str = HOME_OWNER) -> SecretStr | None:
        """The key of this home's owner: never for a visitor, and never where the page is hosted."""
        mine = owner == HOME_OWNER and not self._settings.hosted
        return self._settings.novita_api_key if mine else None

    def provider_for(self, key: SecretStr | None, owner: str = HOME_OWNER) -> ProviderName:
        """Novita with a key, else this machine."""
        return "novita" if key is not None or self.own_key(owner) is not None else "local"

    def remember(self, job_id: str, key: SecretStr | None) -> None:
        if key is not None:
            self._keys[job_id] = key

    def held(self, job_id: str) -> SecretStr | None:
        return self._keys.get(job_id)

    def forget(self, job_id: str, only: SecretStr | None = None) -> None:
        """Forget a job's key; with ``only``, unless another one was given since."""
        if only is None or self._keys.get(job_id) is only:
            self._keys.pop(job_id, None)

    def require(self, job: Job) -> None:
        """Raises ``CannotServe`` when this process cannot go on with the job."""
        if job.provider != "local":
            self.novita_of(job)

    def provider(self, job: Job) -> Provider:
        """Who makes the job's video. Raises ``CannotServe``."""
        return self.local if job.draft else self.novita_of(job)

    def novita(self, key: SecretStr, *, tries: int = 1) -> NovitaProvider:
        """The provider of the settings, with that key."""
        return NovitaProvider(
            self._settings.novita_base_url,
            key,
            transport=self._transport,
            proved=self._proved,
            clock=self._clock,
            tries=tries,
        )

    def servable(self, job_id: str) -> bool:
        """Can this process go on with it? A visitor's job whose key is gone is marked, so that its page can ask for the key."""
        job = self._store.get(job_id)
        try:
            self.require(job)
        except CannotServe as error:
            now = self._clock()
            private = self._store.private(job_id)
            if private.key_from == "visitor" and not job.waits_for:
                self._store.change(
                    job_id,
                    ev.Note(text=f"{error.message} {error.hint}"),
                    now=now,
                    unleased=True,
                    waits_for=error.waits_for,
                )
            return False
        return True

    def novita_of(self, job: Job, *, tries: int = 1) -> NovitaProvider:
        """The provider of a job that was not drafted here. Raises ``CannotServe``."""
        wanted = self._settings.novita_base_url
        # a key is never sent to a host that it was not meant for, nor a task asked for elsewhere
        if job.base_url not in (None, wanted):
            told = f"The job is at {job.base_url}, but NOVITA_BASE_URL says {wanted}."
            raise named(
                CannotServe(
                    told,
                    hint="Set it back, then resume the job.",
                    waits_for="host",
                    money=job.money,
                ),
                job,
            )
        private = self._store.private(job.job_id)
        key = self._keys.get(job.job_id) or (
            self.own_key(job.owner) if private.key_from == "settings" else None
        )
        if key is None:
            how = "Set NOVITA_API_KEY" if private.key_from == "settings" else "Give the key again"
            told = "The job waits for its API key, which is not kept on disk."
            raise named(
                CannotServe(
                    told, hint=f"{how}, then resume the job.", waits_for="key", money=job.money
                ),
                job,
            )
        return self.novita(key, tries=tries)
