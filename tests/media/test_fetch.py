"""Addresses that strangers give: public ones only, connected to the address that was checked, and nothing but pictures and clips."""

from __future__ import annotations

import socket
import ssl
import threading
import traceback
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from helpers.clocks import Clock
from helpers.scripted import MP4, SIGNATURE, CutAfter, File, Reply, ScriptedNovita, Stall

from kling_utils.errors import AddressRefused, KlingError, NoContact
from kling_utils.media import fetch
from kling_utils.media.fetch import Guard, chunks, direct, share_of

LOCAL = frozenset({"127.0.0.1"})
PNG = b"\x89PNG\r\n\x1a\n" + bytes(500)


@pytest.fixture
def server() -> Iterator[ScriptedNovita]:
    with ScriptedNovita() as running:
        yield running


class Names:
    """A resolver: name -> addresses; counts the look-ups."""

    def __init__(self, **names: list[str]) -> None:
        self.names, self.asked = names, list[str]()

    def __call__(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        if host not in self.names:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in self.names[host]]


def fetched(guard: Guard, url: str, folder: Path, **given: Any) -> bytes:
    return guard.fetch(url, folder / "in", **{"max_bytes": 10**7, **given}).read_bytes()


# -- which addresses


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",  # noqa: S104
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.127.255.255",
        "192.0.2.1",
        "198.18.0.1",
        "203.0.113.9",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.88.99.1",
        "::",
        "::1",
        "::ffff:8.8.8.8",
        "::ffff:127.0.0.1",
        "::8.8.8.8",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd12::1",
        "fec0::1",
        "ff02::1",
        "2002:0808:0808::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "2001:db8::1",
        "not an address",
    ],
)
def test_not_public(ip: str, tmp_path: Path) -> None:
    assert not fetch.public(ip)
    with pytest.raises(AddressRefused, match="not on the public internet"):
        fetched(Guard(resolve=Names(host=[ip])), "https://host/a.mp4", tmp_path)


@pytest.mark.parametrize(
    "ip",
    [
        "8.8.8.8",
        "1.1.1.1",
        "93.184.216.34",
        "100.128.0.1",
        "2606:4700:4700::1111",
        "2001:4860:4860::8888",
    ],
)
def test_public(ip: str) -> None:
    assert fetch.public(ip)


@pytest.mark.parametrize(
    "ips", [["8.8.8.8", "127.0.0.1"], ["127.0.0.1", "8.8.8.8"], ["8.8.8.8", "fd00::1"]]
)
def test_every_answer_must_be_public(ips: list[str], tmp_path: Path) -> None:
    with pytest.raises(AddressRefused, match="not on the public internet"):
        fetched(Guard(resolve=Names(split=ips)), "http://split/a.mp4", tmp_path)


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "localhost"],
)
def test_other_spellings_of_this_machine(host: str, tmp_path: Path) -> None:
    with pytest.raises(AddressRefused, match="not on the public internet"):
        fetched(Guard(), f"http://{host}/a.mp4", tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://files.example/a.mp4",
        "file:///etc/passwd",
        "gopher://files.example/",
        "data:video/mp4;base64,AAAA",
        "//files.example/a.mp4",
        "https://",
        "https:///a.mp4",
        "/etc/passwd",
        "https://user:secret@files.example/a.mp4",
        "https://user@files.example/a.mp4",
        "https://files.example:22/a.mp4",
        "https://files.example:8443/a.mp4",
        "https://files.example:99999/a.mp4",
        "https://files.example:port/a.mp4",
        "https://files.example\\@127.0.0.1/a.mp4",
        "https://files.example/a\r\nHost: x",
        "https://[::1/a.mp4",
        "https://exa mple/a.mp4",
        "https://files.example/" + "a" * 9000,
    ],
)
def test_refused_before_any_lookup(url: str, tmp_path: Path) -> None:
    names = Names()
    with pytest.raises(AddressRefused) as caught:
        fetched(Guard(resolve=names), url, tmp_path)
    assert names.asked == []
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://www.youtube.com/watch?v=abc", "YouTube"),
        ("https://youtu.be/abc", "YouTube"),
        ("http://m.youtube.com/shorts/x", "YouTube"),
        ("https://WWW.YouTube.COM./watch?v=1", "YouTube"),
        ("https://www.tiktok.com/@a/video/1", "TikTok"),
        ("https://vm.tiktok.com/x", "TikTok"),
        ("https://www.instagram.com/reel/x/", "Instagram"),
        ("https://drive.google.com/file/d/1/view", "Google Drive"),
        ("https://www.dropbox.com/s/x/a.mp4?dl=0", "Dropbox"),
        ("https://1drv.ms/v/s!x", "OneDrive"),
        ("https://firm-my.sharepoint.com/:v:/p/x", "OneDrive"),
    ],
)
def test_pages_are_named_before_any_contact(url: str, name: str, tmp_path: Path) -> None:
    names = Names()
    with pytest.raises(AddressRefused, match=name) as caught:
        fetched(Guard(resolve=names), url, tmp_path)
    assert caught.value.hint
    assert names.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "https://notyoutube.com/a.mp4",
        "https://www.dropbox.com/s/x/a.mp4?dl=1",
        "https://youtube.com.example/a.mp4",
    ],
)
def test_lookalikes_are_not_pages(url: str) -> None:
    fetch.parse(url, fetch.Allowed(frozenset()))


