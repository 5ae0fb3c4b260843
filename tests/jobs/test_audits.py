"""An audit is measured once, kept in the job's folder, and read back with all that it says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.dancers import ANOTHER, Person, still_of
from helpers.dancers import clip as look_at
from pydantic import TypeAdapter

from kling_utils.jobs import audits
from kling_utils.review import verdict
from kling_utils.values import Fidelity, Job, MotionRequest, Report


@pytest.fixture
def finished(tmp_path: Path, picture: Path, clip: Path, rendered: Path) -> Job:
    folder = tmp_path / "job"
    folder.mkdir()
    return Job(
        job_id="A",
        owner="home",
        request=MotionRequest(picture, clip),
        fingerprint="A",
        folder=folder,
        image_name=picture.name,
        video_name=clip.name,
        provider="local",
        take=1,
        state="succeeded",
        created=100.0,
        updated=100.0,
        duration=3.2,
        video=rendered,
    )


def test_what_was_measured_is_read_back_without_the_result(finished: Job) -> None:
    first = audits.audit_of(finished)
    assert first is not None
    assert first.fidelity is not None
    assert (finished.folder / audits.NAME).exists()
    # Nothing is left that could be measured: what comes is what was kept.
    gone = replace(finished, video=finished.folder / "gone.mp4")
    read = audits.audit_of(gone)
    assert read is not None
    assert (read.findings, read.fidelity) == (first.findings, first.fidelity)


def test_every_part_of_the_fidelity_is_kept(finished: Job) -> None:
    late = look_at(1, person=lambda t: Person() if t < 4 else ANOTHER, when=lambda t: t - 0.3)
    told = verdict.fidelity(look_at(1), late, still_of(look_at(5, 0.5)))
    assert told.curve is not None
    assert told.limbs
    assert any(trait.since is not None for trait in told.traits)
    assert audits.audit_of(finished) is not None
    kept = finished.folder / audits.NAME
    text = json.loads(kept.read_bytes())
    assert set(text) == {"findings", "fidelity"}
    kept.write_text(
        json.dumps(text | {"fidelity": TypeAdapter(Fidelity).dump_python(told, mode="json")})
    )
    read = audits.audit_of(finished)
    assert isinstance(read, Report)
    assert read.fidelity == told


def test_what_an_older_version_kept_is_not_read(finished: Job) -> None:
    (finished.folder / "audit-3.json").write_text('{"findings": [], "fidelity": null}')
    read = audits.audit_of(finished)
    assert read is not None
    assert read.findings
