"""What one look at a job does: publish and submit, poll, save. The state says which; each state is written before the act it names.

Once a job is sent, errors of the network never end it: only the provider's own "failed" does, or
a link to the result that stays gone for an hour.
"""

from __future__ import annotations

import filecmp
import logging
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from kling_utils import events as ev
from kling_utils.errors import (
    CannotServe,
    DownloadFailed,
    Interrupted,
    KeyRefused,
    KlingError,
    LinkExpired,
    NoContact,
    NoSuchJob,
    NotPublished,
    RateLimited,
    SettingError,
    SubmitUnconfirmed,
    TaskNotFound,
    UnreadableMedia,
)
from kling_utils.jobs.budget import Limits
from kling_utils.jobs.job_errors import LOOK_THERE
from kling_utils.jobs.result_file import ResultFile, TaskEnded
from kling_utils.jobs.store import DuplicateRequest, JobSecrets, Store
from kling_utils.jobs.timing import Pace, next_wait
from kling_utils.media.fetch import Guard
from kling_utils.providers.base import Provider, TaskStatus
from kling_utils.providers.failures import task_failed
from kling_utils.providers.http import PATIENCE, SUBMIT_PATIENCE, TRIES, full_jitter
from kling_utils.providers.publish import PublishTarget, at_address, image_source, publish_clip
from kling_utils.values import Job, Published, State, Trouble

LOG = logging.getLogger(__name__)
NOT_KNOWN = (
    "The provider does not know the task at the moment. It is looked for again for 24 hours; "
    "what was paid for is not given up."
)
TURN = "Waiting for its turn: the account takes so many requests in a minute. It is sent by itself."
LINK_ENDED = (
    "The temporary link to the clip has ended, because the program that had opened it was stopped. If the provider had fetched the clip by "
    "then, the job goes on as usual. If not, the task fails at the provider, and whether that is charged is not known. Wait for its end "
    "before you send it again."
)
PAUSED = (
    "Sending is paused: the job is not sent, and nothing is spent for it, until sending goes on."
)
PAUSED_LOOK = 2.0
"""Seconds between two looks at whether sending goes on, which another process may have asked for."""
READ_AGAIN = "The state can be read again."


@dataclass(slots=True)
class PollState:
    """What this process remembers of a job between two looks. Lost on restart without harm."""

    polls: int = 0
    said: str = ""
    unread: bool = False
    """It was told that the state could not be read, and not yet that it can be again."""
    gone_since: float | None = None
    """When the link to the result was first gone."""
    task_id: str | None = None
    """Told by the provider and not written down yet."""
    link_ended: bool = False
    """It was told that the link to its files has ended."""
    lent: bool = False
    """Something of its files may lie with a host."""
    published: Published | None = None
    """Where the clip lies, between two tries of a submit."""
    sends: int = 0
    sending_since: float = 0.0
    """When the first of ``sends`` tries of a submit was made."""
    misses: int = 0
    """Polls in a row that could not be read."""
    link: str | None = None
    """To the result, as the poll that saw the success gave it."""
    saves: int = 0
    resumed_at: float = 0.0


class Balance(Protocol):
    """Notes the account's balance before or after a job's send; does nothing where it cannot be read."""

    def __call__(self, job: Job, *, before: bool) -> None: ...


