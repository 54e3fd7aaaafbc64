"""A bridge elsewhere, through its API: for commands with --server.

Invariant: the token goes to the named server alone (no redirect is followed), and never into arguments or errors.
"""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from bridge.config.secret_files import UnreadableSecret, read_secret
from bridge.rendering.text import one_line

TOKEN = "BRIDGE_TOKEN"
TIMEOUT = 30.0  #: seconds of one try
TRIES = 4
MOST = 2**20  #: bytes of an answer


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """The redirect itself is then the answer."""


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    body: Mapping[str, Any]  #: empty where it is no JSON object
    text: str = ""  #: the first line of a plain text


class RemoteBridge:
    """Raises ClickException where there is no answer, or none of a bridge."""

    def __init__(self, url: str, token: str | None, pause_seconds: float = 1.0) -> None:
        self._url, self._token, self._pause = url.rstrip("/"), token, pause_seconds
        self._opener = urllib.request.build_opener(_NoRedirects)

    def post(self, path: str, body: Mapping[str, Any], key: str) -> Answered:
        """Tried again after a 503 or a lost answer: the key makes it act once."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": key, "User-Agent": "bridge"}
        headers |= {"Authorization": f"Bearer {self._token}"} if self._token else {}
        for attempt in range(TRIES):
            if attempt:
                time.sleep(self._pause * attempt)
            request = urllib.request.Request(f"{self._url}{path}", json.dumps(body).encode(), headers, method="POST")
            try:
                answered = self._answered(request)
            except (OSError, http.client.HTTPException) as fault:
                reason = fault.reason if isinstance(fault, urllib.error.URLError) else fault
                lost = f"{self._url} does not answer: {reason}"
                continue
            if answered.status != 503:
                return answered
            lost = f"{self._url} cannot store it now: {answered.body.get('error', 'HTTP 503')}"
        raise click.ClickException(f"{lost}; tried {TRIES} times")

    def _answered(self, request: urllib.request.Request) -> Answered:
        try:
            with self._opener.open(request, timeout=TIMEOUT) as answer:
                return Answered(answer.status, _object(answer.read(MOST)))
        except urllib.error.HTTPError as refusal:
            with refusal:
                content = refusal.read(MOST)
            plain = refusal.headers.get_content_type() == "text/plain"
            text = one_line(content.decode("utf-8", "replace").partition("\n")[0])[:300] if plain else ""
            return Answered(refusal.code, _object(content), text)


def checked_server(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        right = parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment
    except ValueError:
        right = False
    if not right:
        raise click.BadParameter("write the bridge's address, such as https://bridge.example.org")
    if parts.username or parts.password:
        raise click.BadParameter(f"every user of this machine can read it: give a token with --token-file or {TOKEN}")
    return value


def token_of(file: str | None) -> str | None:
    """From the file, or the environment; None: there is none."""
    where, token = (TOKEN, os.environ.get(TOKEN, "").strip()) if file is None else (file, _in(file))
    if file is None and not token:
        return None
    if not token or not (token.isascii() and token.isprintable()):
        raise click.ClickException(f"{where}: it should hold one line of ASCII characters, the token")
    return token


def _in(file: str) -> str:
    try:
        return read_secret(Path(file))
    except UnreadableSecret as fault:
        raise click.ClickException(f"{file}: {fault}") from None


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
