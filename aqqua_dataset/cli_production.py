"""``aqqua doctor``, ``backup``, ``restore`` and ``drain``: what an installation needs besides its services."""

import argparse
import datetime as dt
import os
import sys
from collections.abc import Callable

from aqqua_dataset.config import Config

Add = Callable[[str, object, str], argparse.ArgumentParser]

#: What a backup writes is for its owner only; what is restored may be read by the group (nginx serves some of it).
_MASK_BACKUP, _MASK_RESTORED = 0o077, 0o027


def add_commands(add: Add) -> None:
    """Adds the commands to the parser."""
    doctor = add("doctor", _doctor, "say whether this installation can work: places, database, secrets, services")
    doctor.add_argument("--before-start", action="store_true", help="only what must be right before services start")
    doctor.add_argument("--free-gb", type=float, default=50, help="gigabytes to be free on local disks (default: 50)")
    backup = add("backup", _backup, "copy registry, Dagster's database and the warehouse's small files; list the rest")
    backup.add_argument("--out", required=True, metavar="DIR", help="folder or URL of all backups")
    backup.add_argument(
        "--private", metavar="DIR", help="the same for the registry's private part, apart from the rest"
    )
    backup.add_argument("--keep-days", type=float, default=30, help="older ones are removed (default: 30)")
    restore = add("restore", _restore, "put one backup back into empty places")
    restore.add_argument("place", metavar="DIR", help="one backup: the folder named by its time")
    restore.add_argument("--private", metavar="DIR", help="the same of the private part; left out without it")
    drain = add("drain", _drain, "wait until no run is going on; stop the daemon first")
    drain.add_argument("--minutes", type=float, default=60, help="wait no longer (default: 60)")


def _doctor(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import doctor

    checks = doctor.examine(config, options.before_start, options.free_gb)
    for check in checks:
        for line in check.lines():
            print(line)
    return 1 if doctor.failed(checks) else 0


def _backup(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset import backup

    os.umask(_MASK_BACKUP)
    made = backup.make(config, options.out, options.private, dt.datetime.now(dt.UTC), dt.timedelta(options.keep_days))
    for finding in made.findings:
        print(f"  {finding}")
    print(
        f"{options.out.rstrip('/')}/{made.stamp}: {made.files:,} files, {made.size:,} bytes; "
        f"{made.left:,} large files listed, not copied; {len(made.removed)} older sets removed"
    )
    return 0


def _restore(options: argparse.Namespace, config: Config) -> int:
    from aqqua_dataset.restore import restore

    os.umask(_MASK_RESTORED)
    findings = restore(config, options.place, options.private)
    for finding in findings:
        print(f"  {finding}")
    print(
        f"restored: registry {config.registry}, warehouse {config.warehouse}; now: aqqua doctor, aqqua warehouse check"
    )
    return 0


def _drain(options: argparse.Namespace, _: Config) -> int:
    from aqqua_dataset.dagster_state import drain

    state = drain(options.minutes, print)
    if state.running:
        print(f"{state.running} runs still going on after {options.minutes:g} minutes", file=sys.stderr)
    return 1 if state.running else 0
