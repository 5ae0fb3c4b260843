"""Which provider makes a job, and with whose key: decided anew at each call.

The key of a visitor lives in this memory while a job of theirs needs it, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pydantic import SecretStr

from kling_utils import events as ev
from kling_utils.errors import CannotServe, KlingError
from kling_utils.jobs.job_errors import named
from kling_utils.jobs.store import Store
from kling_utils.providers.base import PaidProvider, Provider
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
        self._tokens: dict[str, SecretStr] = {}

    def own_key(self, owner: str = HOME_OWNER) -> SecretStr | None:
        """The key of this home's owner: never for a visitor, and never where the page is hosted."""
        mine = owner == HOME_OWNER and not self._settings.hosted
        return self._settings.novita_api_key if mine else None

    def key_for_jobs(self, owner: str = HOME_OWNER) -> SecretStr | None:
        """The key that pays for jobs of those who gave none: this home's, also where it is lent.

        A visitor whom it is lent to makes jobs with it, and learns nothing else of the account.
        """
        lent = self._settings.lends(owner)
        return self._settings.novita_api_key if lent else self.own_key(owner)

    def provider_for(self, key: SecretStr | None, owner: str = HOME_OWNER) -> ProviderName:
        """Novita with a key, else this machine."""
        return "novita" if key is not None or self.key_for_jobs(owner) is not None else "local"

    def remember(
        self, job_id: str, key: SecretStr | None, hf_token: SecretStr | None = None
    ) -> None:
        if key is not None:
            self._keys[job_id] = key
        if hf_token is not None:
            self._tokens[job_id] = hf_token

    def own_token(self) -> SecretStr | None:
        """The Hugging Face token of this home's owner: on a hosted page only where the owner publishes with it."""
        lent = not self._settings.hosted or self._settings.publish == "huggingface"
        return self._settings.hf_token if lent else None

    def token(self, job_id: str) -> SecretStr | None:
        """The Hugging Face token that was given for a job."""
        return self._tokens.get(job_id)

    def forget_token(self, job_id: str) -> None:
        """The job has ended, and what it published was taken back."""
        self._tokens.pop(job_id, None)

    def held(self, job_id: str) -> SecretStr | None:
        return self._keys.get(job_id)

    def forget(self, job_id: str, only: SecretStr | None = None) -> None:
        """Forget a job's key; with ``only``, unless another one was given since."""
        if only is None or self._keys.get(job_id) is only:
            self._keys.pop(job_id, None)
        if only is None:
            self.forget_token(job_id)

    def provider(self, job: Job) -> Provider:
        """Who makes the job's video. Raises ``CannotServe`` when this process cannot go on with the job."""
        return self.local if job.draft else self.paid_for(job)

    def paid(self, key: SecretStr, *, tries: int = 1) -> PaidProvider:
        """Who speaks at the host of the settings, with that key."""
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
        if job.state == "submitting":  # that its request is in doubt can be told without a key
            return True
        try:
            self.provider(job)
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

    def paid_for(self, job: Job, *, tries: int = 1) -> PaidProvider:
        """The provider of a job that was not drafted here. Raises ``CannotServe``."""
        wanted = self._settings.novita_base_url
        # a key is never sent to a host that it was not meant for, nor a task asked for elsewhere
        if job.base_url not in (None, wanted):
            told = f"The job is at {job.base_url}, but NOVITA_BASE_URL says {wanted}."
            raise _waits(job, "host", told, "Set it back, then resume the job.")
        mine = self._store.private(job.job_id).key_from == "settings"
        key = self._keys.get(job.job_id) or (self.key_for_jobs(job.owner) if mine else None)
        if key is None:
            told = "The job waits for its API key, which is not kept on disk."
            how = "Set NOVITA_API_KEY" if mine else "Give the key again"
            raise _waits(job, "key", told, f"{how}, then resume the job.")
        return self.paid(key, tries=tries)


def _waits(job: Job, what: Literal["key", "host"], told: str, hint: str) -> KlingError:
    return named(CannotServe(told, hint=hint, waits_for=what, money=job.money), job)
