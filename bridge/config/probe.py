"""The settings of `context.probes`: a model that is asked texts of known labels, where it answers, and when."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from bridge.config.fields import (
    FROZEN,
    Duration,
    FolderPath,
    Line,
    PromQL,
    RootUrl,
    SecretFile,
    Section,
    SomeMatchers,
    checked,
)
from bridge.config.secret_files import read_secret
from bridge.core.context.probe import HEADER, WITHOUT_TOKEN, Probe

MOST_BATCH = 500


def _check_pattern(text: str) -> None:
    try:
        re.compile(text)
    except re.error as fault:
        raise ValueError(f"not a regular expression: {fault}") from None


def _secret(value: SecretStr | None, file: Path | None) -> str:
    if file is not None:
        return read_secret(file)
    return value.get_secret_value() if value is not None else ""


class ProbeAnswerSettings(Section):
    """The names of the fields in a request and its answer; those of the bundled API unless written."""

    texts: Line = "texts"
    """In the request: the list of texts."""
    answers: Line = "predictions"
    """In the answer: the list of verdicts, in the order of the texts."""
    label: Line = "label"
    """In a verdict: the label."""
    confidence: Line = "confidence"
    """In a verdict: how sure the model is, 0 to 1; it may be missing."""
    version: Line = "model_version"
    """In the answer: the version that gave it; it may be missing."""


class ProbeSettings(Section):
    """Golden texts for a model: asked after a page about its answers, to tell a broken model from changed traffic."""

    service: Line
    """Whose model it is; what it answers after a deploy is kept under this name."""
    golden: FolderPath
    """A CSV file with the columns label and text, from texts that the model was not trained on."""
    matchers: SomeMatchers
    """The alerts that it is asked for, all matchers holding: those about what the model answers."""
    urls: Annotated[tuple[RootUrl, ...], Field(max_length=50)] = ()
    """Where it is asked, up to, and without, the path; every pod if you can."""
    instances: PromQL | None = None
    """Instead or besides: PromQL whose samples' label instance is an address, and pod its name."""
    allowed: Annotated[Line, checked(_check_pattern)] | None = None
    """Required with instances: a regular expression that a whole host:port must match to be asked."""
    scheme: Literal["http", "https"] = "http"
    """Of the addresses that `instances` finds."""
    path: Annotated[Line, Field(pattern=r"^/[^?#\s]*$")] = "/predict"
    """What is posted to."""
    headers: Annotated[Mapping[Line, Line], FROZEN] = Field(default={}, validate_default=True)
    """Sent with each request."""
    token: SecretStr | None = None
    """A bearer token of the model's own service."""
    token_file: SecretFile | None = None
    """Instead: a file with the token, read for each probe."""
    header_token: SecretStr | None = None
    """What X-Golden-Probe carries instead of 1: BERT_API_PROBE_TOKEN of the bundled API."""
    header_token_file: SecretFile | None = None
    """Instead: a file with it, read for each probe."""
    batch: Annotated[int, Field(ge=1, le=MOST_BATCH)] = 32
    """How many texts one request has."""
    budget: Duration = timedelta(seconds=10)
    """How long one probe of all addresses may take; no message waits for it."""
    timeout: Duration = timedelta(seconds=5)
    """How long one request may take."""
    fields: ProbeAnswerSettings = ProbeAnswerSettings()
    """The names of the fields in a request and its answer."""

    @property
    def probe(self) -> Probe:
        return Probe(self.service, self.matchers)

    def sent_headers(self) -> Mapping[str, str]:
        """With each request. Reads the files of tokens. Raises UnreadableSecret."""
        token, golden = _secret(self.token, self.token_file), _secret(self.header_token, self.header_token_file)
        authorization = {"Authorization": f"Bearer {token}"} if token else {}
        return {**self.headers, **authorization, HEADER: golden or WITHOUT_TOKEN}

    @model_validator(mode="after")
    def _addresses(self) -> Self:
        if not self.urls and self.instances is None:
            raise ValueError("it needs urls, or instances and allowed: where is the model asked?")
        if (self.instances is None) != (self.allowed is None):
            raise ValueError("instances and allowed belong together: allowed says which addresses may be asked")
        return self
