"""The state of a job as an error or a sentence for people."""

from __future__ import annotations

from kling_utils import errors
from kling_utils.errors import (
    AlreadyHave,
    DownloadFailed,
    KlingError,
    StillRunning,
    SubmitUnconfirmed,
)
from kling_utils.values import Job

LOOK_THERE = "Look at your tasks at the provider: give the task id, dismiss the job, or send it again at your own risk."
WAYS_OUT = "Give its task id, dismiss it, or send it again at your own risk of paying twice."


def named(error: KlingError, job: Job) -> KlingError:
    """The error with the job that it is about."""
    error.job_id, error.task_id = job.job_id, job.task_id
    return error


def missing(job: Job) -> bool:
    """True for a job that succeeded and whose file is not there any more."""
    return job.state == "succeeded" and (job.video is None or not job.video.is_file())


def lost(job: Job) -> bool:
    """True for a job whose task may still have what was paid for: its link was gone, or its file was removed since."""
    if missing(job):
        return job.task_id is not None
    gone = job.trouble is not None and job.trouble.code in ("TaskNotFound", "LinkExpired")
    return gone and job.state == "failed" and job.task_id is not None and not job.draft


def standing(job: Job) -> str:
    """Why a job without a worker stands still."""
    if job.state == "checked":
        return "The job was not sent and nothing was spent; resume it to send it."
    if job.state == "downloading":
        return "The result is ready and is not saved yet."
    if job.state == "submitting" and not job.draft:
        return "The job was being sent when its program ended: whether it arrived is not known."
    return f"The job is {job.state} and goes on {'on this computer' if job.draft else 'at the provider'}."


def resumed(job: Job) -> str:
    """What a job that was just resumed waits for."""
    match job.state:
        case "checked":
            return "The job was not sent yet; it is sent now."
        case "submitting":
            return "Whether the job was sent is being found out."
        case "downloading":
            return "The result is ready and is saved now."
        case _:
            where = "on this computer" if job.draft else f"at the provider as task {job.task_id}"
            return f"The job goes on {where}; it is looked at now."


def error_of(job: Job) -> KlingError:
    """Why a job has no result (yet)."""
    trouble = job.trouble
    if missing(job):
        told = "The result was saved, and its file is not there any more."
        hint = f"Resume job {job.job_id}: it is fetched again while the provider has it."
        return named(DownloadFailed(told, hint=hint, money=job.money), job)
    if trouble is None:
        return named(
            StillRunning(
                standing(job), hint=f"Resume it with the job id {job.job_id}.", money=job.money
            ),
            job,
        )
    if job.state == "downloading":
        hint = f"{trouble.hint} Then resume it with the job id {job.job_id}.".strip()
        return named(StillRunning(trouble.message, hint=hint, money=trouble.money), job)
    kind = getattr(errors, trouble.code, errors.TaskFailed)
    if not (isinstance(kind, type) and issubclass(kind, KlingError)) or issubclass(
        kind, errors.Refused | errors.CannotServe
    ):
        kind = errors.TaskFailed
    hint = WAYS_OUT if kind is SubmitUnconfirmed else trouble.hint
    return named(
        kind(
            trouble.message,
            hint=hint,
            money=trouble.money,
            words=trouble.words,
            field=trouble.field,
        ),
        job,
    )


def counts(job: Job) -> bool:
    """Would sending the job's request again perhaps pay twice? A provider without a free slot made nothing."""
    if job.draft and missing(job):
        return False
    full = job.trouble is not None and job.trouble.code == "NoFreeSlot"
    return job.state == "succeeded" or (job.money != "no" and not full)


def have(job: Job) -> AlreadyHave:
    """The same request was sent before: it has a result, its outcome is in doubt, or it ended and may have been paid for."""
    if job.state == "unconfirmed":
        error = AlreadyHave(
            "The same request was sent and its outcome is in doubt.", hint=WAYS_OUT, money="unknown"
        )
    elif job.state == "failed":
        why = f" {job.trouble.message}" if job.trouble is not None else ""
        error = AlreadyHave(
            f"The same request was sent before and ended without a result.{why}",
            hint="Change what it names. Sent again unchanged, it may be paid twice.",
            money=job.money,
        )
    else:
        hint = f"client.result({job.job_id!r}) is it; run(..., again=True) makes another take, {job.cost or 'at a cost'}."
        error = AlreadyHave("You have this result already.", hint=hint)
    error.job_id, error.task_id = job.job_id, job.task_id
    return error