def test_a_name_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(NoContact, match="nobody has no address"):
        fetched(Guard(resolve=Names()), "https://nobody/a.mp4", tmp_path)


# -- allowed private hosts


@pytest.mark.parametrize("entry", ["127.0.0.1", "127.0.0.1:{port}", " 127.0.0.1 "])
def test_a_private_host_that_is_allowed(server: ScriptedNovita, tmp_path: Path, entry: str) -> None:
    url = server.serve("/a.mp4", File())
    assert fetched(Guard(allow=frozenset({entry.format(port=server.port)})), url, tmp_path) == MP4


@pytest.mark.parametrize("entry", ["127.0.0.1:1", "127.0.0.2", "localhost", "", "0.0.1"])
def test_others_stay_refused(server: ScriptedNovita, tmp_path: Path, entry: str) -> None:
    with pytest.raises(AddressRefused):
        fetched(Guard(allow=frozenset({entry})), server.serve("/a.mp4", File()), tmp_path)
    assert server.state.seen == []


def test_a_name_is_allowed_whatever_it_resolves_to(server: ScriptedNovita, tmp_path: Path) -> None:
    server.serve("/a.mp4", File())
    guard = Guard(allow=frozenset({"NAS.home"}), resolve=Names(**{"nas.home": ["127.0.0.1"]}))
    assert fetched(guard, f"http://nas.home:{server.port}/a.mp4", tmp_path) == MP4
    assert server.state.seen[0].headers["host"] == f"nas.home:{server.port}"


def test_an_ipv6_host_in_any_spelling() -> None:
    for entry in ("[::1]", "::1", "[::1]:8000"):
        fetch.parse("http://[::1]:8000/a.mp4", fetch.Allowed(frozenset({entry})))
    with pytest.raises(AddressRefused):
        fetch.parse("http://[::1]:8000/a.mp4", fetch.Allowed(frozenset({"[::1]:8001"})))


# -- pinning


def test_the_name_is_looked_up_once_and_connected_to_that_address(
    server: ScriptedNovita, tmp_path: Path
) -> None:
    server.serve("/a.mp4", File())
    answers = deque(["127.0.0.1", "10.9.9.9"])

    def rebinding(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.popleft(), port))]

    guard = Guard(allow=frozenset({"flip.example"}), resolve=rebinding)
    assert fetched(guard, f"http://flip.example:{server.port}/a.mp4", tmp_path) == MP4
    assert list(answers) == ["10.9.9.9"]


def test_a_dead_address_of_a_name_is_passed_over(server: ScriptedNovita, tmp_path: Path) -> None:
    server.serve("/a.mp4", File())
    guard = Guard(
        allow=frozenset({"two.example"}),
        resolve=Names(**{"two.example": ["127.0.0.2", "127.0.0.1"]}),
    )
    assert fetched(guard, f"http://two.example:{server.port}/a.mp4", tmp_path) == MP4


