"""Publishing to an object store, for real: s3fs against a moto server on 127.0.0.1."""

from __future__ import annotations

import contextlib
import os
import socket
import socketserver
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
import s3fs
from moto.server import ThreadedMotoServer

from kling_utils.errors import NotPublished
from kling_utils.media.fetch import Guard
from kling_utils.providers.publish import LIFE, ObjectStore, at_address, expires_at

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "s3cret-of-the-store"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", endpoint),
    ):
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    boto3.client("s3").create_bucket(Bucket="clips")
    yield "clips"
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "Näcken ☂.mp4"
    path.write_bytes(b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp41" + bytes(5000))
    return path


def test_what_is_published_is_what_the_provider_gets(
    bucket: str, clip: Path, endpoint: str
) -> None:
    store = ObjectStore(f"s3://{bucket}/motion/in", wall=lambda: 1000.0)
    published = store.publish(clip)
    with urllib.request.urlopen(published.url) as answer:
        assert answer.read() == clip.read_bytes()
    assert published.expires_at == 1000.0 + LIFE
    assert expires_at(published.url) is not None
    assert "motion/in/" in published.url
    assert "N%C3%A4cken" not in published.url  # the name is made from the content
    assert published.url not in repr(published)
    # and passes the look before money is spent
    at_address(published.url, clip, Guard(allow=frozenset({"127.0.0.1", "localhost"})))


def test_publishing_again_uploads_nothing_new_and_withdrawing_takes_it_away(
    bucket: str, clip: Path
) -> None:
    store, client = ObjectStore(f"s3://{bucket}/again"), boto3.client("s3")
    store.publish(clip)
    (first,) = client.list_objects_v2(Bucket=bucket, Prefix="again/")["Contents"]
    store.publish(clip)
    (second,) = client.list_objects_v2(Bucket=bucket, Prefix="again/")["Contents"]
    assert first["LastModified"] == second["LastModified"]
    store.withdraw(clip)
    assert client.list_objects_v2(Bucket=bucket, Prefix="again/")["KeyCount"] == 0
    store.withdraw(clip)  # gone already is fine


UPLOAD = """
import sys
from pathlib import Path
from kling_utils.providers.publish import ObjectStore
ObjectStore("s3://clips/killed").publish(Path(sys.argv[1]))
"""


def test_an_upload_that_is_cut_by_a_kill_leaves_nothing_and_the_next_one_is_whole(
    bucket: str, endpoint: str, tmp_path: Path
) -> None:
    clip, client = tmp_path / "clip.mp4", boto3.client("s3")
    clip.write_bytes(bytes(9_000_000))
    half_way, over = threading.Event(), threading.Event()

    class Proxy(socketserver.BaseRequestHandler):
        """Passes on what it gets until half of the clip went by, and then nothing any more."""

        def handle(self) -> None:
            with socket.create_connection(
                (urlsplit(endpoint).hostname, urlsplit(endpoint).port)
            ) as store:
                threading.Thread(target=self.back, args=(store,), daemon=True).start()
                passed = 0
                while passed < len(clip.read_bytes()) // 2 and (data := self.request.recv(65536)):
                    store.sendall(data)
                    passed += len(data)
                if passed >= 4_500_000:
                    half_way.set()
                    over.wait(60)

        def back(self, store: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := store.recv(65536):
                    self.request.sendall(data)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        env = {**os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.server_address[1]}"}
        with subprocess.Popen(
            [sys.executable, "-c", UPLOAD, str(clip)], env=env, stderr=subprocess.DEVNULL
        ) as upload:
            assert half_way.wait(60)
            upload.kill()
        over.set()
        proxy.shutdown()
    assert client.list_objects_v2(Bucket=bucket, Prefix="killed/")["KeyCount"] == 0
    ObjectStore(f"s3://{bucket}/killed").publish(clip)
    (kept,) = client.list_objects_v2(Bucket=bucket, Prefix="killed/")["Contents"]
    assert kept["Size"] == 9_000_000


def test_a_bucket_that_is_not_there_is_refused_with_what_to_do(bucket: str, clip: Path) -> None:
    with pytest.raises(NotPublished) as caught:
        ObjectStore("s3://no-such-bucket/x").publish(clip)
    assert caught.value.money == "no"
    assert "KLING_PUBLISH_TO" in caught.value.hint
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("root", "says"),
    [
        ("file:///srv/clips", "place on this machine"),
        ("memory://clips", "place on this machine"),
        ("gs://bucket/x", "needs the package gcsfs"),
        ("nonsense://bucket", "did not open"),
    ],
)
def test_what_no_provider_can_reach_is_refused(root: str, says: str, clip: Path) -> None:
    with pytest.raises(NotPublished, match=says):
        ObjectStore(root).publish(clip)