class Worker:
    """``advance(job_id)``: one look. ``after(name)`` is called when the named step of the flow is done, for tests that end it there.

    ``ways`` are the hosts of a job's files, ``limits`` those of today's spending.
    """

    def __init__(
        self,
        store: Store,
        *,
        provider: Callable[[Job], Provider],
        guard: Guard,
        pace: Pace,
        clock: Callable[[], float],
        rng: random.Random,
        stopping: threading.Event,
        ways: Callable[[Job], Sequence[PublishTarget]],
        limits: Callable[[], Limits],
        balance: Balance,
        after: Callable[[str], None],
    ) -> None:
        self._store, self._provider, self._guard = store, provider, guard
        self._pace, self._clock, self._rng = pace, clock, rng
        self._ways, self._limits, self._balance, self._after = ways, limits, balance, after
        self._saver = ResultFile(self._asked, guard=guard, stopping=stopping, after=after)
        self._memory: dict[str, PollState] = {}
        self._ends = threading.Lock()

    def advance(self, job_id: str) -> float | None:
        """One look at a job: seconds until the next one, or None when there is nothing more to do here. Raises ``NoSuchJob``."""
        job = self._store.get(job_id)
        try:
            match job.state:
                case "checked":
                    return self._send(job)
                case "submitting":
                    return self._found_submitting(job)
                case "queued" | "processing":
                    return self._poll(job)
                case "downloading":
                    return self._save(job)
                case _:
                    return None
        except (NoSuchJob, SettingError):  # of the store: they say nothing about the job
            raise
        except Interrupted:  # this program is ending
            return self._pace.mishap
        except CannotServe as error:
            told = ev.Note(text=f"{error.message} {error.hint}")
            self._change(job, told, waits_for=error.waits_for)
        except SubmitUnconfirmed as error:
            self._doubt(job, error)
        except KlingError as error:
            self._fail(job, error)
        return None

    def resumed(self, job_id: str) -> None:
        """Someone asked for this job: its deadline and all patience start again. A task id that is not written yet is kept."""
        self._memory[job_id] = PollState(
            resumed_at=self._clock(), task_id=self._memory_of(job_id).task_id
        )

    # -- publish and submit

    def _paused(self, job: Job) -> bool:
        """Whether the job is not to be sent now. Drafts are free, and go on."""
        return not job.draft and self._store.paused(job.owner) is not None

    def _send(self, job: Job) -> float | None:
        private = self._store.private(job.job_id)
        memory = self._memory_of(job.job_id)
        if self._paused(job):
            self._say(job, PAUSED)
            return PAUSED_LOOK
        try:
            provider = self._provider(job)
            if wait := provider.ready():
                self._say(job, TURN)
                return wait
            image = video = ""
            if not provider.takes_files:
                memory.lent = True
                ways = self._ways_to_send(job, private)
                if memory.published is None or not self._still_there(job, memory.published):
                    memory.published = None  # of a try before this one
                    memory.published = self._publish(job, private, ways)
                video = memory.published.url
                image = image_source(
                    Path(job.request.image), url=private.image_url, guard=self._guard, ways=ways
                )
        except KlingError:  # some are an OSError as well
            raise
        except OSError as error:
            told = f"A file of the job cannot be read: {error.strerror or error}."
            hint = "Look at the home's disk and at the job's folder, then give both files again."
            raise UnreadableMedia(told, hint=hint) from error
        if not job.draft:
            self._balance(job, before=True)
        if not self._change(
            job,
            states=("checked",),
            limits=self._limits(),  # what was reserved on another day does not count today
            unpaused=not job.draft,  # it may have been paused while the files were published
            state="submitting",
            base_url=provider.base_url,
            trouble=None,
        ):
            if not self._store.exists(job.job_id):  # deleted meanwhile
                list(self._withdrawn(job, private, unsent=True))
            elif self._paused(job):
                self._say(job, PAUSED)
                return PAUSED_LOOK
            return None  # or another process was faster: it is not sent twice
        self._after("submitting")
        if self._paused(job):  # at the last moment
            self._change(job, states=("submitting",), state="checked")
            return 0.0
        try:
            task_id = provider.submit(job, image=image, video=video)
        except (NoContact, RateLimited) as error:
            return self._not_sent(job, memory, error)
        self._after("submitted")
        return self._sent(job, task_id)

    def _ways_to_send(self, job: Job, private: JobSecrets) -> Sequence[PublishTarget]:
        """The hosts of the job's files. What is used is written down and told before anything is published."""
        ways = self._ways(job)
        first = ways[0] if ways else None
        if first is not None and first.kind in ("tunnel", "huggingface") and private.video_url:
            return ways[1:]  # not for a picture alone, which can go along with the request
        if first is not None and self._memory_of(job.job_id).published is None:
            told = first.notice()
            notes = [ev.Note(text=told)] if told else []
            self._change(job, *notes, states=("checked",), publish=first.kind)
        return ways

    def _publish(self, job: Job, private: JobSecrets, ways: Sequence[PublishTarget]) -> Published:
        """The clip, where the provider finds it. Raises ``KlingError``, and then nothing was spent."""
        clip, url = Path(job.request.video), private.video_url
        published = publish_clip(clip, url=url, guard=self._guard, ways=ways)
        told = ev.Published(how=published.how, expires_at=published.expires_at)
        if self._change(job, told, states=("checked",)):
            self._after("published")
        return published

    def _still_there(self, job: Job, published: Published) -> bool:
        """Links end: before each try it is looked whether the provider could still fetch the clip."""
        try:
            at_address(published.url, Path(job.request.video), self._guard)
        except NotPublished:
            return False
        return True

    def _not_sent(
        self, job: Job, memory: PollState, error: NoContact | RateLimited
    ) -> float | None:
        """A submit that provably did not arrive, or was refused before work: it is tried again for a minute."""
        now = self._clock()
        memory.sending_since = memory.sending_since if memory.sends else now
        memory.sends += 1
        told = error.retry_after if isinstance(error, RateLimited) else None
        wait = full_jitter(memory.sends, self._rng) if told is None else told
        lasting = isinstance(error, NoContact) and error.lasting
        late = now - memory.sending_since + wait > SUBMIT_PATIENCE
        if lasting or late or memory.sends >= TRIES:
            raise error
        self._change(job, states=("submitting",), state="checked")
        return wait

    def _sent(self, job: Job, task_id: str) -> float | None:
        """Write the task id. Until that is done this memory is the only place that has it."""
        memory = self._memory_of(job.job_id)
        memory.task_id = task_id
        now = self._clock()
        self._store.describe_task(job.job_id, task_id, now)
        submitted = ev.Submitted(task_id=task_id)
        try:
            # Not bound to the lease: a task id is written also when another process holds the job,
            # and from "failed", because the user may have dismissed it meanwhile.
            written = self._store.change(
                job.job_id,
                submitted,
                now=now,
                states=("submitting", "unconfirmed", "failed"),
                state="queued",
                task_id=task_id,
                queued_at=now,
                trouble=None,
                finished_at=None,
            )
            if not written:
                LOG.error(
                    "job %s is gone or in another state; at the provider it is task %s",
                    job.job_id,
                    task_id,
                )
        # dismissed, and sent anew as another job: this one keeps its id, to be resumed
        except DuplicateRequest:
            self._store.change(job.job_id, submitted, now=now, task_id=task_id)
            memory.task_id = None
            return None
        except Exception:
            LOG.exception(
                "job %s is task %s at the provider, which could not be written down; it is tried again",
                job.job_id,
                task_id,
            )
            return self._pace.mishap
        memory.task_id = None
        self._after("queued")
        return self._wait(job, None)

    def _found_submitting(self, job: Job) -> float | None:
        """A process ended between writing "submitting" and writing the task id, or this one could not write it."""
        known = self._memory_of(job.job_id).task_id or self._store.task_in_folder(job.job_id)
        if known is not None:
            return self._sent(job, known)
        if job.draft:
            self._change(
                job,
                ev.Note(text="The last try to send it was cut short; sending the draft again."),
                state="checked",
            )
            return 0.0
        self._tell_ended_link(job)
        told = "The program ended while the request was being sent: the task may exist."
        raise SubmitUnconfirmed(told, hint=LOOK_THERE)

    # -- poll

    def _poll(self, job: Job) -> float | None:
        memory, now = self._memory_of(job.job_id), self._clock()
        self._tell_ended_link(job)
        wait = self._look(job, memory, now)  # first: this machine may have slept for days
        if not wait:
            return wait
        late = self._overdue(job, memory, now)
        return None if late == "give up" else self._pace.late if late else wait

    def _tell_ended_link(self, job: Job) -> None:
        """Say it when the link to the job's files has ended before the job: the provider may not have fetched them yet."""
        memory = self._memory_of(job.job_id)
        if job.publish != "tunnel" or memory.link_ended:
            return
        files = [Path(job.request.image), Path(job.request.video)]
        if not any(way.serves(file) for way in self._ways(job) for file in files):
            memory.link_ended = True
            self._change(job, ev.Note(text=LINK_ENDED, lasting=True))

    def _overdue(self, job: Job, memory: PollState, now: float) -> str:
        since = max(job.queued_at or job.created, memory.resumed_at)
        if now - since > self._pace.give_up:
            hint = "It is not looked at any more by itself; resume the job to look again."
            self._change(job, ev.StillRunning(hint=hint), waits_for="resume", overdue=True)
            return "give up"
        if (
            job.processing_at is None
            or now - max(job.processing_at, memory.resumed_at) <= self._pace.deadline
        ):
            return ""
        if not job.overdue:
            hint = (
                f"It goes on at the provider as task {job.task_id}; this program looks once a minute. "
                f"Resume job {job.job_id} to follow it."
            )
            self._change(job, ev.StillRunning(hint=hint), overdue=True)
        return "late"

    def _look(self, job: Job, memory: PollState, now: float) -> float | None:
        try:
            status = self._asked(job)
        except TaskNotFound:
            if job.draft:
                raise
            self._say(job, NOT_KNOWN)  # it may be known later, and is waited for
            memory.unread = True
            return min(self._pace.late, self._wait(job, None) * 2)
        except KeyRefused as error:
            raise CannotServe(
                f"The key was refused: {(error.words or error.message).rstrip('.')}.",
                hint="Give a key of the same account; the job is kept.",
                waits_for="key",
                money=job.money,
            ) from error
        except DownloadFailed as error:  # succeeded, but without a usable link
            self._change(job, state="downloading")
            return self._save_later(job, memory, error)
        except (CannotServe, Interrupted):
            raise
        except KlingError as error:
            return self._hiccup(job, error)
        memory.gone_since, memory.misses = None, 0
        if memory.unread:
            memory.unread = False
            self._change(job, ev.Note(text=READ_AGAIN))  # once for each trouble that was told
        wait = self._heard(job, memory, status, now)
        self._after("polled")
        return wait

    def _heard(self, job: Job, memory: PollState, status: TaskStatus, now: float) -> float | None:
        match status.status:
            case "failed":
                raise task_failed(status.reason)
            case "succeeded":
                self._change(
                    job,
                    state="downloading",
                    progress=100,
                    eta=None,
                    processing_at=job.processing_at or now,
                )
                memory.link = status.video_url
                return 0.0  # saved next, by a thread that may take its time
            case "processing":
                progress = (
                    max(job.progress or 0, status.progress or 0)
                    if status.progress is not None
                    else job.progress
                )
                started = job.processing_at or now
                event = ev.Processing(
                    progress=progress,
                    queue_seconds=started - (job.queued_at or started),
                    run_seconds=now - started,
                    eta=status.eta,
                )
                if (job.state, job.progress, job.eta) != ("processing", progress, status.eta):
                    self._change(
                        job,
                        event,
                        state="processing",
                        progress=progress,
                        eta=status.eta,
                        place=None,
                        processing_at=started,
                    )
            case "queued":
                if memory.polls == 0 or (job.place, job.eta) != (status.place, status.eta):
                    event_q = ev.Queued(
                        seconds=now - (job.queued_at or now), eta=status.eta, place=status.place
                    )
                    self._change(job, event_q, place=status.place, eta=status.eta)
            case "unknown":
                self._say(
                    job,
                    f"The provider calls the task's state {status.word!r}, which is not documented; still watching.",
                )
        if status.status != "unknown":
            memory.said = ""
        return self._wait(job, status.eta)

    # -- save

    def _save(self, job: Job) -> float | None:
        """Download, make playable, and only then say succeeded. Whatever is there already is not fetched again."""
        memory = self._memory_of(job.job_id)
        link, memory.link = memory.link, None
        try:
            result, said = self._saver.save(job, link, lambda event: self._change(job, event))
        except TaskEnded as ended:
            raise task_failed(str(ended)) from ended
        except (LinkExpired, TaskNotFound) as error:
            # a store may not have it yet, a gateway may have a bad minute: links live about an hour
            expired = isinstance(error, LinkExpired)
            if self._patient(job, 60 * self._pace.late) if expired else not job.draft:
                return self._save_later(job, memory, error)
            if not job.draft:  # it was paid for: a resume looks for it again
                error.money = "yes"
                again = "Resume the job, with a key of the account that sent it, to look again."
                error.hint = f"{error.hint} {again}"
            raise
        except KeyRefused as error:
            raise CannotServe(
                error.message,
                hint="Give a key of the same account; the result is kept there for about an hour.",
                waits_for="key",
                money=job.money,
            ) from error
        except (CannotServe, Interrupted):
            raise
        except (KlingError, OSError) as error:
            return self._save_later(job, memory, error)
        self._end(
            job,
            *said,
            ev.Succeeded(video=result, draft=job.draft),
            state="succeeded",
            video=result.name,
            trouble=None,
        )
        self._after("succeeded")
        return None

    def _save_later(self, job: Job, memory: PollState, error: Exception) -> float | None:
        memory.saves += 1
        why = error.message if isinstance(error, KlingError) else str(error)
        self._say(
            job, f"The result is ready but could not be saved yet: {error} It is tried again."
        )
        stands = Trouble(
            "DownloadFailed",
            f"The result is ready and could not be saved so far: {why}",
            error.hint if isinstance(error, KlingError) else "Look at the disk of the home.",
            job.money,
        )
        if job.trouble is None or job.trouble.message != stands.message:
            self._change(job, trouble=stands)
        now = self._clock()
        if now - max(job.queued_at or job.created, memory.resumed_at) > self._pace.give_up:
            self._change(
                job,
                ev.StillRunning(
                    hint="Saving the result is not tried any more by itself; resume the job."
                ),
                waits_for="resume",
            )
            return None
        if memory.saves == 4 and not job.overdue:
            hint = f"The result exists at the provider but could not be saved so far. Resume job {job.job_id} to try again."
            self._change(job, ev.StillRunning(hint=hint), overdue=True)
        return min(self._pace.late, self._pace.interval * 2.0 ** min(memory.saves, 20))

    # -- common

    def _asked(self, job: Job) -> TaskStatus:
        provider = self._provider(job)
        if provider.takes_files and job.state == "queued":
            place = self._store.place(job)
            if place > 1:  # the first in the queue is begun first
                return TaskStatus("queued", "queued", place=place)
        return provider.poll(job)

    def _wait(self, job: Job, eta: float | None) -> float:
        memory = self._memory_of(job.job_id)
        memory.polls += 1
        return next_wait(self._pace, memory.polls - 1, eta, self._rng, near=job.draft)

    def _hiccup(self, job: Job, error: KlingError) -> float:
        memory = self._memory_of(job.job_id)
        memory.misses += 1
        told = min(getattr(error, "retry_after", None) or 0.0, PATIENCE)
        # most trouble of a network is over before anybody need hear of it
        if memory.misses < TRIES:
            return max(told, full_jitter(memory.misses, self._rng))
        before = memory.said
        self._say(
            job,
            f"The state could not be read: {error.message} The job goes on at the provider; asking again.",
        )
        memory.unread |= memory.said != before
        return max(told, self._wait(job, None))

    # -- writing it down

    def _memory_of(self, job_id: str) -> PollState:
        return self._memory.setdefault(job_id, PollState())

    def _change(
        self,
        job: Job,
        *events: ev.Event,
        states: tuple[State, ...] | None = None,
        limits: Limits | None = None,
        unpaused: bool = False,
        **columns: Any,
    ) -> bool:
        """Write columns and events. False when the job is not in one of ``states`` (any more), or another process holds it by now."""
        return self._store.change(
            job.job_id,
            *events,
            now=self._clock(),
            leased=True,
            states=states,
            unpaused=unpaused,
            limits=limits,
            **columns,
        )

    def _say(self, job: Job, text: str) -> None:
        """A note, which is not repeated while nothing else was said."""
        memory = self._memory_of(job.job_id)
        if memory.said != text:
            memory.said = text
            self._change(job, ev.Note(text=text))

    def _patient(self, job: Job, seconds: float) -> bool:
        """Is it too early to believe that something is gone?"""
        memory = self._memory_of(job.job_id)
        memory.gone_since = memory.gone_since or self._clock()
        return not job.draft and self._clock() - memory.gone_since < seconds

    def _doubt(self, job: Job, error: SubmitUnconfirmed) -> None:
        """It may have been sent: only a person can say."""
        if job.draft:  # nothing can be paid twice at home
            self._fail(job, error)
            return
        trouble = _trouble(error, job)
        self._balance(job, before=False)
        self._change(
            job,
            ev.Unconfirmed(trouble=trouble),
            states=("submitting",),
            state="unconfirmed",
            trouble=trouble,
        )

    def _fail(self, job: Job, error: KlingError) -> None:
        """It ended without a result."""
        trouble = _trouble(error, job)
        self._end(job, ev.Failed(trouble=trouble), state="failed", trouble=trouble)

    def _end(self, job: Job, *events: ev.Event, **columns: Any) -> None:
        """Take the job's files back, then tell the end. One job at a time: of two that share a file and end together, each would
        leave it to the other."""
        if job.task_id is not None and not job.draft:
            self._balance(job, before=False)
        memory = self._memory.pop(job.job_id, None)
        unsent = memory is not None and memory.lent and columns.get("state") == "failed"
        with self._ends:
            self.take_back(job, unsent=unsent and job.task_id is None)
            self._change(
                job,
                *events,
                finished_at=self._clock(),
                eta=None,
                waits_for="",
                overdue=False,
                **columns,
            )

    def take_back(self, job: Job, *, unsent: bool = False) -> None:
        """Withdraw the job's published files."""
        for sentence in self._withdrawn(job, self._store.private(job.job_id), unsent=unsent):
            self._change(job, ev.Note(text=sentence, lasting=True))

    def _withdrawn(self, job: Job, private: JobSecrets, *, unsent: bool) -> Iterator[str]:
        """Take back what was published. Sentences about what could not be taken back.

        ``unsent``: the provider never got the request, so a host that keeps what was sent gives it up as well.
        """
        if job.draft:
            return
        lent = [Path(job.request.image)] + ([] if private.video_url else [Path(job.request.video)])
        for way in (way for way in self._ways(job) if way.withdraw or unsent):
            for path in lent[:1] if way.whole else lent:
                if not (way.by_content and self._needed(job, path)):
                    try:
                        way.host.withdraw(path)
                    except KlingError as error:
                        what = "clip" if way.whole else path.stem
                        yield f"The {what} could not be taken back from {way.name}: {error.message}"

    def _needed(self, job: Job, path: Path) -> bool:
        """Does another job that has not ended hold the same file? A store names what it is given by content: the two share it."""
        others = (j for j in self._store.unended(job.provider) if j.job_id != job.job_id)
        return any(
            file.is_file() and filecmp.cmp(file, path, shallow=False)
            for j in others
            for file in map(Path, (j.request.image, j.request.video))
        )


def _trouble(error: KlingError, job: Job) -> Trouble:
    """The error as the store keeps it; a draft never costs anything."""
    money = "no" if job.draft else error.money
    return Trouble(error.code, error.message, error.hint, money, error.words, error.field)
