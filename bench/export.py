"""Exports and streams of a generated release: images per CPU second, and peak memory for one size and four times it.

    python bench/export.py [--images 8000]

Each measurement runs in a process of its own, so that its memory is its own. Images are PNG of 40 to 140 pixels with
log-normal noise (about 5 kB); rows are those of one image of the example release, with ids and places of their own.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import aqqua_dataset
from aqqua_dataset.demo.draw import encode, organism
from aqqua_dataset.export import FORMATS
from aqqua_dataset.images.shards import ShardWriter
from aqqua_dataset.warehouse import Warehouse

PER_SHARD = 2_000


def main() -> None:
    """Prints one line per way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=8_000)
    parser.add_argument("--one", nargs=2, metavar=("WAY", "RELEASE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure(*options.one)
        return
    with tempfile.TemporaryDirectory() as name:
        releases = {}
        for count in (options.images // 4, options.images):
            releases[count] = make_release(Path(name), count)
        print(
            f"{'way':14}{'images/CPU s':>14}{'images/s':>10}   peak memory in MB, of {' and '.join(map(str, releases))}"
        )
        for way in ("stream", "shuffled", "sample", *FORMATS):
            command = [sys.executable, __file__, "--one", way]
            found = [
                json.loads(subprocess.run([*command, str(r)], stdout=subprocess.PIPE, text=True, check=True).stdout)
                for r in releases.values()
            ]
            last = found[-1]
            print(f"{way:14}{last['per_cpu']:14,.0f}{last['per_second']:10,.0f}   "
                  + " and ".join(f"{f['peak']:.0f}" for f in found))  # fmt: skip


def make_release(folder: Path, count: int) -> Path:
    """A release of ``count`` images in several shards; copies the documents of a small real one."""
    from released import make_release as small

    example = folder / "example/warehouse/releases/public/v0.1.0-rehearsal"
    if not example.exists():
        small(folder / "example")
    made = folder / f"release-{count}"
    rng = np.random.default_rng(1)
    pictures = [picture(rng) for _ in range(200)]
    like = {k: next((example / k / "contribution=cast").glob("*.parquet")) for k in ("metadata", "verbatim")}
    for number in range(count // PER_SHARD):
        shard = f"images/contribution=cast/shard-{number:05d}.tar"
        (made / shard).parent.mkdir(parents=True, exist_ok=True)
        rows = []
        with (made / shard).open("wb") as stream:
            writer = ShardWriter(stream)
            for which in rng.integers(0, len(pictures), PER_SHARD):
                data, height, width = pictures[which]
                image_id = str(uuid.UUID(bytes=rng.bytes(16), version=5))
                offset = writer.add(image_id, "png", data)
                digest = hashlib.sha256(data).hexdigest()
                rows.append((image_id, shard, offset, len(data), digest, height, width, 1, 8, "png", f"o{offset}"))
            writer.finish()
        names = ["image_id", "shard", "offset", "length", "image_sha256", "height_px", "width_px", "channels",
                 "bit_depth", "image_format", "source_object_id"]  # fmt: skip
        own = pd.DataFrame(rows, columns=names).sort_values("image_id")
        for kind, path in like.items():
            write_table(made / f"{kind}/contribution=cast/part-{number:05d}.parquet", path, own)
    for path in example.rglob("*"):
        if path.is_file() and path.relative_to(example).parts[0] not in ("images", "metadata", "verbatim"):
            Warehouse(str(made)).write_bytes(str(path.relative_to(example)), path.read_bytes())
    listed = sorted(
        p.relative_to(made).as_posix() for p in made.rglob("*") if p.is_file() and p.name != "RELEASED.json"
    )
    (made / "manifest-sha256.txt").write_text("".join(f"{'0' * 64}  {p}\n" for p in listed))
    facts = json.loads((made / "RELEASED.json").read_text())
    digest = hashlib.sha256(str(made).encode()).hexdigest()
    (made / "RELEASED.json").write_text(json.dumps(facts | {"images": count, "manifest_sha256": digest}))
    return made


def picture(rng: np.random.Generator) -> tuple[bytes, int, int]:
    """A noisy organism: file, height, width."""
    pixels = organism(rng, int(rng.integers(40, 140)), int(rng.integers(40, 140)))
    noisy = np.clip(pixels + rng.normal(0, 3, pixels.shape), 0, 255).astype(np.uint8)
    return encode(noisy, "PNG"), *noisy.shape


def write_table(path: Path, like: Path, own: pd.DataFrame) -> None:
    """Writes the first row of a table again and again, with the columns of ``own`` where the table has them."""
    first = pq.read_table(like).slice(0, 1)
    table = pa.concat_tables([first] * len(own)).combine_chunks()
    for name in (c for c in own.columns if c in first.column_names):
        place = first.schema.get_field_index(name)
        table = table.set_column(place, first.schema.field(place), pa.array(own[name], first.schema.field(place).type))
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd", row_group_size=PER_SHARD)


def measure(way: str, place: str) -> None:
    """Runs one way in this process and prints what it took."""
    from aqqua_dataset.export.sample import write_sample
    from aqqua_dataset.export.write import export

    chosen = aqqua_dataset.open_release(place).select()
    with tempfile.TemporaryDirectory() as scratch:
        start, before = time.perf_counter(), time.process_time()
        if way in ("stream", "shuffled"):
            count = sum(1 for _ in chosen.stream(["taxon_name"], shuffle=way == "shuffled"))
        elif way == "sample":
            count = write_sample(chosen.release, Warehouse(scratch), 10**9).images
        else:
            count = export(chosen, way, Warehouse(scratch)).images
        wall, cpu = time.perf_counter() - start, time.process_time() - before
    status = Path("/proc/self/status").read_text()  # getrusage's maximum is that of the process before exec
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(json.dumps({"per_cpu": count / cpu, "per_second": count / wall, "peak": peak}))


if __name__ == "__main__":
    main()
