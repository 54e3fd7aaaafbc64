"""routes.yaml and the environment -> frozen, typed settings; every fault at once, with its path and line.

Which types of channels there are is an argument: bridge.app.settings gives those of bridge.channels.
"""

from bridge.config.channel import ChannelSettings, ChannelTypes
from bridge.config.faults import ConfigurationFaults, Fault
from bridge.config.json_schema import json_schema
from bridge.config.loading import TemplateCheck, load, load_text
from bridge.config.settings import Settings, file_model, secret_values
from bridge.config.values import Rate

__all__ = [
    "ChannelSettings",
    "ChannelTypes",
    "ConfigurationFaults",
    "Fault",
    "Rate",
    "Settings",
    "TemplateCheck",
    "file_model",
    "json_schema",
    "load",
    "load_text",
    "secret_values",
]
