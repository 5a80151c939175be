"""WebDataset: tar archives of ``<image_id>.png`` or ``.jpg``, each followed by ``<image_id>.json`` with its row."""

import pyarrow.compute as pc

from aqqua_dataset.export.target import Target, as_json, in_files, stored_size
from aqqua_dataset.images.shards import ShardWriter
from aqqua_dataset.reader.release import Selection
from aqqua_dataset.reader.stream import Run

#: Which images the format can hold.
CONDITION = "true"

#: Bytes of images and rows in an archive; what the format's users take.
ARCHIVE = 1 << 30

_READING = """## Reading it

```python
import webdataset

samples = webdataset.WebDataset("{stem}-{{000000..{last:06d}}}.tar", shardshuffle=False).decode("pil")
for sample in samples:
    image, row = sample.get("png", sample.get("jpg")), sample["json"]
```
"""


def _size(run: Run) -> int:
    return stored_size(run) + int(pc.sum(pc.binary_length(run.rows["json"])).as_py())


def write(selection: Selection, target: Target) -> str:
    """Writes the archives; returns how to read them."""
    number = 0
    for number, runs in in_files(target.runs(as_json(target.columns, "json")), ARCHIVE, _size):
        with target.create(f"{target.stem}-{number:06d}.tar") as stream:
            writer = ShardWriter(stream)
            for run in runs:
                columns = (run.rows[c].to_pylist() for c in ("image_id", "image_format", "json"))
                for data, image_id, image_format, row in zip(run.images, *columns, strict=True):
                    writer.add(image_id, image_format, data)
                    writer.add_file(f"{image_id}.json", row.encode())
            writer.finish()
    return _READING.format(stem=target.stem, last=number)
