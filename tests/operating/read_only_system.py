"""Executes a command in a file system like that of systemd's ProtectSystem=strict: everything is read-only except the
named folders, the API file systems, and with PrivateTmp= a new /tmp. A program, because it changes its whole process.

It takes one argument, JSON: command, environment, writable (folders), visible (folders that stay, even below /tmp),
private_tmp. Exit code CANNOT: this machine does not permit it.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import struct
import sys
from pathlib import Path

CANNOT = 77
#: sched.h, sys/mount.h, linux/mount.h, asm-generic/unistd.h
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MOUNT_ATTR_RDONLY, AT_FDCWD, MOUNT_SETATTR = 1, -100, 442
API = ("/proc", "/sys", "/dev")
_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    arguments = json.loads(sys.argv[1])
    try:
        _own_mounts()
        if arguments["private_tmp"]:
            _private_tmp([Path(folder) for folder in [*arguments["visible"], *arguments["writable"]]])
        for folder in arguments["writable"]:
            _mount(folder, folder, "", MS_BIND)
        _read_only({*arguments["writable"], *(("/tmp", "/var/tmp") if arguments["private_tmp"] else ())})
    except OSError as fault:
        print(f"this machine cannot be made read-only: {fault}", file=sys.stderr)
        sys.exit(CANNOT)
    for folder in arguments["visible"]:
        if _can_write(folder):
            sys.exit(f"{folder} is not read-only: the test would prove nothing")
    os.chdir("/")
    os.execve(arguments["command"][0], arguments["command"], arguments["environment"])


def _own_mounts() -> None:
    """As root, or as the root of a user namespace."""
    user, group = os.getuid(), os.getgid()
    if user == 0:
        _check(_libc.unshare(CLONE_NEWNS), "unshare")
    else:
        _check(_libc.unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _mount("none", "/", "", MS_REC | MS_PRIVATE)


def _private_tmp(visible: list[Path]) -> None:
    """The folders that a test needs are mounted at the same place in the new one."""
    files = {folder: os.open(folder, os.O_PATH) for folder in visible}
    for place in ("/tmp", "/var/tmp"):
        _mount("tmpfs", place, "tmpfs", 0)
    for folder, file in files.items():
        if not folder.exists():
            folder.mkdir(parents=True)
            _mount(f"/proc/self/fd/{file}", str(folder), "", MS_BIND | MS_REC)


def _read_only(writable: set[str]) -> None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), line.split()[4])
        if place not in writable and not re.match(rf"({'|'.join(API)})(/|$)", place):
            wanted = struct.pack("=QQQQ", MOUNT_ATTR_RDONLY, 0, 0, 0)
            _check(_libc.syscall(MOUNT_SETATTR, AT_FDCWD, place.encode(), 0, wanted, len(wanted)), place)


def _can_write(folder: str) -> bool:
    probe = Path(folder, f".probe-{os.getpid()}")
    try:
        probe.touch()
    except OSError:
        return False
    probe.unlink()
    return True


def _mount(source: str, target: str, kind: str, flags: int) -> None:
    _check(_libc.mount(source.encode(), target.encode(), kind.encode(), flags, None), f"mount {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    main()
