"""A vendor that answers as no vendor should: whatever bytes a test says, at whatever pace, with or without TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

#: Speaks over the connection after the request's head has come, and returns when it is done.
Script = Callable[[socket.socket, threading.Event], None]


@dataclass
class HostileVendor:
    port: int
    connections: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def url(self, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


@contextlib.contextmanager
def running_vendor(script: Script, *, speaks_first: bool = False, tls: Path | None = None) -> Iterator[HostileVendor]:
    """speaks_first: as a mail server does, before anything was asked."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        vendor = HostileVendor(server.getsockname()[1])
        context = _context(tls) if tls else None
        threads = [threading.Thread(target=_serve, args=(server, vendor, script, speaks_first, context), daemon=True)]
        threads[0].start()
        try:
            yield vendor
        finally:
            vendor.over.set()
            server.shutdown(socket.SHUT_RDWR)
    threads[0].join(300)


def _context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def _serve(
    server: socket.socket, vendor: HostileVendor, script: Script, first: bool, tls: ssl.SSLContext | None
) -> None:
    while not vendor.over.is_set():
        try:
            connection, _ = server.accept()
        except OSError:
            return
        vendor.connections += 1
        talking = threading.Thread(target=_talk, args=(connection, vendor, script, first, tls), daemon=True)
        talking.start()


def _talk(plain: socket.socket, vendor: HostileVendor, script: Script, first: bool, tls: ssl.SSLContext | None) -> None:
    with plain, contextlib.suppress(OSError):
        plain.settimeout(10)
        with tls.wrap_socket(plain, server_side=True) if tls else plain as connection:
            while first or _request(connection):
                script(connection, vendor.over)
                if first:
                    return


def _request(connection: socket.socket) -> bytes:
    """Head and body of one request; empty at the end of the connection."""
    got = b""
    while b"\r\n\r\n" not in got:
        if not (more := connection.recv(65536)):
            return b""
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    missing = int(lengths[0].split(b":")[1]) - len(body) if lengths else 0
    while missing > 0:
        more = connection.recv(65536)
        missing -= len(more)
    return got


def answering(status: str, body: bytes, *headers: str) -> Script:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""])

    def script(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(head.encode("latin-1") + body)

    return script


def dripping(start: bytes, drop: bytes, seconds: float) -> Script:
    """The start at once, and then a drop after the other until the caller hangs up."""

    def script(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(start)
        while not over.wait(seconds):
            connection.sendall(drop)

    return script


AUTHORITY = """
[ca]
default_ca = own
[own]
new_certs_dir = {folder}
database = {folder}/index.txt
rand_serial = yes
default_md = sha256
policy = anyone
x509_extensions = names
[anyone]
commonName = supplied
[names]
subjectAltName = IP:127.0.0.1
"""


def certificate(folder: Path, begins: str = "20200101000000Z", ends: str = "20490101000000Z") -> Path:
    """Self-signed, for 127.0.0.1; certificate and key in one file."""
    file, key, asked, config = (folder / name for name in ("both.pem", "key.pem", "asked.pem", "authority.cnf"))
    (folder / "index.txt").touch()
    config.write_text(AUTHORITY.format(folder=folder))
    _openssl("req -new -newkey rsa:2048 -nodes -subj /CN=localhost", "-keyout", key, "-out", asked)
    signing = f"ca -batch -notext -selfsign -startdate {begins} -enddate {ends}"
    _openssl(signing, "-config", config, "-keyfile", key, "-in", asked, "-out", file)
    file.write_bytes(file.read_bytes() + key.read_bytes())
    return file


def _openssl(words: str, *more: str | Path) -> None:
    subprocess.run(["openssl", *words.split(), *map(str, more)], check=True, capture_output=True)
