"""A new type of channel: its model alone defines keys, secrets and descriptions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest
from pydantic import SecretStr

from bridge.channels import CHANNEL_TYPES
from bridge.config import ChannelSettings, ConfigurationFaults, json_schema, load_text, secret_values
from bridge.config.channel import ChannelTypes
from bridge.config.fields import ExistingFile, Line, Section
from bridge.core.ports import Channel


class Cage(Section):
    keeper: Line
    """Who feeds them."""
    lock: SecretStr
    """The number of its lock."""
    lock_file: Line | None = None
    """Instead: the file that holds it."""


class PigeonSettings(ChannelSettings):
    type: Literal["pigeon"]
    """pigeon: on wings."""
    ring: SecretStr
    """The number of the ring."""
    ring_file: Line | None = None
    """Instead: the file that holds it."""
    map: ExistingFile | None = None
    """Where to fly."""
    cages: tuple[Cage, ...] = ()
    """Where they live."""

    def build(self, name: str) -> Channel:
        raise AssertionError("reading the settings builds no channel")


TYPES: ChannelTypes = (*CHANNEL_TYPES, PigeonSettings)
ROUTES = "channels: {{coop: {{type: pigeon, {keys}}}}}\nroute: {{notify: [coop]}}\n"


def load(
    keys: str, environ: Mapping[str, str] | None = None, folder: Path = Path(), secrets: bool = True
) -> PigeonSettings:
    text = ROUTES.format(keys=keys)
    found = load_text(text, environ or {}, TYPES, folder=folder, secrets=secrets).channels["coop"]
    assert isinstance(found, PigeonSettings)
    return found


def faults(keys: str) -> list[str]:
    with pytest.raises(ConfigurationFaults) as caught:
        load(keys)
    assert "hunter2" not in f"{caught.value} {caught.value!r}"
    return [str(fault) for fault in caught.value.faults]


def test_secrets_of_a_new_type_are_read_and_known_to_the_log_filter(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("from-a-file\n")
    cage = "cages: [{keeper: ann, lock_file: lock}]"
    settings = load(f'ring: "${{RING}}", {cage}', {"RING": "from-outside"}, tmp_path)
    assert secret_values(settings) == {"from-outside", "from-a-file"}
    assert "from-" not in repr(settings)
    assert load(f'ring: "${{RING}}", {cage}', secrets=False).ring.get_secret_value() == "stand-in"


def test_all_faults_are_reported_at_once_without_a_secret() -> None:
    found = faults("cages: [{keper: ann, lock: hunter2}], map: nowhere.txt, rate: often")
    assert sorted(found) == [
        "channels.coop.cages[0].keeper: is missing",
        "channels.coop.cages[0].keper: unknown key; did you mean 'keeper'?",
        "channels.coop.cages[0].lock: a secret is written in the file; write ${NAME_OF_A_VARIABLE} instead, or keep it "
        "in a file and name that with *_file; and change that secret, it is known now",
        "channels.coop.map: there is no file 'nowhere.txt'",
        "channels.coop.rate: 'often' is no rate; write for example 1/s, 120/m, 1000/h or unlimited",
        "channels.coop.ring: is missing; write ring: ${NAME_OF_A_VARIABLE} or ring_file: a/path",
    ]


def test_a_new_type_is_among_the_valid_types() -> None:
    with pytest.raises(ConfigurationFaults) as caught:
        load_text(ROUTES.format(keys="").replace("type: pigeon,", "type: pigoen"), {}, TYPES)
    assert "no channel type 'pigoen'; did you mean 'pigeon'?" in str(caught.value)
    assert "PigeonSettings" in json.dumps(json_schema(TYPES))
    assert "PigeonSettings" not in json.dumps(json_schema(CHANNEL_TYPES))


def test_the_schema_allows_a_secret_file() -> None:
    section = json_schema(TYPES)["$defs"]["PigeonSettings"]
    assert section["required"] == ["type"]
    assert {"$ref": "#/$defs/Secret"}.items() <= section["properties"]["ring"].items()
