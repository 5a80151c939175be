"""Hugging Face Parquet: the image files in a column of type Image, beside all columns of the metadata.

The features stand in each file's schema, as ``datasets`` itself writes them (arrow_writer.py of datasets 5.2).
"""

import json
from typing import Any

import pyarrow as pa

from aqqua_dataset.export.folder import granted_licence
from aqqua_dataset.export.target import Target, in_files, stored_size
from aqqua_dataset.images.shards import member_name
from aqqua_dataset.reader.release import PLACE, Selection, quoted
from aqqua_dataset.reader.stream import Run

#: Which images the format can hold.
CONDITION = "true"

#: Bytes of images in a file: what the Hub itself makes of larger sets.
FILE = 500 << 20

_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

_READING = """---
license: {licence}
task_categories: [image-classification]
configs:
- config_name: default
  data_files:
  - split: train
    path: data/*.parquet
---
## Reading it

```python
import datasets

images = datasets.load_dataset("parquet", data_files="data/*.parquet", split="train", streaming=True)
for row in images:
    image, label = row["image"], row["taxon_name"]
```
"""


def write(selection: Selection, target: Target) -> str:
    """Writes the files; returns how to read them."""
    further = [c for c in target.columns if c not in PLACE]
    schema = _schema(target)
    for number, runs in in_files(target.runs(quoted(further)), FILE, stored_size):
        with target.parquet(f"data/{target.stem}-{number:05d}.parquet", schema) as writer:
            for run in runs:
                writer.write_table(_table(run, schema))
    licence, _ = granted_licence(target.release) or ("other", "")
    return _READING.format(licence=licence.lower())  # the Hub's names of licences are SPDX ids in lower case


def _schema(target: Target) -> pa.Schema:
    plain = pa.schema([pa.field("image", _IMAGE), *target.fields])
    features = {"image": {"_type": "Image"}, **{f.name: _feature(f.type) for f in plain if f.name != "image"}}
    return plain.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    names = {pa.float64(): "float64", pa.date32(): "date32"}  # Arrow calls them double and date32[day]
    return {"dtype": names.get(kind, str(kind)), "_type": "Value"}


def _table(run: Run, schema: pa.Schema) -> pa.Table:
    ids, formats = run.rows["image_id"].to_pylist(), run.rows["image_format"].to_pylist()
    paths = pa.array(map(member_name, ids, formats), pa.string())
    images = pa.StructArray.from_arrays([pa.array(run.images, pa.binary()), paths], fields=list(_IMAGE))
    arrays = [images, *(run.rows[f.name] for f in schema if f.name != "image")]
    return pa.Table.from_arrays(arrays, schema=schema)
