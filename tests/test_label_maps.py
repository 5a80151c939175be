"""Labels of two published maps: how often the same AphiaID comes out, and why it is another one where it is."""

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from aqqua_dataset.labels.match import Label, Match, resolve
from aqqua_dataset.labels.taxonomy import Taxonomy

pytestmark = pytest.mark.realdata

Row = tuple[str, int | None]


def planktonzilla(real_data: Path) -> list[Row]:
    return rows(real_data / "taxonomy/planktonzilla/label_map_visible.csv", "Raw_Labels", "aphia_ID")


def sweden(real_data: Path) -> list[Row]:
    return rows(real_data / "taxonomy/nodc_sweden_ifcb/taxa_lookup.csv", "clean_names", "AphiaID")


def rows(path: Path, label: str, aphia_id: str) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as stream:
        return [(r[label], _number(r[aphia_id])) for r in csv.DictReader(stream)]


def _number(text: str) -> int | None:
    return None if text in ("", "NA") else int(float(text))


def relation(found: Match, theirs: int | None, taxonomy: Taxonomy) -> str:
    """How an AphiaID stands to the one of a map."""
    if found.aphia_id == theirs:
        return "same" if theirs else "both none"
    if theirs is None:
        return "only ours"
    other = taxonomy.by_id(theirs)
    if found.aphia_id is None or other is None:
        return "none"
    ours = taxonomy.by_id(found.aphia_id)
    assert ours is not None
    if ours.name in other.lineage:
        return "coarser"
    return "finer" if other.name in ours.lineage else "different"


def compared(labels: Iterable[Row]) -> list[tuple[str, str, Match]]:
    """Label, relation and match of every row."""
    taxonomy = Taxonomy()
    labels = list(labels)
    matches = resolve([Label(text) for text, _ in labels], taxonomy)
    return [(text, relation(m, theirs, taxonomy), m) for (text, theirs), m in zip(labels, matches, strict=True)]


def counts(found: list[tuple[str, str, Match]]) -> dict[str, int]:
    return dict(Counter(kind for _, kind, _ in found))


def differing(found: list[tuple[str, str, Match]]) -> dict[str, set[str]]:
    """The labels of every relation that is a difference."""
    result: dict[str, set[str]] = {}
    for text, kind, _ in found:
        if kind not in ("same", "both none"):
            result.setdefault(kind, set()).add(text)
    return result


# Every difference and its reason; docs/labels.md explains the reasons.
PLANKTONZILLA: dict[str, dict[str, set[str]]] = {
    "coarser": {
        "knowledge of the data set": {
            "Aglaura", "Acantharia", "Trachymedusae", "Codonellopsis", "nauplius", "Harpacticoida", "Foraminifera",
            "Dinophyceae", "other<Cnidaria", "small<Cnidaria", "protozoea_Eumalacostraca", "trunk_Appendicularia",
            "Ornithocercus", "Penilia", "Metridinidae", "Annelida", "endostyle", "actinula",
        },
        "everyday word": {"amoeba", "maybe_cyano", "pennates_on_diatoms"},
        "epithet behind a family": {"Creseidae acicula"},
    },
    "finer": {
        "seven ranks": {
            "nauplii", "Crustacea", "metanauplii_Crustacea", "nauplii_Crustacea", "part_Crustacea", "Actinopterygii",
            "egg_Actinopterygii", "fish", "Retaria", "Rhizaria", "Harosa", "like<Rhizaria", "zoea_Brachyura", "Insecta",
            "Eumalacostraca", "Gymnosomata", "Physonectae", "nectophore_Physonectae", "Phaeodaria", "cypris",
            "nauplii_Cirripedia",
        },
    },
    "different": {
        "knowledge of the data set": {"Thecosomata", "Creseidae"},
        "accepted name": {"Neoceratium"},
        "word of shape": {"pennate", "pennate_morphotype1"},
    },
    "none": {
        "not in the bundled snapshot": {
            "Hyperiidea", "Atlanta", "Aulatractus", "Bassia", "Tintinnina", "Katodinium_or_Torodinium",
            "Cyttarocylididae", "Isopoda", "colonial_colodaria", "Collodaria", "Rhabdonellidae",
        },
        "no name in the label": {
            "fuzzy", "kiteflagellates", "clusterflagellate", "flagellate_sp3", "filament", "chainlarge", "chainthin",
            "polar_view", "other_living", "solitaryblack", "cloud", "solitaryglobule", "nucleus", "cirrus",
        },
        "homonym": {"Ctenophora"},
        "laboratory's abbreviation": {"DactFragCerataul", "UCYNA like"},
    },
    "only ours": {"a taxon is named": {"dinophyceae_shape"}},
}  # fmt: skip
SWEDEN: dict[str, dict[str, set[str]]] = {
    "coarser": {"everyday word": {"Heterocyte"}},
    "finer": {
        "like": {
            "Amphidinium-like", "Cocconeis-like", "Cochlodinium-like", "Diatoma_tenuis-like_chain",
            "Diatoma_tenuis-like_single_cell", "Navicula-like", "Pseudopedinella-like", "Stephanopyxis-like",
            "Strombidium-like", "Thalassiosira_gravida-like",
        },
    },
    "none": {
        "not in the bundled snapshot": {
            "Amphidinium-Katodinium", "Amphidinium-Katodinium2", "Heterosigma-like", "Katodinium-like",
            "Lepidodinium-like", "Snowella-Woronichinia2", "Snowella_Woronichinia", "Warnowia-like",
        },
        "no name in the label": {"Akinete", "Unicells", "Zooplankton"},
        "two AphiaIDs": {"Dolichospermum_spp_coil", "Dolichospermum_spp_filament", "Pseudochattonella-like"},
    },
    "only ours": {"a taxon is named": {"Scrippsiella_group"}},
}  # fmt: skip


def all_of(explained: dict[str, dict[str, set[str]]]) -> dict[str, set[str]]:
    return {kind: set().union(*reasons.values()) for kind, reasons in explained.items()}


def test_planktonzilla(real_data: Path) -> None:
    found = compared(planktonzilla(real_data))
    assert counts(found) == {
        "same": 298, "both none": 51, "finer": 27, "coarser": 22, "different": 6, "none": 32, "only ours": 1,
    }  # fmt: skip
    assert differing(found) == all_of(PLANKTONZILLA)


def test_the_swedish_class_list(real_data: Path) -> None:
    found = compared(sweden(real_data))
    assert counts(found) == {"same": 148, "both none": 5, "finer": 10, "coarser": 1, "none": 15, "only ours": 1}
    assert differing(found) == all_of(SWEDEN)


def test_nothing_contradicts_itself_and_nothing_is_guessed(real_data: Path) -> None:
    for text, _, match in compared([*planktonzilla(real_data), *sweden(real_data)]):
        assert not match.conflict, text
        assert (match.aphia_id is None) == (match.how == "none"), text
