"""Fetching against curl and rclone copy, from the same servers on loopback, in one run.

    python bench/fetch.py [--mb 200] [--files 1000] [--rounds 3]

One large file over HTTP, and it and many small files (10 kB) over WebDAV, SFTP, FTP and S3. Fetching hashes (SHA-256),
syncs every file to disk and writes its log; curl and rclone do none of it, so ``curl + sha256sum`` stands beside.
Medians; CPU is user + system of the client, seconds.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import stores
from builders import collection, contribution

from aqqua_dataset.registry.models import FetchFrom, Source
from aqqua_dataset.transfer.fetch import fetch_contribution

RCLONE = shutil.which("rclone") or str(Path(sys.executable).parent / "rclone")


def main() -> None:
    """Prints one line per way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=int, default=200)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.environ.update({**stores.KEYS, "USER_NAME": "anna", "PASSWORD": "pw"})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder / "served", options.mb, options.files)
        print(f"{'':34}{'s':>8}{'MB/s':>9}{'ratio':>8}{'CPU s':>9}{'ratio':>8}")
        large(folder, options.mb, options.rounds)
        for kind in ("webdav", "sftp", "ftp", "s3"):
            tree(kind, folder, options.mb + options.files / 100, options.rounds)


def make(folder: Path, megabytes: int, files: int) -> None:
    rng = np.random.default_rng(1)
    (folder / "share/small").mkdir(parents=True)
    with (folder / "share/big.bin").open("wb") as stream:
        for _ in range(megabytes):
            stream.write(rng.bytes(1_000_000))
    for number in range(files):
        (folder / f"share/small/{number:05d}.png").write_bytes(rng.bytes(10_000))


def large(folder: Path, megabytes: float, rounds: int) -> None:
    with stores.rclone("http", folder / "served") as port:
        url = f"http://127.0.0.1:{port}/share/big.bin"
        target = folder / "curl.bin"
        curl = ["curl", "-sS", "--noproxy", "*", "-o", str(target), url]

        def hashed() -> None:
            run(curl)
            run(["sha256sum", str(target)])

        ways = {
            "http, large: curl": lambda: run(curl),
            "http, large: curl + sha256sum": hashed,
            "http, large: rclone copyurl": lambda: run([RCLONE, "copyurl", url, str(folder / "rclone.bin")]),
            "http, large: aqqua fetch": lambda: fetch(folder, url, {}),
        }
        report(ways, megabytes, rounds)


def tree(kind: str, folder: Path, megabytes: float, rounds: int) -> None:
    login = ["--user", "anna", "--pass", "pw"]
    named = {"username_env": "USER_NAME", "password_env": "PASSWORD"}
    options = ["--auth-key", "key,secret"] if kind == "s3" else login
    hidden = subprocess.run([RCLONE, "obscure", "pw"], capture_output=True, text=True, check=True).stdout.strip()
    if kind == "sftp":
        host = folder / "host"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(host)], check=True)
        options = [*options, "--key", str(host)]
    with stores.rclone(kind, folder / "served", *options) as port:
        at = f"127.0.0.1:{port}"
        known = folder / "known"
        if kind == "sftp":
            known.write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
        remote, url, given = {
            "webdav": (f":webdav,url='http://{at}',user=anna,pass={hidden}:share", f"webdav://{at}/share", named),
            "sftp": (f":sftp,host=127.0.0.1,port={port},user=anna,pass={hidden},shell_type=none:share",
                     f"sftp://{at}/share", named | {"known_hosts": str(known)}),
            "ftp": (f":ftp,host=127.0.0.1,port={port},user=anna,pass={hidden}:share", f"ftp://{at}/share", named),
            "s3": (f":s3,provider=Rclone,endpoint='http://{at}',access_key_id=key,secret_access_key=secret:share",
                   "s3://share", {"endpoint_url": f"http://{at}", "config_kwargs": stores.LENIENT}),
        }[kind]  # fmt: skip
        copy = [RCLONE, "copy", "--transfers", "4", remote, str(folder / "copied")]

        def copied() -> None:
            shutil.rmtree(folder / "copied", ignore_errors=True)
            run(copy)

        ways = {f"{kind}, tree: rclone copy": copied, f"{kind}, tree: aqqua fetch": lambda: fetch(folder, url, given)}
        report(ways, megabytes, rounds)


def run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def fetch(folder: Path, url: str, options: Any) -> None:
    """A first fetch, with all it does."""
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    source = Source(location="one", fetch_from=FetchFrom(urls=(url,), options=options))
    done = fetch_contribution(collection(home, contribution("one", None, source=source)), "one", lambda _: None)
    assert done.outcome == "fetched", done.findings


def cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def report(ways: Mapping[str, Callable[[], object]], megabytes: float, rounds: int) -> None:
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            started, worked = time.perf_counter(), cpu()
            way()
            times[name].append((time.perf_counter() - started, cpu() - worked))
    first = None
    for name, values in times.items():
        wall, work = (statistics.median(v[side] for v in values) for side in (0, 1))
        first = first or (wall, work)
        ratios = wall / first[0], work / first[1]
        print(f"{name:34}{wall:8.2f}{megabytes / wall:9.0f}{ratios[0]:8.2f}{work:9.2f}{ratios[1]:8.2f}", flush=True)


if __name__ == "__main__":
    main()
