"""A person's answer to a label wins over the machine: one reviewed row for each distinct label."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace

from aqqua_dataset.labels.match import Match
from aqqua_dataset.labels.taxonomy import Taxonomy
from aqqua_dataset.registry.models import LabelAnswer


def relevant(answers: Iterable[LabelAnswer], schemes: Iterable[str]) -> dict[tuple[str, str], LabelAnswer]:
    """The answers that can apply to some class lists, by (class list, label); "" stands for any class list."""
    wanted = {"", *schemes}
    return {(a.scheme, a.label_verbatim): a for a in answers if a.scheme in wanted}


def fingerprint(answers: Iterable[LabelAnswer], schemes: Iterable[str]) -> str:
    """Changes when an answer does that may apply to the class lists."""
    rows = sorted(a.model_dump_json() for a in relevant(answers, schemes).values())
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def answered(match: Match, answer: LabelAnswer, taxonomy: Taxonomy) -> Match:
    """What a label means by its answer; traits that its words tell are kept, its residue is settled."""
    taxon = taxonomy.by_id(answer.aphia_id) if answer.aphia_id else None
    return replace(
        match,
        parsed=replace(match.parsed, kind=answer.label_kind, residual=()),
        name=answer.taxon_name or "",
        aphia_id=answer.aphia_id,
        aphia_id_matched=answer.aphia_id,
        rank=taxon.rank if taxon else "",
        how="manual",
        is_marine=taxon.is_marine if taxon else None,
        is_extinct=taxon.is_extinct if taxon else None,
        conflict=False,
    )
