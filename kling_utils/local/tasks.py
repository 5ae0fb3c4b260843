"""The loopback server's tasks: taken, kept on disk, rendered one at a time, swept.

Owns a task's life and its folder: ``tasks/<id>/`` with ``task.json``, the inputs while they are needed, and ``result.mp4``. What it
finds there at the start goes on, so that the end of one server is not the end of its tasks. Refuses to know HTTP, keys and the engine.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from kling_utils.errors import KlingError
from kling_utils.local import record, wire
from kling_utils.local.files import Uploads, link, own_path
from kling_utils.local.record import Task
from kling_utils.local.rendering import RUN_LIMIT, WORKER, Rendering
from kling_utils.local.wire import Refusal, Submission, View

RESULT_HOURS = 24.0  # an ended task and its result are kept this long
SWEEP_EVERY = 600.0  # seconds
ATTEMPTS = 3  # a task during which the server went this often is probably why it went
_FAREWELL = 5.0  # seconds that a fetch in progress is waited for at the end
_KEPT = frozenset({"task.json", "result.mp4", "engine.log"})  # of an ended task
_PROGRESS_KEPT = 0.1  # progress goes to disk in steps of this size

log = logging.getLogger(__name__)


class Tasks:
    """All tasks of a home. ``allow`` is handed to the guard of addresses."""

    def __init__(
        self,
        folder: Path,
        uploads: Uploads,
        *,
        command: Sequence[str] = WORKER,
        allow: frozenset[str] = frozenset(),
        run_limit: float = RUN_LIMIT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._uploads, self._command = folder, uploads, tuple(command)
        self._allow, self._run_limit, self._clock = allow, run_limit, clock
        self._changed = threading.Condition()
        self._stopping = False
        self._rendering: Rendering | None = None
        self._thread = threading.Thread(target=self._work, name="kling-local-tasks", daemon=True)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._tasks = record.load(folder)

    def start(self) -> None:
        """Begin to render, with what an earlier server left."""
        self._thread.start()

    def close(self) -> None:
        """Stop rendering; what is unfinished stays on disk for the next server, and is not written to any more by this one."""
        with self._changed:
            self._stopping = True
            rendering = self._rendering
            for task in self._tasks.values():
                if task.status == "processing":
                    task.attempts -= 1  # stopped on purpose, which says nothing about the task
                    self._keep(task)
            self._changed.notify_all()
        if rendering is not None:
            rendering.stop()
        if self._thread.ident is not None:
            self._thread.join(_FAREWELL)

    def submit(self, submission: Submission) -> str:
        """Take a task and return its id. It is on disk when this returns. Raises ``Refusal``."""
        task_id = str(uuid.uuid4())
        staging = self._folder / f".{task_id}"
        staging.mkdir(mode=0o700)
        try:
            image, _ = self._take("image", submission.image, staging)
            video, seconds = self._take("video", submission.video, staging)
            task = Task(
                task_id=task_id,
                order=0,
                image=image,
                video=video,
                seconds=wire.IMAGE_SECONDS
                if submission.character_orientation == "image"
                else seconds,
                model_name=submission.model_name,
                character_orientation=submission.character_orientation,
                keep_original_sound=submission.keep_original_sound,
                created=self._clock(),
            )
            with self._changed:
                task.order = 1 + max((t.order for t in self._tasks.values()), default=0)
                record.save(task, staging)
                os.rename(staging, self._folder / task_id)
                self._tasks[task_id] = task
                self._changed.notify_all()
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return task_id

    def view(self, task_id: str) -> View:
        """The task as a poll shows it. Raises ``Refusal`` when there is none."""
        with self._changed:
            task = self._tasks.get(task_id)
            if task is None:
                raise Refusal("TASK_NOT_FOUND", "task not found")
            waiting = self._waiting()
            now = self._clock()
            ttl = 0 if task.ended is None else max(0, int(task.ended + RESULT_HOURS * 3600 - now))
            return View(
                task_id=task_id,
                status=task.status,
                reason=task.reason,
                progress=100 if task.status == "succeeded" else min(99, int(task.progress * 100)),
                eta=record.eta(task, self._tasks.values(), now),
                created=task.created,
                started=task.started,
                ended=task.ended,
                place=waiting.index(task) + 1 if task in waiting else None,
                stage=task.stage if task.status == "processing" else "",
                token=task.token,
                ttl=ttl,
            )

    def result(self, token: str) -> Path | None:
        """The result's file behind a link's token, or None."""
        with self._changed:
            found = next(
                (
                    t
                    for t in self._tasks.values()
                    if t.status == "succeeded"
                    and secrets.compare_digest(t.token.encode(), token.encode())
                ),
                None,
            )
        path = self._folder / found.task_id / "result.mp4" if found else None
        return path if path is not None and path.is_file() else None

    def sweep(self) -> None:
        """Remove ended tasks that are older than ``RESULT_HOURS``, with their results, and uploads that nobody used."""
        now = self._clock()
        with self._changed:
            old = [
                t
                for t in self._tasks.values()
                if t.ended is not None and now - t.ended > RESULT_HOURS * 3600
            ]
            for task in old:
                del self._tasks[task.task_id]
        for task in old:
            shutil.rmtree(self._folder / task.task_id, ignore_errors=True)
        self._uploads.sweep(now)

    # --- taking ---

    def _take(
        self, name: Literal["image", "video"], given: bytes | str, folder: Path
    ) -> tuple[str, float]:
        """Put an input into the task's folder and look at it, or keep its address for later. Returns its name and its length (s)."""
        path = folder / name
        if isinstance(given, bytes):
            path.write_bytes(given)
        elif (own := own_path(given)) is not None:
            found = self._own_file(own)
            if found is None:
                raise Refusal(
                    "INVALID_REQUEST_BODY", f"{name}: there is no such file on this server"
                )
            with contextlib.suppress(OSError):
                now = self._clock()
                os.utime(found, (now, now))
            link(found, path)
        else:
            return given, record.USUAL_SECONDS
        return _looked_at(name, path)

    def _own_file(self, path: str) -> Path | None:
        _, _, kind, name = path.split("/", 3) if path.count("/") == 3 else ("", "", "", "")
        if kind == "results":
            return self.result(name.removesuffix(".mp4"))
        return self._uploads.find(name) if kind == "files" else None

    # --- rendering ---

    def _work(self) -> None:
        swept = float("-inf")
        while True:
            if time.monotonic() - swept > SWEEP_EVERY:
                swept = time.monotonic()
                try:
                    self.sweep()
                except OSError:
                    log.warning("the sweep of old local tasks failed", exc_info=True)
            with self._changed:
                if self._stopping:
                    return
                task = next(iter(self._waiting()), None)
                if task is None:
                    self._changed.wait(SWEEP_EVERY)
                    continue
                rendering = self._begin(task)
            try:
                reason = self._render(task, rendering)
            except KlingError as error:
                reason = error.message
            except Exception:  # one broken task must not stop the queue
                log.exception("the local task %s failed unexpectedly", task.task_id)
                reason = "the local server could not render this task"
            self._finish(task, reason)

    def _begin(self, task: Task) -> Rendering:
        task.status, task.started = "processing", self._clock()
        task.attempts += 1
        self._rendering = Rendering(self._command, limit=self._run_limit)
        self._keep(task)
        return self._rendering

    def _render(self, task: Task, rendering: Rendering) -> str:
        """Fetch what is still elsewhere and render. Returns the reason of a failure, or nothing. Raises ``KlingError`` for others."""
        if task.attempts > ATTEMPTS:
            return f"the local server ended {ATTEMPTS} times while it rendered this task"
        folder = self._folder / task.task_id
        paths = {}
        for name, given in (("image", task.image), ("video", task.video)):
            try:
                paths[name], seconds = self._fetched(name, given, folder)
            except Refusal as refusal:
                size = (
                    "resolution or aspect ratio of the input image is invalid: "
                    if refusal.reason == "INVALID_IMAGE_SIZE"
                    else ""
                )
                return size + refusal.message
            except KlingError as error:
                return f"the {name} could not be fetched: {error.message}"
        if task.character_orientation == "video" and seconds:
            task.seconds = seconds
        out = folder / f"out-{task.attempts}.mp4"
        order = {"image": str(paths["image"]), "video": str(paths["video"]), "out": str(out)}
        rendering.run(
            order
            | {
                k: getattr(task, k)
                for k in ("character_orientation", "model_name", "keep_original_sound")
            },
            on_progress=lambda share, stage: self._progress(task, share, stage),
            log=folder / "engine.log",
        )
        if not out.is_file() or not out.stat().st_size:
            return "the local engine wrote no video"
        os.replace(out, folder / "result.mp4")
        return ""

    def _fetched(self, name: str, given: str, folder: Path) -> tuple[Path, float]:
        if "://" not in given:
            return folder / given, 0.0
        from kling_utils.media.guard import Guard  # late: only for addresses elsewhere

        kind: Literal["image", "video"] = "image" if name == "image" else "video"
        path = folder / name
        Guard(allow=self._allow).fetch(given, path, max_bytes=wire.FILE_LIMIT, kinds=(kind,))
        found, seconds = _looked_at(kind, path)
        return folder / found, seconds

    def _progress(self, task: Task, share: float, stage: str) -> None:
        with self._changed:
            before = task.progress
            task.progress, task.stage = max(before, share), stage
            if (
                int(task.progress / _PROGRESS_KEPT) > int(before / _PROGRESS_KEPT)
                and not self._stopping
            ):
                self._keep(task)

    def _finish(self, task: Task, reason: str) -> None:
        with self._changed:
            self._rendering = None
            if self._stopping:
                return
            task.ended, task.reason, task.stage = self._clock(), reason, ""
            task.status = "failed" if reason else "succeeded"
            task.token = "" if reason else secrets.token_urlsafe(24)
            task.image = task.video = ""  # an address may be a credential
            self._keep(task)
        with contextlib.suppress(OSError):
            for path in (self._folder / task.task_id).iterdir():
                if path.name not in _KEPT:
                    path.unlink(missing_ok=True)

    def _keep(self, task: Task) -> None:
        """Write the task's file. A full disk does not stop the queue: the task then only lives as long as this server."""
        try:
            record.save(task, self._folder / task.task_id)
        except OSError:
            log.warning("the local task %s could not be written", task.task_id, exc_info=True)

    # --- looking ---

    def _waiting(self) -> list[Task]:
        """Those in the queue, the next one first."""
        return record.waiting(self._tasks.values())


def _looked_at(name: Literal["image", "video"], path: Path) -> tuple[str, float]:
    """Check an input by the wire's limits and give it its suffix. Returns its name and, for a video, its length in seconds."""
    if name == "image":
        suffix, seconds = wire.check_image(path), 0.0
    else:
        suffix, seconds = ".mp4", wire.check_video(path)
    final = path.with_suffix(suffix)
    os.replace(path, final)
    return final.name, seconds