class Tls:
    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.bundle = str(folder / "ca.pem")
        self._ca.cert_pem.write_to_path(self.bundle)
        self.names: list[str | None] = []

    def context(self, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*names).configure_cert(context)

        def note(sock: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            self.names.append(name)

        context.sni_callback = note  # type: ignore[assignment]
        return context


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return Tls(tmp_path)


def test_tls_asks_for_the_name_and_checks_its_certificate(tls: Tls, tmp_path: Path) -> None:
    with ScriptedNovita(tls=tls.context("files.example")) as server:
        server.serve("/a.mp4", File())
        guard = Guard(
            allow=frozenset({"files.example"}),
            resolve=Names(**{"files.example": ["127.0.0.1"]}),
            verify=tls.bundle,
        )
        assert fetched(guard, f"https://files.example:{server.port}/a.mp4", tmp_path) == MP4
        assert tls.names == ["files.example"]
        assert server.state.seen[0].headers["host"] == f"files.example:{server.port}"


@pytest.mark.parametrize("certified", ["other.example", "127.0.0.1"])
def test_a_certificate_of_another_name_is_refused(tls: Tls, tmp_path: Path, certified: str) -> None:
    with ScriptedNovita(tls=tls.context(certified)) as server:
        server.serve("/a.mp4", File())
        guard = Guard(
            allow=frozenset({"files.example"}),
            resolve=Names(**{"files.example": ["127.0.0.1"]}),
            verify=tls.bundle,
        )
        with pytest.raises(NoContact, match="certificate"):
            fetched(guard, f"https://files.example:{server.port}/a.mp4", tmp_path)
        assert server.state.seen == []


def test_an_untrusted_certificate_is_refused(tls: Tls, tmp_path: Path) -> None:
    with ScriptedNovita(tls=tls.context("files.example")) as server:
        guard = Guard(
            allow=frozenset({"files.example"}), resolve=Names(**{"files.example": ["127.0.0.1"]})
        )
        with pytest.raises(NoContact, match="certificate"):
            fetched(guard, f"https://files.example:{server.port}/a.mp4", tmp_path)


def test_a_proxy_is_asked_for_the_address_that_was_checked(tmp_path: Path) -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.recv(1000))

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        proxies = {"https": f"http://127.0.0.1:{listener.getsockname()[1]}"}
        guard = Guard(resolve=Names(**{"files.example": ["93.184.216.34"]}), proxies=proxies)
        with pytest.raises(NoContact):
            fetched(guard, "https://files.example/a.mp4", tmp_path)
        thread.join(5)
    assert heard[0].startswith(b"CONNECT 93.184.216.34:443 ")


def test_an_allowed_host_needs_no_proxy(server: ScriptedNovita, tls: Tls, tmp_path: Path) -> None:
    with ScriptedNovita(tls=tls.context("files.example")) as secure:
        secure.serve("/a.mp4", File())
        names = Names(**{"files.example": ["127.0.0.1"]})
        guard = Guard(
            allow=frozenset({"files.example"}),
            resolve=names,
            verify=tls.bundle,
            proxies={"https": server.base_url},
        )
        assert fetched(guard, f"https://files.example:{secure.port}/a.mp4", tmp_path) == MP4


@pytest.mark.parametrize(
    ("url", "spared"),
    [
        ("https://api.novita.ai/v3", False),
        ("https://x.corp.example/", True),
        ("https://corp.example/", True),
        ("https://notcorp.example/", False),
        ("http://127.0.0.1:9/", True),
        ("http://localhost/", True),
        ("http://[::1]:9/", True),
    ],
)
def test_who_is_spared_the_proxy(url: str, spared: bool) -> None:
    proxies = {"http": "http://p", "https": "http://p", "no": ".corp.example, other"}
    assert fetch.proxies_for(url, proxies) == (
        {} if spared else {"http": "http://p", "https": "http://p"}
    )
    assert fetch.proxies_for(url, {**proxies, "no": "*"}) == {}


# -- redirects


def test_redirects_are_followed_and_relative_ones_too(
    server: ScriptedNovita, tmp_path: Path
) -> None:
    server.serve("/end.mp4", File())
    for n, target in enumerate(["/2", "3", f"{server.base_url}/4", "/end.mp4"], start=1):
        server.state.files[f"/{n}"] = File(acts=deque([Reply(302, "", {"Location": target})]))
    assert fetched(Guard(allow=LOCAL), f"{server.base_url}/1", tmp_path) == MP4
    assert len(server.state.seen) == 5


