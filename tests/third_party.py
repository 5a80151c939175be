"""Readers that can't share the project's environment, run in their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run_with(package: str, script: str, *arguments: object, ours: bool = False) -> str:
    """Output of a script run by the interpreter named in ``AQQUA_PYTHON_WITH_<PACKAGE>``; skips where there is none.

    Args:
        package: what the interpreter has.
        script: Python source.
        arguments: its command line.
        ours: whether the script imports this project as well.
    """
    variable = f"AQQUA_PYTHON_WITH_{package.upper().replace('-', '_')}"
    interpreter = os.environ.get(variable)
    if interpreter is None:
        pytest.skip(f"{package} needs an environment of its own; name its interpreter in {variable}")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if ours:
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *(p for p in sys.path if "site-packages" in p)])
    done = subprocess.run(
        [interpreter, "-c", script, *map(str, arguments)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
