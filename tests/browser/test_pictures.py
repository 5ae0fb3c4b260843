"""Pictures are measured as a browser shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import zoo

from kling_utils.media.images import plain
from kling_utils.media.probe import probe_image

pytestmark = pytest.mark.browser

LOOK = """async (names) => {
  const seen = {};
  for (const name of names) {
    const image = new Image();
    image.src = name;
    await image.decode();
    const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
    const context = canvas.getContext("2d", {willReadFrequently: true});
    context.drawImage(image, 0, 0);
    const last = context.getImageData(canvas.width - 9, 8, 1, 1).data;
    seen[name] = [canvas.width, canvas.height, last[0] > 200 && last[1] < 80];
  }
  return seen;
}"""


def test_orientation_is_a_browsers(browser: Any, tmp_path: Path) -> None:
    names = ["exif.jpg", "exif.png", "exif.webp", "exif.avif"]
    paths = [zoo.tagged(tmp_path, name, exif=6) for name in names]
    paths += [
        zoo.tagged(tmp_path, "xmp.jpg", xmp=6),
        zoo.tagged(tmp_path, "both.jpg", exif=1, xmp=6),
    ]
    page = browser.new_page()
    try:
        page.route(
            "http://pictures.test/**",
            lambda route: (
                route.fulfill(path=tmp_path / route.request.url.rsplit("/", 1)[1])
                if "." in route.request.url.rsplit("/", 1)[1]
                else route.fulfill(body="<title>pictures</title>", content_type="text/html")
            ),
        )
        page.goto("http://pictures.test/page")
        seen = page.evaluate(LOOK, [path.name for path in paths])
    finally:
        page.close()
    for path in paths:
        image = plain(path, "white")
        red, green, _ = image.getpixel((image.width - 9, 8))  # type: ignore[misc]
        ours = [*probe_image(path).size, red > 200 and green < 80]
        assert ours == seen[path.name], path.name
    assert seen["xmp.jpg"] == [600, 400, False]
