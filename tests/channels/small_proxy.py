"""A proxy on loopback: CONNECT and absolute URLs, with a login if asked; it notes what came through."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

REFUSAL = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass
class SmallProxy:
    port: int
    login: str = ""  #: the value of Proxy-Authorization that it wants
    asked: list[str] = field(default_factory=list)  #: request lines
    logins: list[str] = field(default_factory=list)
    leads_to: int = 0  #: this port of this machine, whatever was asked for

    def url(self, login: str = "") -> str:
        return f"http://{login}{'@' if login else ''}127.0.0.1:{self.port}"


@contextlib.contextmanager
def running_proxy(login: str = "") -> Iterator[SmallProxy]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = SmallProxy(server.getsockname()[1], login)
        thread = threading.Thread(target=_serve, args=(server, proxy), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def _serve(server: socket.socket, proxy: SmallProxy) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = server.accept()
            threading.Thread(target=_talk, args=(client, proxy), daemon=True).start()


def _talk(client: socket.socket, proxy: SmallProxy) -> None:
    with client, contextlib.suppress(OSError):
        head = b""
        while b"\r\n\r\n" not in head:
            if not (more := client.recv(65536)):
                return
            head += more
        lines = head.partition(b"\r\n\r\n")[0].decode().split("\r\n")
        given = [line.partition(": ")[2] for line in lines if line.lower().startswith("proxy-authorization:")]
        proxy.asked.append(lines[0])
        proxy.logins.extend(given)
        if proxy.login and given != [proxy.login]:
            client.sendall(REFUSAL)
            return
        _forward(client, lines[0], head, proxy)


def _forward(client: socket.socket, line: str, head: bytes, proxy: SmallProxy) -> None:
    method, target, _ = line.split()
    host, port = target.split(":") if method == "CONNECT" else (urlsplit(target).hostname, urlsplit(target).port)
    if proxy.leads_to:
        host, port = "127.0.0.1", proxy.leads_to
    with socket.create_connection((str(host), int(port or 80))) as vendor:
        if method == "CONNECT":
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            vendor.sendall(head)
        threading.Thread(target=_pump, args=(vendor, client), daemon=True).start()
        _pump(client, vendor)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_RDWR)
