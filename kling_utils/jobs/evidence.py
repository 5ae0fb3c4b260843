"""An evidence pack: one ZIP about a job for the provider's support, with what was asked, what came of it, and the files.

Holds no key, no login and no signed address.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kling_utils.events import Event
from kling_utils.jobs import audits, ledger
from kling_utils.jobs.ledger import Entry
from kling_utils.media.files import atomic_write, sha256
from kling_utils.show import words
from kling_utils.show.progress import describe
from kling_utils.values import Job, iso, parameters, record


def write(
    job: Job, log: Sequence[tuple[float, Event]], out: Path, *, charge: Entry | None = None
) -> Path:
    """Write the pack. ``log``: the job's events with their times, ``charge``: what is known of its cost.

    A result that can be audited takes seconds. Raises ``OSError``.
    """
    files = {"image": Path(job.request.image), "reference": Path(job.request.video)}
    if job.video is not None:
        files["result"] = job.video
    there = {f"{name}{path.suffix}": path for name, path in files.items() if path.is_file()}
    found = _findings(job)
    facts: dict[str, Any] = {
        "job": record(job),
        "request": parameters(job.request),
        "quote": str(job.cost) if job.cost is not None else None,
        "charge": ledger.row(charge) if charge is not None else None,
        "files": {name: {"sha256": sha256(path)} for name, path in there.items()},
        "events": [{"at": iso(at), "event": describe(event)} for at, event in log],
        "findings": [asdict(finding) for finding in found],
    }
    lines = [
        words.report_of_job(job, job.trouble),
        f"quoted: {job.cost or 'not known'}",
        f"charged: {(charge.told() if charge is not None else '') or 'not known'}",
        *(f"{name}: {value}" for name, value in parameters(job.request).items()),
        "",
        "What happened:",
        *(f"{iso(at)}  {describe(event)}" for at, event in log),
        "",
        "What was measured:",
        *(str(finding) for finding in found),
    ]
    with atomic_write(out) as part, zipfile.ZipFile(part, "w") as pack:
        pack.writestr("report.txt", words.redacted("\n".join(lines)) + "\n", zipfile.ZIP_DEFLATED)
        said = json.dumps(_redacted(facts), indent=1, ensure_ascii=False, default=str)
        pack.writestr("report.json", said, zipfile.ZIP_DEFLATED)
        for name, path in there.items():
            pack.write(path, name)  # stored: pictures and clips are packed already
    return out


def _redacted(value: Any) -> Any:
    """The same with each text redacted."""
    match value:
        case str() | Path():
            return words.redacted(str(value))
        case dict():
            return {name: _redacted(each) for name, each in value.items()}
        case list() | tuple():
            return [_redacted(each) for each in value]
    return value


def _findings(job: Job) -> list[Any]:
    audit, explanation = audits.audit_of(job), audits.explanation_of(job)
    found = list(audit.findings) if audit is not None else []
    return found + (list(explanation.findings) if explanation is not None else [])
