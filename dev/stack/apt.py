"""Takes programs out of the distribution's packages without root: nothing is installed and no service is started.

apt keeps its lists and caches in a folder of ours, and only reads the machine's sources and keys.
"""

import os
import shutil
import subprocess
from pathlib import Path

from dev.stack.errors import StackError

COMPILED_IN = b"/usr/share/prometheus"
RELATIVE = b".//./share/prometheus"


def unpack(packages: list[str], target: Path) -> None:
    """Downloads the packages and lays their files below the target, as they would lie below /."""
    absent = [tool for tool in ("apt-get", "dpkg-deb") if not shutil.which(tool)]
    if absent:
        raise StackError(f"They cannot be fetched, because this machine has no {' and no '.join(absent)}.")
    state = target / "apt"
    downloads = state / "downloads"
    for folder in (state / "lists" / "partial", state / "cache" / "archives" / "partial", downloads):
        folder.mkdir(parents=True, exist_ok=True)
    _download(packages, state, downloads)
    for package in sorted(downloads.glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(target)], target)
        package.unlink()
    relocate(target / "usr" / "bin")


def relocate(programs: Path) -> None:
    """Debian's builds open their pages and message templates below /usr/share/prometheus, by a path compiled in.

    Written as a path of the same length it means the same folder beside usr/bin, when the program is started in usr.
    """
    for program in programs.iterdir():
        content = program.read_bytes()
        if COMPILED_IN in content:
            beside = program.with_name(f"{program.name}.new")
            beside.write_bytes(content.replace(COMPILED_IN, RELATIVE))
            beside.chmod(0o755)
            beside.replace(program)


def _download(packages: list[str], state: Path, downloads: Path) -> None:
    """With the lists that are there first; they may be missing, or older than what the mirror still has."""
    try:
        if not any((state / "lists").glob("*_Packages*")):
            raise StackError("no lists yet")
        _run([*_apt_get(state), "download", *packages], downloads)
    except StackError:
        _run([*_apt_get(state), "update"], downloads)
        _run([*_apt_get(state), "download", *packages], downloads)


def _apt_get(state: Path) -> list[str]:
    options = {
        "Dir::State": state,
        "Dir::State::Lists": state / "lists",
        "Dir::State::status": "/var/lib/dpkg/status",
        "Dir::Cache": state / "cache",
        "Acquire::Retries": 3,
    }
    if os.geteuid() == 0:
        options["APT::Sandbox::User"] = "root"  # the user _apt may not be allowed into this folder
    return ["apt-get", "--quiet", *(f"-o{name}={value}" for name, value in options.items())]


def _run(words: list[str], folder: Path) -> None:
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        words,
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        last = "\n".join(f"  | {line}" for line in (done.stdout + done.stderr).strip().splitlines()[-6:])
        raise StackError(f"{words[0]} failed:\n{last}")
