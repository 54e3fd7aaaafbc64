#!/bin/sh
# Creates .venv with the first Python that is new enough and can create one. Says what to install otherwise.
set -eu

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
can_create() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }
version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

without_venv=
for python in ${PYTHON:-python3.11 python3.12 python3.13 python3 python3.14 python}; do
    new_enough "$python" || continue
    if can_create "$python"; then
        echo "Creating .venv with $python ($(version "$python"))"
        rm -rf .venv
        exec "$python" -m venv .venv
    fi
    without_venv=${without_venv:-$python}
done

if [ -n "$without_venv" ]; then
    echo "$without_venv is new enough but cannot create a virtual environment: Debian and Ubuntu pack that apart." >&2
    echo "Install it, then run make again:   sudo apt install python$(version "$without_venv")-venv" >&2
else
    echo "No Python 3.11 or newer was found (looked for: ${PYTHON:-python3.11, 3.12, 3.13, python3, 3.14, python})." >&2
    echo "Install one, then run make again:  sudo apt install python3 python3-venv" >&2
    echo "Debian 12 and Ubuntu 24.04 have it; elsewhere:  PYTHON=/path/to/python3.11 make up" >&2
fi
exit 1
