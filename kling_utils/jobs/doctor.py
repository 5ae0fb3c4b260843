"""Is everything there that a job will need? Asked before one needs it: the home, ffmpeg, the models, the key, every way to publish.

Nothing here costs money. A way to publish is tried with a small test file, which is taken back.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pydantic import SecretStr

from kling_utils.errors import KlingError
from kling_utils.jobs import database
from kling_utils.jobs.client import Client
from kling_utils.media import ffmpeg, nets
from kling_utils.media.files import sha256
from kling_utils.providers.publish import PublishTarget, at_host
from kling_utils.settings import unknown_variables
from kling_utils.values import HOME_OWNER, Finding, Report, Severity

TITLES = {
    "home": "Home",
    "ffmpeg": "ffmpeg",
    "models": "Pose models",
    "key": "API key",
    "publish": "Publishing local clips",
}
"""Of each question, in the order in which they are asked."""
NETWORK_DISKS = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb",
        "smb3",
        "smbfs",
        "9p",
        "fuse.sshfs",
        "afpfs",
        "davfs",
        "ceph",
        "glusterfs",
        "lustre",
    ]
)
MOUNTS = Path("/proc/mounts")


Question = Callable[[], Iterable[Finding]]


def examine(client: Client, *, key: SecretStr | None = None, owner: str = HOME_OWNER) -> Report:
    """Every question and its answer; ``key`` is a visitor's own. A visitor is not told where things lie."""
    return _answers(
        home=lambda: _home(client, owner),
        key=lambda: _key(client, key, owner),
        publish=lambda: _publish(client),
    )


def without_home(error: KlingError) -> Report:
    """The questions that need no home, where the home cannot be used: ``error`` says why."""
    home = _answer("home", "error", error.message, fix=error.hint)
    return _answers(home=lambda: [home])


def _answers(**about: Question) -> Report:
    findings: list[Finding] = []
    questions = {"ffmpeg": _ffmpeg, "models": _models, **about}
    for code in TITLES:
        try:
            findings += questions[code]() if code in questions else ()
        except KlingError as error:
            findings.append(_answer(code, "error", error.message, fix=_next(error)))
    return Report(tuple(findings))


def _answer(
    code: str,
    severity: Severity,
    measured: str,
    *,
    allowed: str = "",
    fix: str = "",
    title: str = "",
) -> Finding:
    title = title or TITLES[code]
    return Finding(f"doctor.{code}", code, severity, title, measured, allowed, fix, "measured here")


def _next(error: KlingError) -> str:
    """What to do about it, without being sent to where one is."""
    return error.hint.replace(": run doctor.", ".")


def _home(client: Client, owner: str) -> Iterator[Finding]:
    root, hosted = client.home.root, client.settings.hosted
    for told in [] if hosted else unknown_variables():
        fix = "Correct the variable's name, or unset it."
        yield _answer("settings", "warning", told, fix=fix, title="Settings")
    if said := database.repair_notice(client.home, client.rebuilt):
        fix = "Look at the list of jobs. What was set aside may then be deleted."
        yield _answer("home.database", "warning", said, fix=fix, title="Database")
    disk, where = filesystem(root), "" if owner != HOME_OWNER or hosted else f"{root}, "
    free = shutil.disk_usage(root).free
    if disk in NETWORK_DISKS:
        told = f"{where}on a network disk ({disk})"
        fix = "Point KLING_HOME to a disk of this machine: the database is not safe on a network disk."
        yield _answer("home", "error", told, allowed="a local disk", fix=fix)
    elif free < 1_000_000_000:
        told = f"{where}{free / 1e6:.0f} MB free"
        yield _answer("home", "warning", told, allowed="1 GB or more", fix="Make room.")
    else:
        yield _answer("home", "pass", f"{where}a local disk", allowed="a local disk")


def filesystem(path: Path, mounts: Path = MOUNTS) -> str:
    """Kind of file system that ``path`` lies on, such as ``ext4``; empty where the system does not tell."""
    try:
        lines = [line.split() for line in mounts.read_text("utf-8").splitlines()]
    except OSError:
        return ""
    where = str(path.resolve())
    over = [(mount.replace("\\040", " "), kind) for _, mount, kind, *_ in lines]
    holding = [
        (len(mount), kind)
        for mount, kind in over
        if where == mount or where.startswith(mount.rstrip("/") + "/")
    ]
    return max(holding, default=(0, ""))[1]


