"""Inputs lie in the home once for each content, and go with the last job that uses them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.scripted import ScriptedNovita
from PIL import Image
from pydantic import SecretStr

from kling_utils.errors import Busy, UnreadableMedia
from kling_utils.jobs.client import Client
from kling_utils.jobs.home import Home, new_job_id
from kling_utils.jobs.inputs import Inputs
from kling_utils.media import bounds
from kling_utils.media.fetch import Guard
from kling_utils.media.files import sha256
from kling_utils.values import Job, MotionRequest


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.make()
    return home


def folder(home: Home) -> Path:
    made = home.folder(new_job_id())
    made.mkdir()
    return made


def pooled(home: Home) -> list[str]:
    return sorted(path.name for path in home.inputs.iterdir())


def test_two_jobs_share_their_inputs_and_the_last_one_takes_them_away(
    runner: Client, novita: ScriptedNovita, request_: MotionRequest
) -> None:
    first = runner.run(request_, progress=False).job
    second = runner.run(replace(request_, prompt="another"), progress=False).job
    for one, other in zip(first.folder.glob("[iv]*"), second.folder.glob("[iv]*"), strict=True):
        assert one.samefile(other)
    kept = pooled(runner.home)
    assert len(kept) == 2
    runner.delete(first.job_id)
    assert pooled(runner.home) == kept
    assert Path(second.request.image).is_file()
    runner.delete(second.job_id)
    assert pooled(runner.home) == []


def test_a_file_that_changed_after_it_was_measured_is_not_kept(
    home: Home, picture: Path, tmp_path: Path
) -> None:
    own = tmp_path / "hero.png"
    own.write_bytes(picture.read_bytes())
    looked = Inputs(home, Guard()).image(own)
    Image.new("RGB", (360, 640)).save(own)
    with pytest.raises(UnreadableMedia, match="changed after it was checked"):
        looked.kept_in(folder(home), "image", home)
    assert pooled(home) == []


def test_a_file_that_is_swapped_between_the_check_and_the_copy_is_not_sent(
    make: Callable[..., Client],
    novita: ScriptedNovita,
    request_: MotionRequest,
    picture: Path,
    tmp_path: Path,
) -> None:
    own = tmp_path / "hero.png"
    own.write_bytes(picture.read_bytes())

    def after(name: str) -> None:
        if name == "measured":
            Image.new("RGB", (360, 640)).save(own)

    runner = make(after=after)
    with pytest.raises(UnreadableMedia, match="changed after it was checked") as caught:
        runner.run(replace(request_, image=own), progress=False)
    assert (caught.value.money, caught.value.field) == ("no", "image")
    assert runner.jobs() == []
    assert list((runner.home.root / "jobs").iterdir()) == []
    assert novita.state.submit_count == 0


def test_a_copy_that_the_disk_damaged_is_not_used(home: Home, picture: Path) -> None:
    looked = Inputs(home, Guard()).image(picture)
    looked.kept_in(folder(home), "image", home)
    (kept,) = home.inputs.iterdir()
    kept.write_bytes(b"flipped bits")
    again = looked.kept_in(folder(home), "image", home)
    assert again.read_bytes() == picture.read_bytes()
    (kept,) = home.inputs.iterdir()
    assert sha256(kept) == kept.stem


def test_copies_of_an_older_program_are_shared(home: Home, picture: Path) -> None:
    copies = [folder(home) / "image.png" for _ in range(3)]
    for copy in copies:
        copy.write_bytes(picture.read_bytes())
    (copies[1].with_name(".image.png.part")).write_bytes(b"a kill left this")
    result = copies[0].with_name("result.mp4")
    result.write_bytes(b"paid")
    home.sweep(set(), unused_since=0.0, halves_since=0.0)
    assert copies[0].samefile(copies[1])
    assert copies[1].samefile(copies[2])
    assert copies[2].read_bytes() == picture.read_bytes()
    assert pooled(home) == [f"{sha256(picture)}.png"]
    assert result.stat().st_nlink == 1


def test_what_a_visitors_jobs_keep_is_bounded_and_drafts_make_room(
    runner: Client, request_: MotionRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner._watcher.close()  # nothing goes on by itself

    def made(n: int, *, owner: str = "v2_a", **how: Any) -> Job:
        job = runner.submit(replace(request_, prompt=str(n)), owner=owner, **how)
        (job.folder / "result.mp4").write_bytes(bytes(1_000_000))
        runner._store.change(job.job_id, now=1.0, state="succeeded", video="result.mp4")
        return job

    paid = made(1, key=SecretStr("sk-a-visitors-own"))
    drafts = [made(n, draft=True) for n in (2, 3)]
    other = made(4, owner="v2_b", draft=True)
    home = made(5, owner="home", draft=True)
    each = runner.home.size(paid.job_id)
    assert each > 1_000_000
    monkeypatch.setattr(bounds, "JOBS_EACH", 2.5 * each)
    third = made(6, draft=True)
    left = {job.job_id for job in runner.jobs()}
    assert left == {job.job_id for job in (paid, drafts[1], other, home, third)}
    monkeypatch.setattr(bounds, "JOBS_EACH", 0.5 * each)
    with pytest.raises(Busy, match="Your videos take") as full:
        made(7, draft=True)
    assert "delete some" in full.value.hint
    assert {job.job_id for job in runner.jobs(owner="v2_a")} == {paid.job_id}, "it was paid for"
    monkeypatch.setattr(bounds, "JOBS", 0.5 * each)
    with pytest.raises(Busy, match="The videos of this page's visitors take"):
        made(8, owner="v2_c", draft=True)
    assert runner.jobs(owner="v2_b") == []
    assert {job.job_id for job in runner.jobs(owner="home")} == {home.job_id}
