"""What others do with the same files, in an environment of their own; prints the processor seconds taken.

python bench/peers.py WAY FOLDER OUTPUT
"""

import hashlib
import io
import json
import os
import shutil
import sys
from pathlib import Path


def img2dataset_(paths: list[Path], output: Path, decoding: bool) -> None:
    """One process and one thread; ``decoding`` re-encodes as its default does, otherwise the bytes are copied."""
    from img2dataset import download

    urls = output / "urls.txt"
    urls.write_text("\n".join(p.as_uri() for p in paths))
    more = {"resize_mode": "no", "disable_all_reencoding": not decoding, "skip_reencode": not decoding}
    download(
        url_list=str(urls), output_folder=str(output / "out"), output_format="webdataset", processes_count=1,
        thread_count=1, number_sample_per_shard=10_000, input_format="txt", enable_wandb=False, retries=0, **more,
    )  # fmt: skip


def usual(paths: list[Path], output: Path) -> None:
    """webdataset's ShardWriter, Pillow and imagehash: verify, SHA-256, size, mean, pixel hash, perceptual hash."""
    import imagehash
    import numpy as np
    import webdataset
    from PIL import Image

    rows = []
    with webdataset.ShardWriter(str(output / "s-%05d.tar"), maxsize=1e9, maxcount=1e6, verbose=0) as writer:
        for path in paths:
            data = path.read_bytes()
            with Image.open(io.BytesIO(data)) as image:
                pixels = np.asarray(image)
                row = {
                    "sha256": hashlib.sha256(data).hexdigest(), "pixels": hashlib.md5(pixels.tobytes()).hexdigest(),
                    "size": pixels.shape, "mean": float(pixels.mean()), "std": float(pixels.std()),
                    "near": str(imagehash.phash(image)),
                }  # fmt: skip
            rows.append(row)
            writer.write({"__key__": path.stem, path.suffix[1:]: data})
    (output / "rows.json").write_text(json.dumps(rows))


def run(way: str, paths: list[Path], output: Path) -> float:
    """Processor seconds of one way over the files."""
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    start = sum(os.times()[:4])
    if way == "usual":
        usual(paths, output)
    else:
        img2dataset_(paths, output, way.endswith("decode"))
    return sum(os.times()[:4]) - start


def main() -> None:
    """Prints the processor seconds of one way, and those of a run with a single file: what starting it takes."""
    way, folder, output = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    paths = sorted(folder.iterdir())
    _, starting, whole = (run(way, chosen, output) for chosen in (paths[:1], paths[:1], paths))
    print(json.dumps({"seconds": whole, "starting": starting}))


if __name__ == "__main__":
    main()
