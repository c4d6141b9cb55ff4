"""The interpreters of the peers: one environment each, so that none decides which versions another gets."""

import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).parent
_ENVIRONMENTS = _HERE.parents[1] / ".venv-peers"


def python_of(peer: str) -> Path:
    """A peer's interpreter, `dlt`, `singer` or `polars`; its environment is made if it is not as required."""
    if peer == "polars":
        return Path(sys.executable)
    required = (_HERE / f"requirements-{peer}.txt").read_text()
    environment = _ENVIRONMENTS / peer
    python, installed = environment / "bin" / "python", environment / "requirements.txt"
    if not installed.exists() or installed.read_text() != required:
        _run(sys.executable, "-m", "venv", "--clear", str(environment))
        _run(str(python), "-m", "pip", "install", "--quiet", "-r", str(_HERE / f"requirements-{peer}.txt"))
        # Last, so that an environment that was not finished is made anew.
        installed.write_text(required)
    return python


def _run(*command: str) -> None:
    # Standard output is for a program's figures.
    subprocess.run(command, check=True, stdout=sys.stderr)
