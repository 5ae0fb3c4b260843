"""Hugging Face on 127.0.0.1: datasets are made, filled by the protocol for large files, served and deleted, and everything is counted."""

from __future__ import annotations

import base64
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

TOKEN = "hf_scripted0123456789abcdefghijklmno"
USER = "someone"


@dataclass
class HubState:
    token: str = TOKEN
    forbids: str = ""
    """``create`` or ``delete``: what the token does not allow."""
    repos: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Files by name, by the repository's id."""
    visible: dict[str, str] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    """Method and path of each request."""


class ScriptedHub:
    """The server, in a thread; ``base_url`` is where. A context manager."""

    def __init__(self) -> None:
        self.state = HubState()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()


def _handler(hub: ScriptedHub) -> type[BaseHTTPRequestHandler]:
    state = hub.state

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def answer(self, status: int, body: Any = b"", **headers: str) -> None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def body(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            whole = b""
            while size := int(self.rfile.readline(), 16):
                whole += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return whole

        def refused(self, what: str = "") -> bool:
            if self.headers.get("Authorization") != f"Bearer {state.token}":
                self.answer(401, {"error": "Invalid username or password."})
            elif what and what == state.forbids:
                self.answer(403, {"error": "You don't have the rights."})
            else:
                return False
            return True

        def do_POST(self) -> None:
            path, raw = urlsplit(self.path).path, self.body()
            state.seen.append(f"POST {path}")
            if path == "/api/repos/create":
                asked = json.loads(raw)
                if not self.refused("create"):
                    assert asked["type"] == "dataset"
                    repo = f"{USER}/{asked['name']}"
                    state.repos[repo], state.visible[repo] = {}, asked["visibility"]
                    state.made.append(repo)
                    self.answer(200, {"url": f"{hub.base_url}/datasets/{repo}"})
            elif match := re.fullmatch(r"/api/datasets/(.+)/preupload/main", path):
                files = [
                    {"path": f["path"], "uploadMode": "lfs", "shouldIgnore": False}
                    for f in json.loads(raw)["files"]
                ]
                if not self.refused():
                    self.answer(200 if match[1] in state.repos else 404, {"files": files})
            elif path.endswith(".git/info/lfs/objects/batch"):
                objects = [
                    {**o, "actions": {"upload": {"href": f"{hub.base_url}/lfs/{o['oid']}"}}}
                    for o in json.loads(raw)["objects"]
                ]
                if not self.refused():
                    self.answer(200, {"transfer": "basic", "objects": objects})
            elif match := re.fullmatch(r"/api/datasets/(.+)/commit/main", path):
                if self.refused():
                    return
                for line in map(json.loads, raw.splitlines()):
                    value = line["value"]
                    if line["key"] == "lfsFile":
                        state.repos[match[1]][value["path"]] = state.blobs[value["oid"]]
                    elif line["key"] == "file":
                        state.repos[match[1]][value["path"]] = base64.b64decode(value["content"])
                self.answer(
                    200,
                    {
                        "success": True,
                        "commitOid": "0" * 40,
                        "commitUrl": f"{hub.base_url}/datasets/{match[1]}/commit/{'0' * 40}",
                    },
                )
            else:
                self.answer(404, {"error": "not found"})

        def do_PUT(self) -> None:
            path = urlsplit(self.path).path
            state.seen.append(f"PUT {path}")
            state.blobs[path.rpartition("/")[2]] = self.body()
            self.answer(200)

        def do_DELETE(self) -> None:
            asked = json.loads(self.body())
            state.seen.append("DELETE /api/repos/delete")
            if self.refused("delete"):
                return
            repo = f"{asked['organization'] or USER}/{asked['name']}"
            if state.repos.pop(repo, None) is None:
                self.answer(404, {"error": "not found"}, X_Error_Code="RepoNotFound")
            else:
                state.deleted.append(repo)
                self.answer(200)

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            state.seen.append(f"{self.command} {path}")
            if match := re.fullmatch(r"/datasets/(.+)/resolve/main/([^/]+)", path):
                data = state.repos.get(match[1], {}).get(match[2])
                where = f"{hub.base_url}/cdn/{match[1]}/{match[2]}?Signature=s3cret"
                self.answer(404) if data is None else self.answer(302, Location=where)
            elif match := re.fullmatch(r"/cdn/(.+)/([^/]+)", path):
                data = state.repos.get(match[1], {}).get(match[2])
                asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
                if data is None:
                    self.answer(404)
                elif asked:
                    first, last = int(asked[1]), min(int(asked[2]), len(data) - 1)
                    part = f"bytes {first}-{last}/{len(data)}"
                    self.answer(206, data[first : last + 1], Content_Range=part)
                else:
                    self.answer(200, data)
            else:
                self.answer(404)

        do_HEAD = do_GET

    return Handler
