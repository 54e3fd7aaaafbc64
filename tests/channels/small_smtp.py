"""A mail server whose every answer a test may say: what it offers, how it logs in, what it takes, where it floods."""

from __future__ import annotations

import base64
import contextlib
import hmac
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

Reply = bytes | Callable[["Conversation"], None]


@dataclass
class SmallSmtp:
    """`answers` are by command, and come instead of the usual ones; a callable speaks for itself."""

    port: int = 0
    offers: tuple[str, ...] = ("8BITMIME", "SMTPUTF8")
    answers: dict[str, Reply] = field(default_factory=dict)
    logins: dict[str, str] = field(default_factory=dict)  #: who may log in: name -> password
    login: Callable[[Conversation, str], bool] | None = None  #: how AUTH goes, when not as it should
    tls: ssl.SSLContext | None = None
    commands: list[bytes] = field(default_factory=list)
    logged_in: list[str] = field(default_factory=list)
    mails: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)  #: MAIL, RCPT, content
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


class Conversation:
    def __init__(self, connection: socket.socket, server: SmallSmtp) -> None:
        self.connection, self.server = connection, server
        self.file = connection.makefile("rb")
        self.secured = isinstance(connection, ssl.SSLSocket)
        self.known = not server.logins

    def say(self, text: bytes) -> None:
        self.connection.sendall(text + b"\r\n")

    def line(self) -> bytes:
        line = self.file.readline()
        if not line:
            raise ConnectionResetError
        self.server.commands.append(line.rstrip(b"\r\n"))
        return self.server.commands[-1]

    def asked(self, challenge: bytes) -> bytes:
        """What the client answers, decoded; a challenge is sent as it is."""
        self.say(b"334 " + challenge)
        return base64.b64decode(self.line())

    def talk(self) -> None:
        self._answer("CONNECT", b"220 small.example ESMTP")
        while True:
            line = self.line()
            verb = line.split(b" ")[0].decode("latin-1").upper()
            if verb == "QUIT":
                self.say(b"221 bye")
                return
            self._command(verb, line)

    def _command(self, verb: str, line: bytes) -> None:
        if verb in ("EHLO", "HELO"):
            self._answer(verb, b"\r\n".join(self._ehlo()))
        elif verb == "STARTTLS" and self.server.tls and verb not in self.server.answers:
            self.say(b"220 go on")
            self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
            self.file, self.secured = self.connection.makefile("rb"), True
        elif verb == "AUTH" and verb not in self.server.answers:
            way, _, initial = line[5:].decode("latin-1").partition(" ")
            self.known = (self.server.login or _as_it_should)(self, f"{way} {initial}".strip())
            self.say(b"235 2.7.0 welcome" if self.known else b"535 5.7.8 no")
        elif verb in ("MAIL", "RCPT") and not self.known:
            self.say(b"530 5.7.0 log in first")
        elif verb == "DATA":
            self._data()
        else:
            self._answer(verb, b"250 2.0.0 OK")

    def _ehlo(self) -> list[bytes]:
        offers = [offer for offer in self.server.offers if not (offer == "STARTTLS" and self.secured)]
        texts = ["small.example", *offers]
        return [f"250{'-' if index + 1 < len(texts) else ' '}{text}".encode() for index, text in enumerate(texts)]

    def _data(self) -> None:
        if not self._answer("DATA", b"354 go on").startswith(b"354"):
            return
        content = b""
        while not content.endswith(b"\r\n.\r\n"):
            line = self.file.readline()
            if not line:
                raise ConnectionResetError
            content += line
        before = self.server.commands[::-1]
        mail, rcpt = [next(each for each in before if each.upper().startswith(verb)) for verb in (b"MAIL", b"RCPT")]
        self.server.mails.append((mail, rcpt, (b"\r\n" + content[:-3]).replace(b"\r\n..", b"\r\n.")[2:]))
        self._answer(".", b"250 2.0.0 OK")

    def _answer(self, verb: str, usual: bytes) -> bytes:
        """A callable is taken to have said the usual."""
        said = self.server.answers.get(verb, usual)
        if callable(said):
            said(self)
            return usual
        self.say(said)
        return said


def _as_it_should(talk: Conversation, command: str) -> bool:
    way, _, initial = command.partition(" ")
    if way == "CRAM-MD5":
        challenge = b"<1@small.example>"
        name, _, digest = talk.asked(base64.b64encode(challenge)).decode().rpartition(" ")
        right = hmac.new(talk.server.logins.get(name, "").encode(), challenge, "md5").hexdigest()
        return _noted(talk, name, digest, right)
    if way == "PLAIN":
        _, name, given = (base64.b64decode(initial) if initial else talk.asked(b"")).decode().split("\0")
    else:
        name = (base64.b64decode(initial) if initial else talk.asked(base64.b64encode(b"Username:"))).decode()
        given = talk.asked(base64.b64encode(b"Password:")).decode()
    return _noted(talk, name, given, talk.server.logins.get(name))


def _noted(talk: Conversation, name: str, given: str, right: str | None) -> bool:
    if given == right:
        talk.server.logged_in.append(name)
    return given == right


def flooding(start: bytes, flood: bytes) -> Callable[[Conversation], None]:
    def answer(talk: Conversation) -> None:
        talk.connection.sendall(start)
        while not talk.server.over.is_set():
            talk.connection.sendall(flood)

    return answer


def dripping(start: bytes, drop: bytes, seconds: float = 0.02) -> Callable[[Conversation], None]:
    def answer(talk: Conversation) -> None:
        talk.connection.sendall(start)
        while not talk.server.over.wait(seconds):
            talk.connection.sendall(drop)

    return answer


def silent(talk: Conversation) -> None:
    talk.server.over.wait()


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@contextlib.contextmanager
def running_smtp(implicit: ssl.SSLContext | None = None, **manner: object) -> Iterator[SmallSmtp]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = SmallSmtp(listener.getsockname()[1], **manner)  # type: ignore[arg-type]
        thread = threading.Thread(target=_serve, args=(listener, server, implicit), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def _serve(listener: socket.socket, server: SmallSmtp, implicit: ssl.SSLContext | None) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_talk, args=(connection, server, implicit), daemon=True).start()


def _talk(plain: socket.socket, server: SmallSmtp, implicit: ssl.SSLContext | None) -> None:
    plain.settimeout(30)
    with plain, contextlib.suppress(OSError, ValueError):
        talk = Conversation(implicit.wrap_socket(plain, server_side=True) if implicit else plain, server)
        try:
            talk.talk()
        finally:
            talk.file.close()
            talk.connection.close()
