"""Reading one image by its id, and all of them in sequence: local disk, web server, object store, and peers.

    python bench/read.py [--images 20000] [--rounds 5] [--index 5000000]

Makes a release of generated images (log-normal sizes: mean 11.3 kB, median 3.6 kB), serves it with rclone on loopback,
and measures all ways in turn, round after round; the medians are printed with their ratio to the plainest way of the
same kind. ``--index`` adds look-ups in an index of that many images. Peers: webdataset and tarfile, without decoding.
"""

import argparse
import hashlib
import json
import os
import random
import statistics
import sys
import tarfile
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
warnings.simplefilter("ignore")

import stores

from aqqua_dataset.images.read import ReleaseReader
from aqqua_dataset.images.shards import ShardWriter
from aqqua_dataset.warehouse import Warehouse

SHARDS = 4
REMOTE_READS = 300
SCHEMA = pa.schema([("image_id", pa.string()), ("shard", pa.string()), ("offset", pa.int64()), ("length", pa.int64())])


def main() -> None:
    """Prints one line per way of reading."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--index", type=int, default=5_000_000)
    options = parser.parse_args()
    os.environ.update(stores.KEYS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ids = make_release(folder / "warehouse/release", options.images)
        with stores.rclone("http", folder) as web, stores.s3(folder) as store:
            s3 = {"endpoint_url": store, "config_kwargs": stores.LENIENT}
            readers = {
                "local": ReleaseReader(Warehouse(f"{folder}/warehouse"), "release", folder / "cache"),
                "http": ReleaseReader(Warehouse(f"http://127.0.0.1:{web}/warehouse"), "release", folder / "cache"),
                "s3": ReleaseReader(Warehouse("s3://warehouse", s3), "release", folder / "cache"),
            }
            report(ways(folder / "warehouse/release", readers, ids), options.rounds)
        look_ups(folder, options.index)


def make_release(folder: Path, images: int) -> list[str]:
    """Writes shards, tables and the two files that seal a release; returns the ids."""
    rng = np.random.default_rng(1)
    sigma = np.sqrt(2 * np.log(11.3 / 3.6))
    ids, listed = [], []
    for number in range(SHARDS):
        shard = f"images/contribution=bench/shard-{number:05d}.tar"
        (folder / shard).parent.mkdir(parents=True, exist_ok=True)
        rows = []
        with (folder / shard).open("wb") as stream:
            writer = ShardWriter(stream)
            for size in rng.lognormal(np.log(3600), sigma, images // SHARDS).clip(100, 2_000_000).astype(int):
                data = rng.bytes(size)
                image_id = str(uuid.UUID(bytes=rng.bytes(16)))
                rows.append((image_id, shard, writer.add(image_id, "png", data), len(data)))
            writer.finish()
        ids += [r[0] for r in rows]
        table = f"metadata/contribution=bench/part-{number:05d}.parquet"
        columns = dict(zip(SCHEMA.names, zip(*sorted(rows), strict=True), strict=True))
        Warehouse(str(folder)).write_parquet(table, pa.table(columns, SCHEMA), SCHEMA)
        listed += [shard, table]
    seal(folder, listed)
    return ids


def seal(folder: Path, paths: list[str]) -> None:
    text = "".join(f"{'0' * 64}  {p}\n" for p in paths)
    (folder / "manifest-sha256.txt").write_text(text)
    digest = hashlib.sha256(f"{folder}{text}".encode()).hexdigest()
    (folder / "RELEASED.json").write_text(json.dumps({"manifest_sha256": digest}))


def ways(folder: Path, readers: dict[str, ReleaseReader], ids: list[str]) -> dict[str, Callable[[], int]]:
    """Each way reads some images and returns how many."""
    places = {}
    for path in sorted(folder.glob("metadata/*/*.parquet")):
        table = Warehouse(str(folder)).read_parquet(str(path.relative_to(folder)))
        places.update({r["image_id"]: (r["shard"], r["offset"], r["length"]) for r in table.to_pylist()})

    def known_place() -> int:
        chosen = random.sample(ids, 5000)
        for image_id in chosen:
            shard, offset, length = places[image_id]
            with (folder / shard).open("rb", buffering=0) as stream:
                stream.seek(offset)
                stream.read(length)
        return len(chosen)

    def at_random(kind: str, count: int) -> Callable[[], int]:
        def read() -> int:
            for image_id in random.sample(ids, count):
                readers[kind].read(image_id)
            return count

        return read

    def in_sequence(kind: str) -> Callable[[], int]:
        return lambda: sum(1 for _ in readers[kind].stream())

    def with_webdataset() -> int:
        import webdataset

        shards = [str(p) for p in sorted(folder.rglob("*.tar"))]
        return sum(1 for _ in webdataset.WebDataset(shards, shardshuffle=False, empty_check=False))

    def with_tarfile() -> int:
        count = 0
        for shard in sorted(folder.rglob("*.tar")):
            with tarfile.open(shard) as archive:
                for member in archive:
                    opened = archive.extractfile(member)
                    assert opened is not None
                    opened.read()
                    count += 1
        return count

    def write(kind: str) -> Callable[[], int]:
        data = next(folder.rglob("*.tar")).read_bytes()[:11_300]

        def written() -> int:
            with readers[kind]._warehouse.create("written.tar") as stream:
                writer = ShardWriter(stream)
                for image_id in ids[:5000]:
                    writer.add(image_id, "png", data)
                writer.finish()
            return 5000

        return written

    def row() -> int:
        for image_id in random.sample(ids, 20):
            readers["local"].row(image_id)
        return 20

    return {
        "random: open, seek, read (place known)": known_place,
        "random: reader, local": at_random("local", 5000),
        "random: reader, http": at_random("http", REMOTE_READS),
        "random: reader, s3": at_random("s3", REMOTE_READS),
        "random: row of the table (DuckDB)": row,
        "write: shard, local": write("local"),
        "write: shard, s3": write("s3"),
        "sequence: tarfile, local": with_tarfile,
        "sequence: webdataset, local": with_webdataset,
        "sequence: reader, local": in_sequence("local"),
        "sequence: reader, http": in_sequence("http"),
        "sequence: reader, s3": in_sequence("s3"),
    }


def report(measured: dict[str, Callable[[], int]], rounds: int) -> None:
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in measured}
    for read in measured.values():
        read()  # opens connections and the index, warms the page cache
    for _ in range(rounds):
        for name, read in measured.items():
            started, worked = time.perf_counter(), time.process_time()
            count = read()
            times[name].append(((time.perf_counter() - started) / count, (time.process_time() - worked) / count))
    plain = {"random": "random: open, seek, read (place known)", "write": "write: shard, local"}
    plain["sequence"] = "sequence: webdataset, local"
    print(f"{'':42}{'us/image':>12}{'images/s':>12}{'ratio':>8}{'CPU us':>10}{'ratio':>8}")
    for name, values in times.items():
        (each, base), (work, floor) = (
            (statistics.median(v[side] for v in values), statistics.median(v[side] for v in base_values))
            for base_values in [times[plain[name.partition(":")[0]]]]
            for side in (0, 1)
        )
        print(
            f"{name:42}{each * 1e6:12,.1f}{1 / each:12,.0f}{each / base:8.2f}{work * 1e6:10,.1f}{work / floor:8.2f}",
            flush=True,
        )


def look_ups(folder: Path, images: int) -> None:
    """Makes an index of many images and reads from it at random, all in one shard of zeros."""
    release = folder / "large"
    shard = "images/contribution=bench/shard-00000.tar"
    (release / shard).parent.mkdir(parents=True)
    (release / shard).write_bytes(bytes(1 << 20))
    rng, tables, sample = np.random.default_rng(2), [], []
    for part in range(max(1, images // 100_000)):
        raw = rng.integers(0, 256, (100_000, 16), np.uint8)
        ids = sorted(str(uuid.UUID(bytes=r.tobytes())) for r in raw)
        sample += ids[:: 100_000 // 200]
        tables.append(f"metadata/contribution=bench/part-{part:05d}.parquet")
        columns = {
            "image_id": ids,
            "shard": [shard] * len(ids),
            "offset": [0] * len(ids),
            "length": [10_000] * len(ids),
        }
        Warehouse(str(release)).write_parquet(tables[-1], pa.table(columns, SCHEMA), SCHEMA)
    seal(release, [shard, *tables])
    reader = ReleaseReader(Warehouse(str(folder)), "large", folder / "cache")
    started = time.perf_counter()
    count = len(reader)
    made = time.perf_counter() - started
    again = ReleaseReader(Warehouse(str(folder)), "large", folder / "cache")
    started = time.perf_counter()
    again.read(sample[0])
    first = time.perf_counter() - started
    random.shuffle(sample)
    started, worked = time.perf_counter(), time.process_time()
    for image_id in sample:
        again.read(image_id)
    each, work = ((t - s) / len(sample) for t, s in ((time.perf_counter(), started), (time.process_time(), worked)))
    size = sum(p.stat().st_size for p in next((folder / "cache").glob(f"release-{again._digest}")).iterdir())
    print(
        f"\nindex of {count:,} images: {size / count:.0f} bytes each, made in {made:.1f} s ({count / made:,.0f}/s); "
        f"opened with the first image in {first * 1e3:.1f} ms; then {each * 1e6:.1f} us per image of 10 kB, "
        f"{work * 1e6:.1f} of them CPU"
    )


if __name__ == "__main__":
    main()
