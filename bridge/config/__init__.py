"""routes.yaml and the environment -> frozen, typed settings; every fault at once, with its path and line."""

from bridge.config.faults import ConfigurationFaults, Fault
from bridge.config.json_schema import json_schema
from bridge.config.loading import TemplateCheck, load, load_text
from bridge.config.settings import (
    BasicAuthSettings,
    ChannelSettings,
    EmailSettings,
    IncidentSettings,
    LimitSettings,
    PagerDutySettings,
    Settings,
    SeveritySettings,
    SlackSettings,
    SourceSettings,
    WebSettings,
    secret_values,
)
from bridge.config.values import Rate

__all__ = [
    "BasicAuthSettings",
    "ChannelSettings",
    "ConfigurationFaults",
    "EmailSettings",
    "Fault",
    "IncidentSettings",
    "LimitSettings",
    "PagerDutySettings",
    "Rate",
    "Settings",
    "SeveritySettings",
    "SlackSettings",
    "SourceSettings",
    "TemplateCheck",
    "WebSettings",
    "json_schema",
    "load",
    "load_text",
    "secret_values",
]