def test_the_fifth_redirect_is_too_many(server: ScriptedNovita, tmp_path: Path) -> None:
    server.state.files["/loop"] = File(acts=deque([Reply(301, "", {"Location": "/loop"})] * 9))
    with pytest.raises(AddressRefused, match="more than 4"):
        fetched(Guard(allow=LOCAL), f"{server.base_url}/loop", tmp_path)
    assert len(server.state.seen) == 5


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("http://127.0.0.2/a.mp4", "public"),
        ("http://169.254.169.254/latest/meta-data", "public"),
        ("file:///etc/passwd", "not a web address"),
        ("http://u:p@127.0.0.1/a.mp4", "user name"),
        ("https://www.youtube.com/watch?v=1", "YouTube"),
        ("http://8.8.8.8:8080/a.mp4", "port 8080"),
    ],
)
def test_every_hop_is_checked(
    server: ScriptedNovita, tmp_path: Path, target: str, why: str
) -> None:
    server.state.files["/a"] = File(acts=deque([Reply(307, "", {"Location": target})]))
    with pytest.raises(AddressRefused, match=why):
        fetched(Guard(allow=LOCAL), f"{server.base_url}/a", tmp_path)


# -- bytes


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (MP4, "video"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "video"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "image"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image"),
        (PNG, "image"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image"),
        (b"RIFF\0\0\0\0AVI LIST", "video"),
        (b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x86\x81\x01B\x82\x84webm", "video"),
        (b"\x1aE\xdf\xa3\x93B\x82\x88matroska", "video"),
        (b"GIF89a\1\0\1\0", "image"),
        (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0", "image"),
        (b"II*\0\x08\0\0\0", "image"),
        (b"MM\0*\0\0\0\x08", "image"),
    ],
)
def test_kinds_by_first_bytes(
    server: ScriptedNovita, tmp_path: Path, head: bytes, kind: str
) -> None:
    url = server.serve("/f", File(head, content_type="application/octet-stream"))
    assert fetched(Guard(allow=LOCAL), url, tmp_path, kinds=(kind,)) == head
    other = "image" if kind == "video" else "video"
    with pytest.raises(AddressRefused, match="is not a"):
        fetched(Guard(allow=LOCAL), url, tmp_path, kinds=(other,))


@pytest.mark.parametrize(
    ("data", "content_type", "said"),
    [
        (b"<!DOCTYPE html><html>", "video/mp4", "a web page"),
        (b"\n\n  <html><body>login", "application/octet-stream", "a web page"),
        (b"<div>fragment</div>", "text/html; charset=utf-8", "a web page"),
        (b"#EXTM3U\nhttp://127.0.0.1/x", "video/mp4", "a playlist"),
        (b"%PDF-1.7", "video/mp4", "PDF"),
        (b"MZ\x90\0\x03" + bytes(100), "video/mp4", "unknown kind"),
        (b"", "video/mp4", "empty"),
    ],
)
def test_what_is_neither_picture_nor_clip(
    server: ScriptedNovita, tmp_path: Path, data: bytes, content_type: str, said: str
) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    with pytest.raises(AddressRefused, match=said):
        fetched(
            Guard(allow=LOCAL),
            server.serve("/f.mp4", File(data, content_type=content_type)),
            folder,
        )
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("told", [True, False])
def test_too_large(server: ScriptedNovita, tmp_path: Path, told: bool) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    act = Reply(200, MP4, {} if told else {"Content-Length": "", "Connection": "close"})
    url = server.serve("/f.mp4", File(acts=deque([act])))
    with pytest.raises(AddressRefused, match="larger than"):
        fetched(Guard(allow=LOCAL), url, folder, max_bytes=len(MP4) - 1)
    assert list(folder.iterdir()) == []
    assert len(fetched(Guard(allow=LOCAL), url, folder, max_bytes=len(MP4))) == len(MP4)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, AddressRefused),
        (403, AddressRefused),
        (404, AddressRefused),
        (410, AddressRefused),
        (500, NoContact),
        (429, NoContact),
    ],
)
def test_statuses(
    server: ScriptedNovita, tmp_path: Path, status: int, error: type[Exception]
) -> None:
    url = server.serve("/f.mp4", File(acts=deque([Reply(status, "")])))
    with pytest.raises(error, match=f"HTTP {status}"):
        fetched(Guard(allow=LOCAL), url, tmp_path)


