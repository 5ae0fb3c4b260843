"""A job as code to take along: Python, a notebook's cell, and curl.

Owns the three texts. What people typed is written as a literal, so that it stays text wherever it
is pasted. No key and no path of this machine is in them: the key is named by its environment
variable, and files by the names under which they were given.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from kling_utils.providers.novita import POLL, SUBMIT, payload
from kling_utils.settings import NOVITA
from kling_utils.values import Job, parameters

KEY = "$NOVITA_API_KEY"
_VIDEO = "https://example.com/"


def python(job: Job) -> str:
    """A program that asks for the same."""
    return (
        "import kling_utils as kling\n\n"
        "# Set NOVITA_API_KEY for a Kling result; without it, a free local draft is made.\n"
        f"result = kling.run({_request(job)})\n"
        "print(result.video)  # run again, it is not paid again; again=True makes another take\n"
    )


def cell(job: Job) -> str:
    """The same for a notebook: reference and result on the stage."""
    return (
        "import kling_utils as kling\n\n"
        f"result = kling.run({_request(job)})\n"
        "result.stage()  # run again, it is not paid again; again=True makes another take\n"
    )


def curl(job: Job) -> str:
    """The same two calls without this package: submit, then ask for the result. The picture goes along, the clip needs an address."""
    body = json.dumps(
        payload(job.request, image="IMAGE", video=_VIDEO + _plain(job.video_name)),
        indent=2,
        ensure_ascii=True,
    )
    picture, host = shlex.quote(job.image_name), NOVITA if job.draft else job.base_url or NOVITA
    kind = "png" if Path(job.request.image).suffix.lower() == ".png" else "jpeg"
    image = f'$body + {{image: ("data:image/{kind};base64," + .)}}'
    return (
        "# The clip must lie at a public address; the key is read from the environment.\n"
        f"base64 < {picture} | tr -d '\\n' | jq -Rs --argjson body {shlex.quote(body)} {shlex.quote(image)} |\n"
        f'  curl -sS {host}{SUBMIT} -H "Authorization: Bearer {KEY}" -H "Content-Type: application/json" --data-binary @-\n\n'
        "# It answers with a task_id. Ask until it has succeeded; the link to the video is good for an hour.\n"
        f'curl -sS "{host}{POLL}?task_id=TASK_ID" -H "Authorization: Bearer {KEY}"\n'
    )


def _request(job: Job) -> str:
    lines = [f"    image={job.image_name!r},", f"    video={job.video_name!r},"]
    lines += [
        f"    {name}={value!r}," for name, value in parameters(job.request).items() if value != ""
    ]
    return "\n" + "\n".join(lines) + "\n"


def _plain(name: str) -> str:
    return (
        "".join(c if c.isascii() and (c.isalnum() or c in ".-_") else "-" for c in name)
        or "clip.mp4"
    )
