"""Paths: the checkout, and all files of a run, below .run/."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROUTES = ROOT / "routes.yaml"
TOOLS = ROOT / ".tools"


@dataclass(frozen=True)
class Places:
    """The files of one run. `run` is also what marks our processes, see proc.py."""

    run: Path = ROOT / ".run"

    @property
    def secrets(self) -> Path:
        return self.run / "secrets"

    @property
    def logs(self) -> Path:
        return self.run / "logs"

    @property
    def pids(self) -> Path:
        return self.run / "pids.json"

    @property
    def screen(self) -> Path:
        """The final screen of `make up`, while everything runs."""
        return self.run / "screen.txt"

    @property
    def running(self) -> Path:
        """The ports and the speed, while everything runs."""
        return self.run / "running.json"

    @property
    def wrapper(self) -> Path:
        """The bridge's commands on this run's bridge."""
        return self.run / "bridge"

    @property
    def bridge_environment(self) -> Path:
        """The wrapper's environment; it contains secrets."""
        return self.secrets / "bridge.env"

    @property
    def lock(self) -> Path:
        return self.run / "lock"

    @property
    def database(self) -> Path:
        return self.run / "bridge.db"

    @property
    def api_state(self) -> Path:
        """What the replicas of the toxicity API share: who serves what, and the models trained here."""
        return self.run / "bert-api"

    def create(self) -> None:
        """Private; a folder that was there and is none of an earlier run is left as it is."""
        ours = self.secrets.exists() or not self.run.exists()
        for folder in (self.run, self.logs, self.secrets):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.logs, self.secrets, *([self.run] if ours else [])):
            folder.chmod(0o700)
