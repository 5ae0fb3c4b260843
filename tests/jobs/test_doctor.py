"""What doctor says of a healthy machine, and of one that is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.scripted import File, ScriptedNovita
from pydantic import SecretStr

from kling_utils.errors import NotPublished
from kling_utils.jobs.doctor import examine, filesystem
from kling_utils.values import Published, Report

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/export /home/me nfs4 rw 0 0
//server/share /mnt/my\\040share cifs rw 0 0
tmpfs /home/me/scratch tmpfs rw 0 0
"""


def severities(report: Report) -> dict[str, str]:
    return {finding.field: finding.severity for finding in report.findings}


def test_all_is_well(runner: Any) -> None:
    report = examine(runner)
    assert report.ok
    assert severities(report) == {
        "home": "pass",
        "ffmpeg": "pass",
        "models": "pass",
        "key": "pass",
        "publish": "advice",
    }
    assert "12.50 USD" in str(report)


def test_a_wrong_key_is_an_error_with_what_to_do_and_is_not_shown(make: Any) -> None:
    report = examine(make(settings={"novita_api_key": "sk_wrong_s3cret"}))
    assert severities(report)["key"] == "error"
    assert all(f.fix for f in report.errors)
    assert "s3cret" not in str(report)


@pytest.mark.parametrize(("life", "seen"), [(7200.0, "for 2 hours"), (None, "without an end")])
def test_a_way_to_publish_is_tried_and_leaves_nothing(
    make: Any, novita: ScriptedNovita, life: float | None, seen: str
) -> None:
    class Shelf:
        left = 0

        def publish(self, path: Path) -> Published:
            self.left += 1
            return Published(
                novita.serve("/shelf/doctor.mp4", File(path.read_bytes())),
                life and runner.now() + life,
                "a shelf",
            )

        def withdraw(self, path: Path) -> None:
            self.left -= 1

    runner = make()
    runner.page = shelf = Shelf()
    report = examine(runner)
    assert severities(report)["publish"] == "pass"
    assert seen in str(report), "who can see it, and for how long"
    assert shelf.left == 0


def test_a_way_that_does_not_work_is_said(make: Any) -> None:
    report = examine(make(settings={"publish": "memory://clips"}))
    assert severities(report)["publish"] == "error"
    assert "place on this machine" in str(report)


def test_a_page_that_found_itself_closed_says_why_wherever_it_matters(
    make: Any, picture: Path, clip: Path
) -> None:
    runner = make(settings={"public_base_url": "https://studio.example"})
    (before,) = (each for each in examine(runner).findings if each.field == "publish")
    assert (before.severity, "studio.example" in before.measured) == ("advice", True), (
        "only the running page can try it"
    )
    runner.page_refusal = (
        "A stranger gets HTTP 404 at this page's public address; it seems private."
    )
    (found,) = (each for each in examine(runner).findings if each.field == "publish")
    assert (found.severity, found.measured) == ("error", runner.page_refusal)
    refused = runner.preflight(image=picture, video=clip, key=SecretStr("sk_visitor")).report
    assert runner.page_refusal in str(refused)


def test_it_does_not_send_to_itself(make: Any) -> None:
    """What a store refuses says to run doctor, except to whoever does."""
    refused = NotPublished("The store did not take it.", hint="Check KLING_PUBLISH_TO: run doctor.")

    class Closed:
        def publish(self, path: Path) -> Published:
            raise refused

        def withdraw(self, path: Path) -> None:
            pass

    runner = make()
    runner.page = Closed()
    (found,) = (each for each in examine(runner).findings if each.field == "publish")
    assert (found.severity, found.fix) == ("error", "Check KLING_PUBLISH_TO.")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/kling", "ext4"),
        ("/home/me/kling", "nfs4"),
        ("/home/me/scratch/kling", "tmpfs"),
        ("/mnt/my share/kling", "cifs"),
        ("/home/men", "ext4"),
    ],
)
def test_a_network_disk_is_recognised(tmp_path: Path, path: str, kind: str) -> None:
    (tmp_path / "mounts").write_text(MOUNTS)
    assert filesystem(Path(path), tmp_path / "mounts") == kind
    assert filesystem(Path(path), tmp_path / "nothing") == ""
