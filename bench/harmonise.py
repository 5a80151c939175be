"""Cost of harmonising and validating metadata: rows per second and peak memory, against pandas and Pandera by hand.

    python bench/harmonise.py [--rows 1000000] [--usual-rows 200000] [--quality]

``ours`` takes verbatim parts as the reader stores them through every interpreter, flag and reject, the Pandera schema
and into Parquet, part by part in one process; ``pandera`` is that validation alone, once more; ``quality`` runs the
rules over the whole contribution and writes the final flags. ``usual`` is what one would write for one project: the
same table read whole, dates, positions, depths and pixel sizes converted with pandas, the label taken apart with
``apply``, then one lazy Pandera validation of the same ranges; it keeps no verbatim text, no flags and no reasons.
Memory is the peak above an idle process that has imported the same modules; flat memory shows as equal numbers for 1x
and 10x.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

PART = 20_000
PER_SAMPLE = 500
LABELS = ("Copepoda<Maxillopoda", "detritus", "Calanoida", "nauplii<Crustacea", "part<Crustacea", "Chaetognatha")


def main() -> None:
    """Prints one line per way and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--usual-rows", type=int, default=200_000)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        way, folder, rows = options.child
        print(
            json.dumps({"ours": ours, "pandera": pandera, "quality": quality, "usual": usual}[way](folder, int(rows)))
        )
        return
    print("way             rows     rows/s   peak MB")
    rates = {}
    with tempfile.TemporaryDirectory() as folder:
        write_parts(folder, options.rows)
        ways = ("ours", options.rows), ("pandera", options.rows), ("quality", options.rows)
        for way, most in (*ways, ("usual", options.usual_rows)):
            for rows in dict.fromkeys((max(PART, most // 10 // PART * PART), most)):
                found = child(way, folder, rows)
                rates[way] = rows / found["seconds"]
                print(f"{way:10}{rows:10,}{rates[way]:11,.0f}{found['peak']:10,.0f}", flush=True)
    print(f"ours / usual: {rates['ours'] / rates['usual']:.2f} of its rows per second")


def child(way: str, folder: str, rows: int) -> dict[str, float]:
    """Measures in a process of its own, so that peaks of memory don't mix."""
    command = [sys.executable, __file__, "--child", way, folder, str(rows)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def write_parts(folder: str, rows: int) -> None:
    """Verbatim parts of a UVP-like EcoTaxa table and the index of its images, the same every time."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from aqqua_dataset import schema
    from aqqua_dataset.sources import LOCATOR, with_locator
    from aqqua_dataset.warehouse import Warehouse

    warehouse = Warehouse(folder)
    rng = np.random.default_rng(1)
    kinds = {"Int32": pa.int32(), "Int64": pa.int64()}
    for part in range(rows // PART):
        number = np.arange(part * PART, (part + 1) * PART)
        sample = number // PER_SAMPLE
        ids = [str(uuid.UUID(int=int(i), version=5)) for i in number]
        text = {
            "object_id": pd.Series(number).map("o{:09d}".format),
            "object_lat": pd.Series(40 + sample % 300 / 10).map("{:.4f}".format),
            "object_lon": pd.Series(-60 + sample % 400 / 10).map("{:.4f}".format),
            "object_date": pd.Series(20150101 + sample % 28).astype("str"),
            "object_time": pd.Series(number % 240_000 // 10_000).map("{:02d}3015".format),
            "object_depth_min": pd.Series(rng.uniform(0, 1000, PART)).map("{:.2f}".format),
            "object_annotation_category": pd.Series(rng.choice(LABELS, PART)),
            "object_annotation_status": pd.Series(np.where(number % 3 == 0, "validated", "predicted")),
            "object_area": pd.Series(rng.integers(30, 4000, PART)).astype("str"),
            "acq_instrument": pd.Series("uvp6", range(PART)),
            "acq_pixel": pd.Series("73", range(PART)),
            "sample_id": pd.Series(sample).map("s{:06d}".format),
        }
        text["object_depth_max"] = text["object_depth_min"]
        frame = pd.DataFrame(text).astype("str")
        frame["aqqua_object_id"], frame["aqqua_image_file"] = frame["object_id"], frame["object_id"] + ".png"
        frame["aqqua_table"], frame["aqqua_line"], frame["aqqua_flags"] = "t.tsv", number + 2, ""
        frame = with_locator(frame)
        columns = [pa.array(frame[c], kinds.get(LOCATOR.get(c, "str"), pa.string()), from_pandas=True) for c in frame]
        columns += [pa.array(ids), pa.array([0] * PART, pa.int32()), pa.array([1] * PART, pa.int32())]
        names = [*frame, "aqqua_image_id", "aqqua_image_rank", "aqqua_images"]
        table = pa.Table.from_arrays([*columns, pa.nulls(PART, pa.string())], [*names, "aqqua_reject"])
        warehouse.write_parquet(f"rows/{part:05d}.parquet", table, table.schema)
        shard = {"image_id": ids, "image_format": "png", "width_px": 120, "height_px": 90, "channels": 1}
        shard |= {"bit_depth": 8, "significant_bits": 8, "footer_hash": None, "shard": "s", "offset": 0, "length": 9}
        shard |= dict.fromkeys(("delivered_sha256", "image_sha256", "near_hash"), "0" * 64) | {"pixel_hash": "0" * 32}
        shard |= {"grey_mean": 200.0, "grey_std": 30.0, "polarity": "dark_on_light"}
        target = schema.arrow("shard_index")
        index = pa.Table.from_pandas(pd.DataFrame(shard), target, preserve_index=False)
        warehouse.write_parquet(f"shards/{part:05d}.parquet", index, target)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ours(folder: str, rows: int) -> dict[str, float]:
    """Seconds and MB for harmonising parts and writing core and quarantine."""
    from builders import contribution, settings

    from aqqua_dataset import schema
    from aqqua_dataset.harmonise.rows import harmonise
    from aqqua_dataset.warehouse import Warehouse

    warehouse, giver, told = Warehouse(folder), contribution("bench", "x"), settings()
    idle, started = _peak(), time.perf_counter()
    for part in range(rows // PART):
        result = harmonise(warehouse.read_parquet(f"rows/{part:05d}.parquet").to_pandas(), giver, told)
        if result.core.num_rows != PART:
            raise SystemExit(f"{PART - result.core.num_rows} rows rejected: {result.quarantine['reason'][:5]}")
        warehouse.write_parquet(f"core/{part:05d}.parquet", result.core, schema.arrow("core"))
        warehouse.write_parquet(f"rejected/{part:05d}.parquet", result.quarantine, schema.arrow("quarantine"))
    return {"seconds": time.perf_counter() - started, "peak": _peak() - idle}


def pandera(folder: str, rows: int) -> dict[str, float]:
    """Seconds and MB for validating the harmonised parts once more: what Pandera costs of the whole."""
    from aqqua_dataset import schema
    from aqqua_dataset.warehouse import Warehouse

    warehouse, validator = Warehouse(folder), schema.pandera_schema("core")
    tables = (warehouse.read_parquet(f"core/{p:05d}.parquet").to_pandas() for p in range(rows // PART))
    idle, seconds = _peak(), 0.0
    for table in tables:
        started = time.perf_counter()
        validator.validate(table, lazy=True)
        seconds += time.perf_counter() - started
    return {"seconds": seconds, "peak": _peak() - idle}


def quality(folder: str, rows: int) -> dict[str, float]:
    """Seconds and MB for the rules over the whole contribution."""
    from builders import contribution

    from aqqua_dataset.quality.stage import Parts, write_quality
    from aqqua_dataset.warehouse import Warehouse

    warehouse, numbers = Warehouse(folder), range(rows // PART)
    parts = Parts(*([f"{kind}/{p:05d}.parquet" for p in numbers] for kind in ("core", "shards", "quality")))
    idle, started = _peak(), time.perf_counter()
    write_quality(warehouse, contribution("bench", "x"), parts)
    return {"seconds": time.perf_counter() - started, "peak": _peak() - idle}


def usual(folder: str, rows: int) -> dict[str, float]:
    """Seconds and MB for the same table read whole, converted with pandas and validated with Pandera."""
    import pandas as pd
    import pandera.pandas as checking

    checks = {
        "latitude": checking.Column(float, checking.Check.in_range(-90, 90)),
        "longitude": checking.Column(float, checking.Check.in_range(-180, 180)),
        "datetime": checking.Column("datetime64[us, UTC]", checking.Check.ge(pd.Timestamp("1850-01-01", tz="UTC"))),
        "depth_min": checking.Column(float, checking.Check.in_range(0, 11_000)),
        "depth_max": checking.Column(float, checking.Check.in_range(0, 11_000)),
        "pixel_size": checking.Column(float, checking.Check.in_range(50, 120)),
        "instrument": checking.Column(str, checking.Check.isin(["uvp6", "uvp5hd"])),
        "status": checking.Column(str, checking.Check.isin(["validated", "predicted", "dubious"])),
        "taxon": checking.Column(str), "object_id": checking.Column(str, unique=True),
    }  # fmt: skip
    idle, started = _peak(), time.perf_counter()
    frame = pd.concat([pd.read_parquet(f"{folder}/rows/{p:05d}.parquet") for p in range(rows // PART)])
    frame = frame.reset_index(drop=True)
    clean = pd.DataFrame({"object_id": frame["object_id"], "instrument": frame["acq_instrument"].str.lower()})
    clean["latitude"] = pd.to_numeric(frame["object_lat"], errors="coerce")
    clean["longitude"] = pd.to_numeric(frame["object_lon"], errors="coerce")
    stamp = frame["object_date"] + frame["object_time"].str.zfill(6)
    clean["datetime"] = pd.to_datetime(stamp, format="%Y%m%d%H%M%S", errors="coerce", utc=True).dt.as_unit("us")
    clean["depth_min"] = pd.to_numeric(frame["object_depth_min"], errors="coerce")
    clean["depth_max"] = pd.to_numeric(frame["object_depth_max"], errors="coerce")
    clean["pixel_size"] = pd.to_numeric(frame["acq_pixel"], errors="coerce").astype("float64")
    clean["status"] = frame["object_annotation_status"]
    clean["taxon"] = frame["object_annotation_category"].apply(lambda label: label.split("<")[-1])
    checking.DataFrameSchema(checks).validate(clean, lazy=True)
    clean.to_parquet(f"{folder}/usual.parquet")
    return {"seconds": time.perf_counter() - started, "peak": _peak() - idle}


if __name__ == "__main__":
    main()
