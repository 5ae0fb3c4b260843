"""A stand-in for Gradio's tunnel program: it takes the same arguments and passes a second port of 127.0.0.1 on to the local one."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

PROGRAM = """#!{python}
import argparse, os, pathlib, signal, socket, socketserver, sys, threading, time
parser = argparse.ArgumentParser()
parser.add_argument("kind")
for name in ("-n", "-l", "-i", "--sd", "--server_addr", "--tls_trusted_ca_file"):
    parser.add_argument(name)
for name in ("--uc", "--ue", "--disable_log_color", "--tls_enable"):
    parser.add_argument(name, action="store_true")
asked = parser.parse_args()
folder = pathlib.Path(__file__).parent
how = (folder / "how").read_text() if (folder / "how").exists() else ""
if how == "dies":
    sys.exit(3)
if how == "hangs":
    time.sleep(600)
if how == "refused":
    print("login to server failed: authorization failed", flush=True)
    time.sleep(600)

class Pass(socketserver.BaseRequestHandler):
    def handle(self):
        with socket.create_connection((asked.i, int(asked.l))) as inner:
            threading.Thread(target=self.back, args=(inner,), daemon=True).start()
            while data := self.request.recv(65536):
                inner.sendall(data)
            inner.shutdown(socket.SHUT_WR)

    def back(self, inner):
        try:
            while data := inner.recv(65536):
                self.request.sendall(data)
            self.request.shutdown(socket.SHUT_WR)
        except OSError:
            pass

class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

with Server(("127.0.0.1", 0), Pass) as server:
    (folder / "pids").open("a").write(f"{{os.getpid()}}\\n")
    port = server.server_address[1] if how != "elsewhere" else 9
    print("start proxy success: http://127.0.0.1:%d" % port, flush=True)
    server.serve_forever()
"""


class StandIn:
    """The program in a folder, and what it is told to do: ``dies``, ``hangs``, ``refused``, ``elsewhere`` (its address leads nowhere)."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "frpc"
        self.path.write_text(PROGRAM.format(python=sys.executable), "utf-8")
        self.path.chmod(0o755)

    def told(self, how: str) -> None:
        (self.path.parent / "how").write_text(how, "utf-8")

    @property
    def pids(self) -> list[int]:
        """Of all programs that were started and said their address."""
        log = self.path.parent / "pids"
        return [int(line) for line in log.read_text("utf-8").split()] if log.exists() else []

    def settings(self) -> list[tuple[str, str, Any]]:
        """What is set in Gradio's modules (module, name, value) so that it takes this program and asks nobody for a server."""
        digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        return [
            ("gradio.networking", "GRADIO_SHARE_SERVER_ADDRESS", "127.0.0.1:7000"),
            ("gradio.tunneling", "BINARY_PATH", str(self.path)),
            ("gradio.tunneling", "BINARY_URL", "https://stand-in.example/frpc"),
            ("gradio.tunneling", "CHECKSUMS", {"https://stand-in.example/frpc": digest}),
        ]


def alive(pid: int) -> bool:
    """Is there a process of that id, a zombie included?"""
    return Path(f"/proc/{pid}").exists()
