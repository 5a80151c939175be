"""The whole pass over images against what bounds it and what others do; one command, ratios of medians.

    python bench/pack.py [--images 20000] [--rounds 3] [--peers PYTHON] [--real FOLDER]

``floor`` reads each file and decodes it by the decoder chosen for its format, no more. ``pass`` is ``pack_shard``:
read, checked, decoded, measured, fingerprinted, stored with its index. ``encoder`` turns raw regions into PNG, nothing
else. Peers run in an environment of their own (bench/README.md) on the same files; ``running`` is without the workers
and imports they start with. Ways are interleaved; every number
is the median of its rounds per second of processor time, but for the workers, where it is the clock on the wall.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import generated
import numpy as np
import pandas as pd
import pyarrow as pa

from aqqua_dataset.images import container
from aqqua_dataset.images.decode import BadImage, decode
from aqqua_dataset.images.inspect import inspect_file
from aqqua_dataset.images.pack import PackTask, pack_shard
from aqqua_dataset.registry.models import Source
from aqqua_dataset.sources import reader
from aqqua_dataset.sources.rows import ids_path, part_path
from aqqua_dataset.transfer.delivery import Delivery
from aqqua_dataset.warehouse import Warehouse

T = TypeVar("T")
PLACE = ("aqqua_offset", "aqqua_length", "aqqua_x", "aqqua_y", "aqqua_width", "aqqua_height")
PEERS = ("img2dataset-tar", "img2dataset-decode", "usual")


def main() -> None:
    """Prints one line per way, then the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", help="python that has img2dataset, webdataset and imagehash")
    parser.add_argument("--real", help="folder of real deliveries")
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        pack(Path(options.memory[0]), options.memory[1], 0)
        # Not ru_maxrss: a new process starts with the peak of the one that made it.
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        print(int(status["VmHWM"].split()[0]) // 1024)
        return
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {cpu()}")
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), options)


def core_seconds() -> float:
    """Processor time of this process and its ended children: what a shared machine's other users don't distort."""
    return sum(os.times()[:4])


