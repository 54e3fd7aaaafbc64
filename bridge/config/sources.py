"""The settings of `sources`: who may send alerts in, and how their Alertmanagers are asked."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from bridge.config.fields import BaseUrl, Duration, Line, RootUrl, SecretFile, Section
from bridge.config.values import check_interval


class BasicAuthSettings(Section):
    username: Line
    """The name that is sent."""
    password: SecretStr
    """Its password: ${NAME} of a variable, never the password itself."""
    password_file: Line | None = None
    """Instead: the file that holds the password; the path starts at the folder of routes.yaml."""


class ReconcileSettings(Section):
    """Asking a source's Alertmanagers about what they do not send by themselves."""

    enabled: bool = True
    """Whether the source's Alertmanagers are asked at all."""
    every: Annotated[Duration, AfterValidator(check_interval)] = timedelta(minutes=1)
    """How often they are asked; at least 100ms."""
    after: Duration = timedelta(minutes=5)
    """An alert is ended when no Alertmanager of the source has had it for so long."""
    settled: Duration = timedelta(minutes=5)
    """An Alertmanager that runs for less ends nothing: it has not been sent every alert again."""
    timeout: Duration = timedelta(seconds=10)
    """How long one may take to answer everything."""
    token: SecretStr | None = None
    """Bearer token for the API: ${NAME} of a variable."""
    token_file: SecretFile | None = None
    """Instead: a file with the token, read at each use."""
    basic_auth: BasicAuthSettings | None = None
    """Instead of a token: user and password for the API."""


class SourceSettings(Section):
    """Who may send alerts in."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=63)]
    """The last part of the webhook's URL: /webhook/alertmanager/NAME."""
    type: Literal["alertmanager", "grafana", "cloud_monitoring"] = "alertmanager"
    """Who sends: alertmanager, grafana or cloud_monitoring."""
    url: RootUrl | None = None
    """The Alertmanager's address, up to and without /api; it is asked about open incidents."""
    urls: Annotated[tuple[RootUrl, ...], Field(max_length=16)] = ()
    """Instead of url: the addresses of all members of a cluster."""
    alertmanager_ui: BaseUrl = None
    """Where its Alertmanager's own pages are; without it, no link leads there."""
    reconcile: ReconcileSettings = ReconcileSettings()
    """How its Alertmanagers are asked about open incidents."""
    tokens: tuple[SecretStr, ...] = ()
    """Bearer tokens that it may send, each ${NAME} of a variable; more than one while you change it."""
    basic_auth: BasicAuthSettings | None = None
    """Instead of tokens, or beside them: the user and password that it may send."""
    hmac_secret: SecretStr | None = None
    """Grafana only: what it signs its bodies with, ${NAME} of a variable; an unsigned body is then refused."""
    hmac_secret_file: Line | None = None
    """Instead: the file that holds it."""
    hmac_timestamp_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$", max_length=200)] | None = None
    """Grafana only: the header with the signed time, as named in the contact point."""
    hmac_max_age: Duration = timedelta(minutes=5)
    """Grafana only: how far the signed time may be from now, when there is one."""
    dedup_key: Literal["group", "source_and_group"] = "group"
    """group, as Alertmanager's own PagerDuty receiver; source_and_group keeps equal groups of two sources apart."""

    @property
    def alertmanagers(self) -> tuple[str, ...]:
        """The addresses of all its Alertmanagers, each once."""
        return tuple(dict.fromkeys(self.urls or ((self.url,) if self.url else ())))

    @property
    def reconciliation(self) -> ReconcileSettings | None:
        """None: its Alertmanagers are not asked."""
        asked = self.reconcile.enabled and self.type == "alertmanager" and self.alertmanagers
        return self.reconcile if asked else None
