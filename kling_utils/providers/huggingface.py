"""Hugging Face as a host of clips: a public dataset repository for each job, which is deleted whole.

To delete a file would leave it in the repository's history. The name of the repository cannot be guessed, but the account's profile
lists it while it is there.
"""

from __future__ import annotations

import json
import logging
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from kling_utils.errors import NotPublished
from kling_utils.media.files import atomic_write
from kling_utils.values import Published

if TYPE_CHECKING:
    from huggingface_hub import HfApi

LOG = logging.getLogger(__name__)
ENDPOINT = "https://huggingface.co"
HOW = "a public dataset at Hugging Face"
RECORD = "huggingface.json"
"""In the job's folder: the name of its repository, written before the repository is made."""
TOKENS = "huggingface.co, Settings, Access Tokens"
RIGHT = "Write access to contents/settings of all repos under your personal namespace"
"""The narrowest right of a fine-grained token that makes and deletes repositories, in the site's own words."""
SCOPES = frozenset({"contribute-repos", "manage-repos"})
"""Scopes of a sign-in, either of which makes repositories. The first, and narrowest, reaches no others than those that the app made."""


@dataclass(frozen=True, slots=True)
class HuggingFace:
    """A host (``publish.Host``) for the files of jobs. ``token`` is None where it was in memory only, and is gone."""

    token: SecretStr | None
    endpoint: str = ENDPOINT

    def publish(self, path: Path) -> Published:
        """Upload a file of a job into the job's repository, which is made for the first one. Raises ``NotPublished``."""
        api, record = self._api("take the clip"), path.parent / RECORD
        try:
            repo = _kept(record)
            if repo is not None and "/" not in repo:  # a process ended while it made it
                api.delete_repo(repo, repo_type="dataset", missing_ok=True)
                repo = None
            if repo is None:
                name = f"motion-{secrets.token_hex(16)}"
                _keep(record, name)
                repo = api.create_repo(name, repo_type="dataset", visibility="public").repo_id
                _keep(record, repo)
            with path.open("rb") as file:
                api.upload_file(
                    path_or_fileobj=file,
                    path_in_repo=path.name,
                    repo_id=repo,
                    repo_type="dataset",
                    commit_message="Add a file",
                )
        except Exception as error:  # noqa: BLE001 - the library's own tree, that of its transport, and the disk's
            raise _refused(error, "take the clip") from None
        return Published(f"{self.endpoint}/datasets/{repo}/resolve/main/{path.name}", None, HOW)

    def withdraw(self, path: Path) -> None:
        """Delete the whole repository of the file's job. Raises ``NotPublished``, which names what is left."""
        record = path.parent / RECORD
        if (repo := _kept(record)) is None:
            return
        left = f"{self.endpoint}/datasets/{repo}" if "/" in repo else f"the dataset {repo}"
        try:
            api = self._api("delete the repository")
            api.delete_repo(repo, repo_type="dataset", missing_ok=True)
        except NotPublished as error:
            error.message = f"{error.message} {left} is still public: delete it in its settings."
            raise
        except Exception as error:  # noqa: BLE001 - as above
            told = _refused(error, "delete the repository")
            told.message = f"{told.message} {left} is still public: delete it in its settings."
            raise told from None
        record.unlink(missing_ok=True)

    def _api(self, what: str) -> HfApi:
        if self.token is None:
            raise NotPublished(
                f"Hugging Face cannot be asked to {what}: the token is not here any more. It is kept in memory only.",
                hint="Send it again with the token, or publish the clip another way.",
                field="video",
            )
        from huggingface_hub import HfApi

        # an upload by HTTP is what is wanted: one that goes through another library's threads is not ended with this program
        logging.getLogger("huggingface_hub._commit_api").setLevel(logging.ERROR)
        return HfApi(self.endpoint, token=self.token.get_secret_value())


def _kept(record: Path) -> str | None:
    try:
        repo = json.loads(record.read_text("utf-8"))["repository"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return repo if isinstance(repo, str) and repo else None


def _keep(record: Path, repo: str) -> None:
    with atomic_write(record) as part:
        part.write_text(json.dumps({"repository": repo}), "utf-8")


def _refused(error: Exception, what: str) -> NotPublished:
    """What happened, without the library's own text: it may hold an address with a signature."""
    LOG.info("Hugging Face did not %s: %s", what, type(error).__name__)
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401:
        told = "Hugging Face does not know the token."
        hint = f"Make a new one ({TOKENS}) with: {RIGHT}."
    elif status == 403:
        told = f"The Hugging Face token does not allow to {what}."
        hint = f"Make one ({TOKENS}) with: {RIGHT}."
    else:
        how = f"HTTP {status}" if status else type(error).__name__
        told, hint = f"Hugging Face did not {what} ({how}).", "Try again, or use another way."
    return NotPublished(told, hint=hint, field="video")
