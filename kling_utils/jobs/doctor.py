"""Is everything there that a job will need? Asked before one needs it: the home, ffmpeg, the models, the key, every way to publish.

Owns the questions and their words. Nothing here costs money; a way to publish is tried with a small
test file, which is taken back.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import SecretStr

from kling_utils.errors import KlingError
from kling_utils.jobs import database
from kling_utils.jobs.client import Client
from kling_utils.media import ffmpeg, nets
from kling_utils.providers.publish import Hosted, PublishTarget
from kling_utils.settings import unknown_variables
from kling_utils.values import HOME_OWNER, Finding, Report, Severity

NETWORK_DISKS = {
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
}
MOUNTS = Path("/proc/mounts")


def examine(runner: Client, *, key: SecretStr | None = None, owner: str = HOME_OWNER) -> Report:
    """Every question and its answer; ``key`` is a visitor's own. A visitor is not told where things lie."""
    questions: tuple[tuple[str, str, Callable[[Client], Iterator[Finding]]], ...] = (
        ("home", "Home", lambda runner: _home(runner, owner)),
        ("ffmpeg", "ffmpeg", _ffmpeg),
        ("models", "Pose models", _models),
        ("key", "API key", lambda runner: _key(runner, key, owner)),
        ("publish", "Publishing local clips", _publish),
    )
    found: list[Finding] = []
    for code, title, ask in questions:
        try:
            found += ask(runner)
        except KlingError as error:
            found.append(_answer(code, "error", title, error.message, fix=_next(error)))
    return Report(tuple(found))


def without_home(error: KlingError) -> Report:
    """The questions that need no home, where the home cannot be used: ``error`` says why."""
    home = _answer("home", "error", "Home", error.message, fix=error.hint)
    found = [home]
    for code, title, ask in (("ffmpeg", "ffmpeg", _ffmpeg), ("models", "Pose models", _models)):
        try:
            found += ask(None)
        except KlingError as trouble:
            found.append(_answer(code, "error", title, trouble.message, fix=_next(trouble)))
    return Report(tuple(found))


def _answer(
    code: str, severity: Severity, title: str, measured: str, *, allowed: str = "", fix: str = ""
) -> Finding:
    return Finding(f"doctor.{code}", code, severity, title, measured, allowed, fix, "measured here")


def _next(error: KlingError) -> str:
    """What to do about it, without being sent to where one is."""
    return error.hint.replace(": run doctor.", ".")


def _home(runner: Client, owner: str) -> Iterator[Finding]:
    root = runner.home.root
    for told in [] if runner.settings.hosted else unknown_variables():
        fix = "Correct the variable's name, or unset it."
        yield _answer("settings", "warning", "Settings", told, fix=fix)
    if said := database.sentence(runner.home, runner.rebuilt):
        fix = "Look at the list of jobs. What was set aside may then be deleted."
        yield _answer("home.database", "warning", "Database", said, fix=fix)
    disk, where = (
        filesystem(root),
        f"{root}, " if owner == HOME_OWNER and not runner.settings.hosted else "",
    )
    if disk in NETWORK_DISKS:
        fix = "Point KLING_HOME to a disk of this machine: the database is not safe on a network disk."
        yield _answer(
            "home",
            "error",
            "Home",
            f"{where}on a network disk ({disk})",
            allowed="a local disk",
            fix=fix,
        )
        return
    free = os.statvfs(root).f_bavail * os.statvfs(root).f_frsize if hasattr(os, "statvfs") else None
    if free is not None and free < 1_000_000_000:
        yield _answer(
            "home",
            "warning",
            "Home",
            f"{where}{free / 1e6:.0f} MB free",
            allowed="1 GB or more",
            fix="Make room.",
        )
    else:
        yield _answer("home", "pass", "Home", f"{where}a local disk", allowed="a local disk")


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


