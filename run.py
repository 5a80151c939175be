"""Installs the project into its own environment (.venv) and runs it. Needs Python 3.11+ and a network.

python3 run.py demo      install, then take the example collection to a rehearsed release
python3 run.py test      install with the developers' tools, then lint, type check and test
python3 run.py ...       any other aqqua command, e.g. `python3 run.py dev`
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parent
ENVIRONMENT = ROOT / ".venv"
BIN = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin")


def run(*command: object) -> None:
    """Runs a command and stops with its exit code when it fails."""
    # Without compiled modules every one of Dagster's processes would start four times slower.
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    code = subprocess.run([str(c) for c in command], cwd=ROOT, env=variables, check=False).returncode
    if code:
        sys.exit(code)


def install(lock: str) -> None:
    """Installs the pinned requirements of a lock file, unless exactly they are installed already."""
    wanted = (ROOT / lock).read_bytes() + (ROOT / "pyproject.toml").read_bytes()
    stamp = ENVIRONMENT / f"installed-{lock}"
    if stamp.exists() and stamp.read_bytes() == wanted:
        return
    print(f"installing {lock} into {ENVIRONMENT} (a few minutes the first time)", flush=True)
    if not BIN.exists():
        venv.create(ENVIRONMENT, with_pip=True)
    python = BIN / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", lock)
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "-e", ".")
    stamp.write_bytes(wanted)


def test(arguments: list[str]) -> None:
    """Lint, types and tests; arguments go to pytest."""
    install("requirements-dev.lock")
    run(BIN / "python", "-m", "ruff", "check", ".")
    run(BIN / "python", "-m", "ruff", "format", "--check", ".")
    run(BIN / "python", "-m", "mypy")
    # A file's tests stay on one core: they share what they build. Long files come first (tests/conftest.py).
    run(BIN / "python", "-m", "pytest", "-n", "logical", "--dist", "loadfile", "--no-loadscope-reorder", *arguments)


if __name__ == "__main__":
    if sys.version_info < (3, 11):
        sys.exit(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}")
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if sys.argv[1] == "test":
        test(sys.argv[2:])
    else:
        install("requirements.lock")
        run(BIN / "aqqua", *sys.argv[1:])
