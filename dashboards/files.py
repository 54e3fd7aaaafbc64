"""The dashboards on disk: one JSON file each, named by its uid, the same bytes for the same Python."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from dashboards import alert_bridge, business_kpis, mlops_overview, model_health
from dashboards.dashboard import Dashboard

FOLDER = Path(__file__).resolve().parent.parent / "docker" / "grafana" / "dashboards"
ALL: tuple[Dashboard, ...] = (
    mlops_overview.DASHBOARD,
    business_kpis.DASHBOARD,
    model_health.DASHBOARD,
    alert_bridge.DASHBOARD,
)


def texts() -> dict[str, str]:
    """File name to content."""
    return {f"{each.uid}.json": text(each) for each in ALL}


def text(dashboard: Dashboard) -> str:
    return json.dumps(dashboard.to_json(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write(folder: Path = FOLDER) -> list[Path]:
    """Write all of them; what is there and belongs to none is deleted."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in _unknown_files(folder):
        path.unlink()
    return [_write(folder / name, content) for name, content in texts().items()]


def _write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def verify(folder: Path = FOLDER) -> list[str]:
    """One sentence for each file that is missing, different or unknown."""
    advice = "Change the Python in dashboards/, then run `python -m dashboards write`."
    faults = [f"{folder / name} is {fault}. {advice}" for name, fault in _differences(folder)]
    return faults + [f"{path} belongs to no dashboard. {advice}" for path in _unknown_files(folder)]


def _differences(folder: Path) -> Iterator[tuple[str, str]]:
    for name, content in texts().items():
        path = folder / name
        if not path.exists():
            yield name, "missing"
        elif path.read_text(encoding="utf-8") != content:
            yield name, "not what its Python says"


def _unknown_files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.json")) if path.name not in texts()]
