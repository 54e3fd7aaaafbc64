"""Another kind of processor under the same Python: qemu's user mode, when it is on PATH."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[3]
QEMU = next((found for name in ("qemu-x86_64-static", "qemu-x86_64") if (found := shutil.which(name))), None)
#: AVX2 as in the last processors before VNNI, and SSE4 alone.
WITHOUT_VNNI = ("Haswell", "Nehalem")
_PROGRAM = """
import json, sys
from pathlib import Path
from bert_api.model.classifier import load
folder, texts = json.load(sys.stdin)
print(json.dumps([each.probability for each in load(Path(folder)).predict(texts)]))
"""


def probabilities(processor: str, folder: Path, texts: Sequence[str]) -> list[float]:
    """What the model in this folder says of these texts, there."""
    command = [str(QEMU), "-cpu", processor, sys.executable, "-c", _PROGRAM]
    words = json.dumps([str(folder), list(texts)])
    done = subprocess.run(command, input=words, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[float] = json.loads(done.stdout)
    return found