def test_a_file_that_breaks_off_is_not_kept(server: ScriptedNovita, tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    with pytest.raises(NoContact, match="broke off"):
        fetched(
            Guard(allow=LOCAL), server.serve("/f.mp4", File(acts=deque([CutAfter(9000)]))), folder
        )
    assert list(folder.iterdir()) == []


class FullDisk(type(Path())):  # type: ignore[misc]
    """A path beside which nothing can be written."""

    def open(self, *_: Any, **__: Any) -> Any:
        return Path("/dev/full").open("wb")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_said_and_nothing_was_spent(server: ScriptedNovita, tmp_path: Path) -> None:
    with pytest.raises(KlingError, match="could not be saved: the disk is full") as caught:
        Guard(allow=LOCAL).fetch(
            server.serve("/f.mp4", File()), FullDisk(tmp_path / "in"), max_bytes=10**7
        )
    assert caught.value.money == "no"
    assert "Free some space" in caught.value.hint
    assert SIGNATURE not in str(caught.value)


def test_a_folder_that_is_gone_is_said(server: ScriptedNovita, tmp_path: Path) -> None:
    with pytest.raises(KlingError, match="could not be saved: No such file"):
        fetched(Guard(allow=LOCAL), server.serve("/f.mp4", File()), tmp_path / "gone")


def test_time_is_limited_in_all(server: ScriptedNovita, tmp_path: Path) -> None:
    class Slow(Clock):
        def __call__(self) -> float:
            self.now += 50
            return self.now

    with pytest.raises(NoContact, match="within 120 s"):
        fetched(Guard(allow=LOCAL, clock=Slow()), server.serve("/f.mp4", File()), tmp_path)


def test_a_host_that_says_nothing_ends_with_the_total_time(
    server: ScriptedNovita, tmp_path: Path
) -> None:
    url = server.serve("/f.mp4", File(acts=deque([Stall()])))
    with pytest.raises(NoContact, match="did not finish"):
        fetched(
            Guard(allow=LOCAL), url, tmp_path, total_timeout=0.2
        )  # far below the 30 s for one read


@pytest.mark.parametrize(
    "start",
    [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n" + MP4[:5000]],
    ids=["headers", "body without a length"],
)
def test_a_host_that_drips_ends_with_the_total_time(tmp_path: Path, start: bytes) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(start)
                try:
                    while not ended.wait(0.02):
                        connection.sendall(b"X")
                except OSError:
                    pass

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        with pytest.raises(NoContact, match="did not finish"):
            fetched(
                Guard(allow=LOCAL),
                f"http://127.0.0.1:{listener.getsockname()[1]}/f.mp4",
                folder,
                total_timeout=0.2,
            )
        assert list(folder.iterdir()) == []
        ended.set()
        thread.join(5)


# -- what travels and what is told


def test_nothing_but_the_request_travels(
    server: ScriptedNovita, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(
        "machine 127.0.0.1 login me password hunter2\ndefault login me password hunter2\n"
    )
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server.state.files["/a"] = File(
        acts=deque([Reply(302, "", {"Location": "/b.mp4", "Set-Cookie": "s=1; Path=/"})])
    )
    server.serve("/b.mp4", File())
    fetched(Guard(allow=LOCAL), f"{server.base_url}/a", tmp_path)
    assert len(server.state.seen) == 2
    for seen in server.state.seen:
        assert set(seen.headers) == {
            "host",
            "accept",
            "accept-encoding",
            "user-agent",
            "connection",
        }


def test_queries_are_sent_but_never_told(
    server: ScriptedNovita, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    for act in (
        Reply(404, ""),
        Reply(500, ""),
        Reply(200, "<html>"),
        CutAfter(5),
        Reply(302, "", {"Location": "/x?" + SIGNATURE}),
    ):
        with pytest.raises((AddressRefused, NoContact)) as caught:
            fetched(Guard(allow=LOCAL), server.serve("/f.mp4", File(acts=deque([act]))), tmp_path)
        assert SIGNATURE not in "".join(traceback.format_exception(caught.value))
    assert all(seen.query == SIGNATURE for seen in server.state.seen)
    assert "/f.mp4" in caplog.text  # it was logged ...
    assert SIGNATURE not in caplog.text  # ... without it


def test_open_streams_with_the_given_headers(server: ScriptedNovita) -> None:
    url = server.serve("/f.mp4", File())
    with Guard(allow=LOCAL).open(url, headers={"Range": "bytes=4-7"}) as response:
        assert response.status_code == 206
        assert b"".join(chunks(response, url)) == b"ftyp"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://a.example/b?c=d&e=f.", "see https://a.example/b"),
        ("HTTPS://U:P@a.example/b#frag next", "HTTPS://a.example/b next"),
        ("no address? none", "no address? none"),
    ],
)
def test_texts_lose_queries(text: str, shown: str) -> None:
    assert fetch.without_queries(text) == shown


# -- share links -----------------------------------------------------------------------------------


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