def _ffmpeg(_: object) -> Iterator[Finding]:
    version = (
        ffmpeg.run(["-version"], timeout=20, quiet=False)
        .stdout.decode("utf-8", "replace")
        .split("\n", 1)[0]
    )
    encoders = ffmpeg.run(["-encoders"], timeout=20, quiet=False).stdout.decode("utf-8", "replace")
    told = " ".join(version.split()[:3])
    if "libx264" in encoders:
        yield _answer("ffmpeg", "pass", "ffmpeg", told, allowed="one that writes H.264")
    else:
        fix = "Install imageio-ffmpeg again, and unset IMAGEIO_FFMPEG_EXE."
        yield _answer(
            "ffmpeg",
            "error",
            "ffmpeg",
            f"{told}, without libx264",
            allowed="one that writes H.264",
            fix=fix,
        )


def _models(_: object) -> Iterator[Finding]:
    table = json.loads((nets.MODELS / "models.json").read_text("utf-8"))
    wrong = [
        row["file"]
        for row in table["models"]
        if _digest(nets.MODELS / row["file"]) != row["sha256"]
    ]
    if wrong:
        fix = "Install the package again: local drafts need them."
        yield _answer(
            "models",
            "error",
            "Pose models",
            f"missing or changed: {', '.join(wrong)}",
            allowed="as published",
            fix=fix,
        )
    else:
        yield _answer(
            "models",
            "pass",
            "Pose models",
            f"{len(table['models'])} files, as published",
            allowed="as published",
        )


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _key(runner: Client, key: SecretStr | None, owner: str) -> Iterator[Finding]:
    mine = owner == HOME_OWNER and not runner.settings.hosted
    if key is None and not mine and runner.settings.novita_api_key is not None:
        yield _answer(
            "key",
            "advice",
            "API key",
            "set, and ignored: this page is hosted",
            fix="Visitors use their own key, or drafts.",
        )
    elif runner.provider_for(key, owner=owner) == "local":
        yield _answer(
            "key",
            "advice",
            "API key",
            "not set",
            fix="Results are local drafts; set NOVITA_API_KEY for Kling's.",
        )
    else:
        balance = runner.balance(key, owner=owner)
        yield _answer(
            "key",
            "pass",
            "API key",
            f"works at {runner.settings.novita_base_url}; balance {balance.available}",
        )


def _publish(runner: Client) -> Iterator[Finding]:
    ways, title = runner.ways(), "Publishing local clips"
    if runner.page_refusal:
        yield _answer(
            "publish",
            "error",
            title,
            runner.page_refusal,
            fix="Make the page public, or set KLING_PUBLISH_TO.",
        )
    elif runner.settings.page_url and runner.page is None:
        fix = "Only the page itself can try it: start it, and look under Check this installation."
        yield _answer(
            "publish",
            "advice",
            title,
            f"the page at {runner.settings.page_url} is set, and not tried here",
            fix=fix,
        )
    elif not ways:
        fix = "With a key, give clips as public https addresses, or set KLING_PUBLISH_TO to an object store."
        yield _answer("publish", "advice", title, "no way is set", fix=fix)
    for way in ways:
        yield _try(runner, way)


def _try(runner: Client, way: PublishTarget) -> Finding:
    title = "Publishing local clips"
    with tempfile.TemporaryDirectory(prefix="doctor-") as folder:
        test = Path(folder) / "doctor.mp4"
        ffmpeg.run(
            ["-f", "lavfi", "-i", "color=size=64x64:rate=10", "-t", "0.3", *ffmpeg.H264, str(test)],
            timeout=30,
        )
        try:
            published = Hosted(way.host, runner.guard).publish(test)
        except KlingError as error:
            return _answer("publish", "error", title, error.message, fix=_next(error))
        finally:
            try:
                way.host.withdraw(test)
                left = ""
            except KlingError as error:
                left = f"; the test file could not be taken back: {error.message}"
    if published.expires_at:
        seen = f"whoever has the unguessable address can fetch it for {(published.expires_at - runner.now()) / 3600:.0f} hours"
    else:
        seen = "whoever can see the store, or has the address, can fetch it, without an end"
    ends = ", and it is taken back when the job has ended" if way.withdraw else ""
    return _answer("publish", "pass", title, f"{published.how}: {seen}{ends}{left}")