def _ffmpeg() -> Iterator[Finding]:
    version, encoders = (
        ffmpeg.run([what], timeout=20, quiet=False).stdout.decode("utf-8", "replace")
        for what in ("-version", "-encoders")
    )
    told, allowed = " ".join(version.split()[:3]), "one that writes H.264"
    if "libx264" in encoders:
        yield _answer("ffmpeg", "pass", told, allowed=allowed)
    else:
        fix = "Install imageio-ffmpeg again, and unset IMAGEIO_FFMPEG_EXE."
        yield _answer("ffmpeg", "error", f"{told}, without libx264", allowed=allowed, fix=fix)


def _models() -> Iterator[Finding]:
    models = json.loads((nets.MODELS / "models.json").read_text("utf-8"))["models"]
    wrong = [row["file"] for row in models if _digest(nets.MODELS / row["file"]) != row["sha256"]]
    if wrong:
        told = f"missing or changed: {', '.join(wrong)}"
        fix = "Install the package again: local drafts need them."
        yield _answer("models", "error", told, allowed="as published", fix=fix)
    else:
        told = f"{len(models)} files, as published"
        yield _answer("models", "pass", told, allowed="as published")


def _digest(path: Path) -> str:
    try:
        return sha256(path)
    except OSError:
        return ""


def _key(client: Client, key: SecretStr | None, owner: str) -> Iterator[Finding]:
    mine = owner == HOME_OWNER and not client.settings.hosted
    if key is None and not mine and client.settings.novita_api_key is not None:
        told, fix = (
            ("set, and lent to you", "Your budget is in the part Spending and budget.")
            if client.settings.lends(owner)
            else (
                "set, and ignored: this page is hosted",
                "Visitors use their own key, or drafts.",
            )
        )
        yield _answer("key", "advice", told, fix=fix)
    elif client.provider_for(key, owner=owner) == "local":
        fix = "Results are local drafts; set NOVITA_API_KEY for Kling's."
        yield _answer("key", "advice", "not set", fix=fix)
    else:
        balance = client.balance(key, owner=owner).available
        yield _answer(
            "key", "pass", f"works at {client.settings.novita_base_url}; balance {balance}"
        )


def _publish(client: Client) -> Iterator[Finding]:
    ways, page_url = client.ways(), client.settings.page_url
    if client.page_refusal:
        fix = "Make the page public, or set KLING_PUBLISH_TO."
        yield _answer("publish", "error", client.page_refusal, fix=fix)
    elif page_url and client.page is None:
        told = f"the page at {page_url} is set, and not tried here"
        fix = "Only the page itself can try it: start it, and look under Check this installation."
        yield _answer("publish", "advice", told, fix=fix)
    elif not ways:
        fix = (
            "With a key, set KLING_PUBLISH_TO to tunnel, huggingface or an object store, or give clips as public https addresses. "
            "The page offers the same when a clip is there."
        )
        yield _answer("publish", "advice", "no way is set", fix=fix)
    for way in ways:
        yield try_way(client, way)


def try_way(client: Client, way: PublishTarget) -> Finding:
    """Publish a small test file and take it back: who can see it and how long, or why that failed."""
    with tempfile.TemporaryDirectory(prefix="doctor-") as folder:
        test = Path(folder) / "doctor.mp4"
        source = ["-f", "lavfi", "-i", "color=size=64x64:rate=10", "-t", "0.3"]
        ffmpeg.run([*source, *ffmpeg.H264, str(test)], timeout=30)
        left = ""
        try:
            published = at_host(way.host, test, client.guard)
        except KlingError as error:
            return _answer("publish", "error", error.message, fix=_next(error))
        finally:
            try:
                way.host.withdraw(test)
            except KlingError as error:
                left = f"; the test file could not be taken back: {error.message}"
    if published.expires_at:
        hours = (published.expires_at - client.now()) / 3600
        seen = f"anyone with the unguessable address can fetch it for {hours:.0f} hours"
    else:
        seen = "anyone who can see the store, or has the address, can fetch it, without an end"
    ends = ", and it is taken back when the job has ended" if way.withdraw else ""
    return _answer("publish", "pass", f"{published.how}: {seen}{ends}{left}")
