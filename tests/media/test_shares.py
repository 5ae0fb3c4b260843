"""Share links: rewritten where the host gives the file itself, and only there."""

from __future__ import annotations

import pytest

from kling_utils.media.fetch import direct, share_of


@pytest.mark.parametrize(
    ("link", "file"),
    [
        (
            "https://drive.google.com/file/d/1aB_c-9/view?usp=sharing",
            "https://drive.usercontent.google.com/download?id=1aB_c-9&export=download",
        ),
        (
            "https://drive.google.com/open?id=1aB",
            "https://drive.usercontent.google.com/download?id=1aB&export=download",
        ),
        (
            "https://drive.google.com/uc?export=download&id=1aB",
            "https://drive.usercontent.google.com/download?id=1aB&export=download",
        ),
        (
            "https://drive.google.com/a/firm.com/file/d/1aB/preview?resourcekey=0-x",
            "https://drive.usercontent.google.com/download?id=1aB&export=download&resourcekey=0-x",
        ),
        (
            "https://www.dropbox.com/s/x/a%20b.mp4?dl=0",
            "https://www.dropbox.com/s/x/a%20b.mp4?dl=1",
        ),
        (
            "https://www.dropbox.com/scl/fi/x/a.mp4?rlkey=k&st=s&dl=0#t",
            "https://www.dropbox.com/scl/fi/x/a.mp4?rlkey=k&st=s&dl=1",
        ),
        ("https://www.dropbox.com/s/x/a.mp4", "https://www.dropbox.com/s/x/a.mp4?dl=1"),
        (
            "https://1drv.ms/v/s!x",
            "https://api.onedrive.com/v1.0/shares/u!aHR0cHM6Ly8xZHJ2Lm1zL3YvcyF4/root/content",
        ),
        (
            "https://firm-my.sharepoint.com/:v:/g/p/x?e=Ab",
            "https://firm-my.sharepoint.com/:v:/g/p/x?e=Ab&download=1",
        ),
    ],
)
def test_a_share_link_becomes_the_address_of_its_file(link: str, file: str) -> None:
    assert direct(link) == file
    assert direct(file) == file


@pytest.mark.parametrize(
    "url",
    [
        "https://drive.google.com/drive/folders/1aB",
        "https://www.dropbox.com/scl/fo/x/y?rlkey=k",
        "https://firm.sharepoint.com/:f:/g/x",
        "https://photos.app.goo.gl/x",
        "https://we.tl/t-x",
    ],
)
def test_what_has_no_direct_form_stays_and_is_known_as_a_page(url: str) -> None:
    assert direct(url) == url
    assert share_of(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.mp4?dl=0",
        "https://dropbox.com.example/s/x",
        "http://[broken",
        "hero.png",
    ],
)
def test_other_addresses_are_left_alone(url: str) -> None:
    assert direct(url) == url
    assert share_of(url) is None