def cpu() -> str:
    """The processor's name where Linux tells it."""
    info = Path("/proc/cpuinfo")
    names = [line.split(": ", 1)[1] for line in info.read_text().splitlines() if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else "unknown processor"


def measure(folder: Path, options: argparse.Namespace) -> None:
    """Runs every way ``rounds`` times in turn."""
    paths = generated.write(folder / "set", options.images)
    sizes = [p.stat().st_size for p in paths]
    print(f"{len(paths):,} images, mean {statistics.mean(sizes):,.0f} bytes, median {statistics.median(sizes):,.0f}")
    sets = {
        "all": paths,
        "png": [p for p in paths if p.suffix == ".png"],
        "jpeg": [p for p in paths if p.suffix == ".jpg"],
    }
    if options.real:
        sets |= real_images(Path(options.real))
    ways: dict[str, tuple[int, Callable[[], object]]] = {}
    for name, chosen in sets.items():
        delivery = Path(options.real) if name.startswith("real") else chosen[0].parent
        rows(folder / "wh", name, [str(p.relative_to(delivery)) for p in chosen])
        ways[f"floor {name}"] = len(chosen), lambda chosen=chosen: [floor(p) for p in chosen]
        ways[f"pass {name}"] = len(chosen), lambda name=name, d=delivery: pack(folder / "wh", name, 0, d)
    raws = {"raw": (raw(folder, len(paths) // 2), folder / "raw")}
    if options.real:
        raws["real raw"] = real_raw(folder, Path(options.real) / "ifcb"), Path(options.real) / "ifcb"
    for name, (regions, delivery) in raws.items():
        ways[f"encoder {name}"] = len(regions), lambda r=regions: [container.encode_png_array(one) for one in r]
        ways[f"pass {name}"] = len(regions), lambda name=name, d=delivery: pack(folder / "wh", name, 0, d)
    halves = [paths[::2], paths[1::2]]
    for i, half in enumerate(halves):
        rows(folder / "wh", f"half{i}", [p.name for p in half])
    pools = {n: ProcessPoolExecutor(n) for n in (1, 2)}
    for n, pool in pools.items():
        list(pool.map(warm, range(4 * n)))
        ways[f"workers {n}"] = (
            len(paths),
            lambda pool=pool: list(
                pool.map(pack, [folder / "wh"] * 2, ["half0", "half1"], [0] * 2, [folder / "set"] * 2)
            ),
        )
    ways["tar + sha256sum"] = len(paths), lambda: subprocess.run(
        f"cd {folder}/set && tar cf ../plain.tar . && find . -type f -print0 | xargs -0 sha256sum > ../sums",
        shell=True, check=True,
    )  # fmt: skip
    for peer in PEERS if options.peers else ():
        ways[peer] = len(paths), lambda peer=peer: subprocess.run(
            [options.peers, str(ROOT / "bench" / "peers.py"), peer, str(folder / "set"), str(folder / "peer")],
            check=True, capture_output=True,
        )  # fmt: skip
    report(ways, options.rounds, folder)


def report(ways: dict[str, tuple[int, Callable[[], object]]], rounds: int, folder: Path) -> None:
    """Measures and prints rates, ratios and memory."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (_, run) in ways.items():
            clock = time.perf_counter if name.startswith("workers") else core_seconds
            start = clock()
            done = run()
            seconds = clock() - start
            if isinstance(done, subprocess.CompletedProcess) and done.stdout:
                told = json.loads(done.stdout.splitlines()[-1])
                seconds = told["seconds"]
                taken.setdefault(f"{name} running", []).append(seconds - told["starting"])
            taken[name].append(seconds)
    ways |= {f"{peer} running": ways[peer] for peer in PEERS if peer in ways}
    rates = {name: ways[name][0] / statistics.median(seconds) for name, seconds in taken.items()}
    for name, rate in rates.items():
        print(f"{name:22}{ways[name][0]:8,} images {rate:9,.0f}/s")
    bounds = [name for name in rates if name.startswith(("floor ", "encoder "))]
    pairs = [("pass " + name.partition(" ")[2], name) for name in bounds]
    pairs += [("workers 2", "workers 1"), ("pass all", "tar + sha256sum")]
    pairs += [("pass all", name) for name in rates if name.startswith(PEERS)]
    for ours, theirs in pairs:
        each = statistics.median(
            (ways[ours][0] / a) / (ways[theirs][0] / b) for a, b in zip(taken[ours], taken[theirs], strict=True)
        )
        print(f"{ours} / {theirs}: {rates[ours] / rates[theirs]:.2f} (median of the rounds' ratios {each:.2f})")
    memory(folder)


def memory(folder: Path) -> None:
    """Peak memory of a process that packs 1x and 10x the images."""
    names = [p.name for p in sorted((folder / "set").iterdir())]
    for times in (1, 10):
        rows(folder / "wh", f"mem{times}", names[: len(names) // 10 * times])
        command = [sys.executable, __file__, "--memory", str(folder / "wh"), f"mem{times}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder / "set")
        print(f"peak memory of a worker, {len(names) // 10 * times:,} images: {done.stdout.strip()} MiB")


def floor(path: Path) -> None:
    """Reads and decodes one file."""
    with contextlib.suppress(BadImage, ValueError, RuntimeError):
        decode_only(path.read_bytes())


def decode_only(data: bytes) -> object:
    """What the chosen decoder alone takes; formats without one go the reference's way."""
    import imagecodecs
    import simplejpeg

    if data.startswith(container.PNG_SIGNATURE) and data[24] == 8 and data[25] in (0, 2):
        return imagecodecs.png_decode(data)
    if data.startswith(b"\xff\xd8"):
        _, _, space, _ = simplejpeg.decode_jpeg_header(data)
        return simplejpeg.decode_jpeg(data, colorspace="GRAY" if space == "Gray" else "RGB")
    return decode(data)


def warm(_: int) -> None:
    """Lets a worker start and import before the clock runs."""
    time.sleep(0.2)


def pack(warehouse: Path, name: str, part: int, delivery: Path | None = None) -> int:
    """Packs a part anew."""
    folder = f"out-{name}-{uuid.uuid4().hex}"
    task = PackTask(
        str(warehouse), {}, str(delivery or Path.cwd()), "bench", f"rows-{name}", folder, part, range(part, part + 1)
    )
    return pack_shard(task)


def rows(warehouse: Path, name: str, paths: list[str], places: list[dict[str, int]] | None = None) -> None:
    """Writes the verbatim rows of a part as a reader would."""
    empty: list[str | None] = [None] * len(paths)
    columns: dict[str, pa.Array] = {
        "aqqua_path": pa.array(paths),
        "aqqua_table": pa.array(["t.tsv"] * len(paths)),
        "aqqua_line": pa.array(range(1, len(paths) + 1), pa.int64()),
        "aqqua_object_id": pa.array(paths),
        "aqqua_image_file": pa.array(paths),
        "aqqua_reason": pa.array(empty, pa.string()),
    }
    for place in PLACE:
        columns[place] = pa.array([p.get(place) for p in places] if places else empty, pa.int64())
    table = pa.table(columns)
    store = Warehouse(str(warehouse))
    store.write_parquet(part_path(f"rows-{name}", 0), table, table.schema)
    ids = pa.table(
        {
            "part": pa.array([0] * len(paths), pa.int32()),
            "row": pa.array(range(len(paths)), pa.int32()),
            "image_id": pa.array([str(uuid.UUID(int=i)) for i in range(len(paths))]),
            "rank": pa.array([0] * len(paths), pa.int32()),
            "images": pa.array([1] * len(paths), pa.int32()),
            "reason": pa.array(empty, pa.string()),
        }
    )
    store.write_parquet(ids_path(f"rows-{name}", 0), ids, ids.schema)


def raw(folder: Path, number: int) -> list[np.ndarray]:
    """Raw regions behind each other in one file, as an IFCB writes them: a grey, noisy background."""
    random = np.random.default_rng(3)
    regions = []
    for _ in range(number):
        picture = generated.vignette(random, 10_000).astype(np.int16) - 60
        regions.append(np.clip(picture + random.normal(0, 2, picture.shape), 0, 255).astype(np.uint8))
    (folder / "raw").mkdir()
    (folder / "raw" / "bin.roi").write_bytes(b"".join(r.tobytes() for r in regions))
    offsets = np.cumsum([0, *(r.size for r in regions[:-1])])
    places = [
        {"aqqua_offset": int(o), "aqqua_height": r.shape[0], "aqqua_width": r.shape[1]}
        for o, r in zip(offsets, regions, strict=True)
    ]
    rows(folder / "wh", "raw", ["bin.roi"] * number, places)
    return regions


def real_images(folder: Path) -> dict[str, list[Path]]:
    """Real images of one object each by kind of delivery, taken again and again until there are a thousand."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".tif") and usable(path):
            found.setdefault(f"real {path.relative_to(folder).parts[0]}", []).append(path)
    return {name: again(paths) for name, paths in found.items()}


def usable(path: Path) -> bool:
    """Whether the pass stores the image, so that it isn't faster than the floor by refusing early."""
    try:
        return bool(inspect_file(path.read_bytes()).data)
    except BadImage:
        return False


def real_raw(folder: Path, real: Path) -> list[np.ndarray]:
    """The regions of real IFCB bins, taken again and again until there are a thousand."""
    with Delivery(str(real)) as delivery:
        found = pd.concat(reader("ifcb").read(delivery, Source(format="ifcb", location=str(real)), lambda _: None))
        there = found["aqqua_path"].map(lambda path: isinstance(path, str) and (real / path).exists())
        found = found[there & found["aqqua_offset"].notna()]
        places = [
            {k: int(row[k]) for k in PLACE if pd.notna(row[k])} | {"path": row["aqqua_path"]}
            for _, row in found.iterrows()
        ]
        regions = []
        for place in places:
            height, width = place["aqqua_height"], place["aqqua_width"]
            data = delivery.read_range(place["path"], place["aqqua_offset"], width * height)
            regions.append(np.frombuffer(data, np.uint8).reshape(height, width))
    places = again(places)
    rows(folder / "wh", "real raw", [p["path"] for p in places], places)
    return again(regions)


def again(things: list[T]) -> list[T]:
    """The same list over and over until it has a thousand entries."""
    return things * -(-1_000 // len(things))


if __name__ == "__main__":
    main()
