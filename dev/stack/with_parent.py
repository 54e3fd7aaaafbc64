"""`python -m dev.stack.with_parent PID COMMAND...` becomes the command, which is asked to end when its parent PID does.

Programs of others cannot ask the kernel for that themselves, and what is asked before they take over stays. Where the
kernel is not Linux, the next run ends what is left (earlier.py).
"""

import os
import signal
import sys
from collections.abc import Sequence

from bridge.processes.lifeline import tell_at_parents_end


def command(argv: Sequence[str]) -> list[str]:
    """For Popen, in the main thread of the process that is to be the parent: the kernel looks at the thread."""
    return [sys.executable, "-m", "dev.stack.with_parent", str(os.getpid()), *argv]


def main() -> None:
    parent, *argv = sys.argv[1:]
    tell_at_parents_end(signal.SIGTERM)
    if os.getppid() == int(parent):  # else it ended before we could ask
        os.execvp(argv[0], argv)


if __name__ == "__main__":
    try:
        main()
    except OSError as fault:
        sys.exit(f"{sys.argv[2]} cannot be started: {fault.strerror}")
