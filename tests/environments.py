"""Environments for readers that can't share the project's own: made once per list of pinned packages, then reused.

Files in ``tests/data/environments`` are made with
``uv pip compile --universal --generate-hashes --python-version 3.11 --no-header``.
"""

import fcntl
import getpass
import hashlib
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parent / "data/environments"


def venv_with(requirements: Path) -> Path:
    """Interpreter of an environment with exactly the packages of a pinned list; skips where they can't be installed.

    Args:
        requirements: a file with a version and hashes for every package. The environment lies in the system's folder
            for temporary files, under the file's SHA-256, and is finished when it holds ``installed``.
    """
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:16]
    home = Path(tempfile.gettempdir()) / f"aqqua-environments-{getpass.getuser()}"
    home.mkdir(mode=0o700, exist_ok=True)
    folder = home / f"{requirements.stem}-{digest}"
    python = folder / "bin/python"
    with (home / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another run may be making it
        if not (folder / "installed").exists():
            venv.create(folder, with_pip=True, clear=True, symlinks=True)
            _install(python, requirements)
            (folder / "installed").touch()
    return python


def _install(python: Path, requirements: Path) -> None:
    options = ["--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--retries", "1"]
    command = [str(python), "-m", "pip", "install", *options, "-r", str(requirements)]
    done = subprocess.run(command, env=own_variables(), capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.strip().splitlines() if "ERROR" in line] or ["pip gave no reason"]
        pytest.skip(f"{requirements.name} can't be installed: {said[0]}")


def own_variables() -> dict[str, str]:
    """The variables of this process without those that would give a foreign interpreter our packages."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
