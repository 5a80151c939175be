"""The labels that wait for a person: each once, with how many images bear it and why it waits.

One row in the registry's ``labels.csv`` answers a label for all its images.
"""

import pandas as pd

from aqqua_dataset.labels.grammar import parse
from aqqua_dataset.pipeline import Collection, manifest

#: Flags that ask for an answer.
ASKING = (
    "LABEL_UNPARSED", "LABEL_NO_APHIA", "APHIA_HIERARCHY_CONFLICT", "APHIA_NOT_MARINE", "APHIA_EXTINCT"
)  # fmt: skip
COLUMNS = ("scheme", "label_verbatim", "count", "contributions", "why", "kind", "taxon_guess")

_QUERY = """
select label_scheme as scheme, coalesce(label_verbatim, label_source_id) as label_verbatim, count(*) as count,
    array_to_string(list_sort(list(distinct contribution_id)), ' ') as contributions,
    array_to_string(list_sort(list_distinct(flatten(list(asked)))), ' ') as why,
    min(label_kind) as kind
from (select *, list_intersect(qc_flags, $asking) as asked from read_parquet($files))
where len(asked) > 0 and taxon_match <> 'manual'
group by all
order by count desc, scheme, label_verbatim
"""


def waiting(collection: Collection) -> pd.DataFrame:
    """The queue over all harmonised contributions, the most frequent label first; columns ``COLUMNS``.

    ``taxon_guess`` is the name as the label says it, not looked up.
    """
    files = []
    for contribution in sorted(collection.registry.contributions):
        core = manifest(collection.warehouse, contribution, "core")
        if core is not None:
            paths = (f"{core['folder']}/core-{part:05d}.parquet" for part in range(len(core["parts"])))
            files += [collection.warehouse.url(path) for path in paths]
    if not files:
        return pd.DataFrame(columns=list(COLUMNS))
    with collection.warehouse.connect() as connection:
        found = connection.execute(_QUERY, {"asking": list(ASKING), "files": files}).df()
    found["taxon_guess"] = [_guess(label) for label in found["label_verbatim"]]
    return found[list(COLUMNS)]


def _guess(label: str) -> str:
    parsed = parse(label)
    return parsed.taxon or "|".join(parsed.alternatives) or parsed.taxon_implied
