"""Rules on the labels of a whole contribution (L08, L09 of the tests): each marks all its rows or none."""

import duckdb

from aqqua_dataset.quality.rules import Rule
from aqqua_dataset.quality.thresholds import threshold
from aqqua_dataset.registry.models import Contribution


def low_validation(_: duckdb.DuckDBPyConnection, __: Contribution) -> str:
    """Too small a share of the labels is confirmed by a person."""
    return f"""select contribution_id from core where label_kind <> 'unlabelled' group by contribution_id
        having avg(cast(label_status = 'validated' as double)) < {threshold("L08.validated_share")}"""


def artefact_share(_: duckdb.DuckDBPyConnection, __: Contribution) -> str:
    """Too great a share of the labelled images are artefacts."""
    return f"""select contribution_id from core where label_kind <> 'unlabelled' group by contribution_id
        having avg(cast(label_kind = 'artefact' as double)) > {threshold("L09.artefact_share")}"""


RULES: dict[str, Rule] = {"LOW_VALIDATION": low_validation, "ARTEFACT_SHARE": artefact_share}
