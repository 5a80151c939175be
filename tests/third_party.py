"""Readers that can't share the project's environment, run in their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from environments import REQUIREMENTS, own_variables, venv_with

ROOT = Path(__file__).parent.parent

#: First line of a script for an environment that holds only what the project's own lacks: that comes behind.
BEHIND = f"import sys; sys.path += {[p for p in sys.path if 'site-packages' in p]!r}\n"


def run_with(package: str, script: str, *arguments: object, ours: bool = False) -> str:
    """Output of a script run where a package is installed; skips where it can't be had.

    The interpreter is the one named in ``AQQUA_PYTHON_WITH_<PACKAGE>``, else that of an environment made from the
    pinned list ``tests/data/environments/<package>.txt``.

    Args:
        package: what the interpreter has.
        script: Python source.
        arguments: its command line.
        ours: whether the script imports this project as well.
    """
    environment = own_variables()
    if ours:
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *(p for p in sys.path if "site-packages" in p)])
    command = [str(_interpreter(package)), "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _interpreter(package: str) -> Path:
    variable = f"AQQUA_PYTHON_WITH_{package.upper().replace('-', '_')}"
    if variable in os.environ:
        return Path(os.environ[variable])
    pinned = REQUIREMENTS / f"{package}.txt"
    if not pinned.exists():
        pytest.skip(f"{package} is too large for an environment made by a test; name an interpreter in {variable}")
    return venv_with(pinned)
