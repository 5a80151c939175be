"""Labels: the grammar on the examples, exact matching that no homonym passes, answers, snapshots, the queue."""

import csv
import datetime as dt
import json
import shutil
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import reading
from builders import collection, contribution, settings
from hypothesis import given
from hypothesis import strategies as st
from reading import harmonised
from writers import ecotaxa as writer

from aqqua_dataset import cli
from aqqua_dataset.compute import SerialExecutor
from aqqua_dataset.labels.answers import answered
from aqqua_dataset.labels.build import build_snapshot
from aqqua_dataset.labels.grammar import names_above, parse
from aqqua_dataset.labels.match import Label, Match, resolve
from aqqua_dataset.labels.queue import waiting
from aqqua_dataset.labels.taxonomy import Taxonomy, fingerprint
from aqqua_dataset.pipeline import Collection, harmonise_rows, read_rows
from aqqua_dataset.quality import label_rules
from aqqua_dataset.registry.labels import load_answers
from aqqua_dataset.registry.load import load_registry
from aqqua_dataset.registry.models import Declared, LabelAnswer

DATA = Path(__file__).parent / "data"


def table(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


EXAMPLES, TRAPS = table("label_examples.csv"), table("worms_automatch_traps.csv")
BUNDLED = Taxonomy()


def match(text: str, hierarchy: str = "", ecotaxa_id: str = "", taxonomy: Taxonomy = BUNDLED) -> Match:
    [found] = resolve([Label(text, hierarchy, ecotaxa_id)], taxonomy)
    return found


# --- grammar


def test_all_examples_and_traps_are_here() -> None:
    assert (len(EXAMPLES), len(TRAPS)) == (87, 24)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e["label_verbatim"] or "empty")
def test_examples(example: dict[str, str]) -> None:
    expected = {name: value for name, value in example.items() if name != "seen_in"}
    assert parse(example["label_verbatim"]).as_row() == expected


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (
            "Chaetoceros_cf_convolutus",
            {"taxon": "Chaetoceros", "alternatives": "Chaetoceros convolutus", "uncertain": "1"},
        ),
        ("G_delicatula_detritus", {"kind": "taxon", "associated": "attached_detritus"}),
        ("diatom_flagellate", {"taxon": "Bacillariophyceae", "associated": "attached_flagellate"}),
        ("flagellate_sp3", {"kind": "morpho", "taxon": "", "qualifier": "sp3", "associated": ""}),
        ("Copepod detritus", {"kind": "nonliving", "nonliving": "detritus"}),
        ("keratella_cochlearis", {"taxon": "Keratella cochlearis"}),
        ("Mesodinium_spp2", {"taxon": "Mesodinium", "qualifier": "spp2", "residual": ""}),
        ("Pauliella_taeniata6", {"taxon": "Pauliella taeniata", "residual": ""}),
        ("Diatoma_tenuis-like_single_cell", {"taxon": "Diatoma tenuis", "qualifier": "like", "organisation": "single"}),
        ("Thalassiosira_anguste-lineata", {"taxon": "Thalassiosira anguste-lineata"}),
        ("Temora longicornis (Müller, 1785)", {"taxon": "Temora longicornis", "parent_hint": ""}),
        ("Acartia (Acanthacartia) tonsa", {"taxon": "Acartia tonsa"}),
        ("Calanus C5", {"life_stage": "copepodite", "stage_detail": "CV"}),
        ("Creseidae acicula", {"taxon": "Creseidae", "residual": "acicula"}),
        ("Copepoda_Calanus", {"taxon": "Calanus", "alternatives": ""}),
        ("badfocus", {"kind": "artefact", "quality": "out_of_focus"}),
        ("xqzv", {"kind": "unparsed", "residual": "xqzv"}),
        ("<<<", {"kind": "unparsed"}),
    ],
)
def test_further_labels(label: str, expected: dict[str, str]) -> None:
    row = parse(label).as_row()
    assert {name: row[name] for name in expected} == expected


@given(st.text(max_size=60))
def test_any_text_is_taken_apart_and_kept(text: str) -> None:
    found = parse(text)
    assert found.label_verbatim == text
    assert (found.kind == "unlabelled") == (text.split() == [])


def test_names_above_leave_out_words() -> None:
    assert names_above("Oithona<part<Copepoda<Crustacea temp") == ("Copepoda", "Crustacea")


# --- matching

#: What the bundled snapshot knows of the traps, with EcoTaxa's hierarchy; the others get no AphiaID.
RIGHT = {
    "Bassia": ("Abylidae", 135336, "parent_only"),
    "Ceratium_fusus": ("Tripos fusus", 840626, "synonym"),
    "Dinophysis_tripos": ("Dinophysis tripos", 109662, "exact"),
    "Evadne": ("Evadne", 106267, "exact"),
    "Heterocapsa triquetra": ("Kryptoperidinium triquetrum", 1346683, "synonym"),
    "Heterocapsa_triquetra": ("Kryptoperidinium triquetrum", 1346683, "synonym"),
    "Hydra": ("Hydra", 267491, "exact"),
    "Neoceratium fusus": ("Tripos fusus", 840626, "synonym"),
    "Steph_Melo": ("Bacillariophyceae", 148899, "parent_only"),
    "Thalassiosira_sp_aff_mala": ("Thalassiosira", 148912, "exact"),
    "Tripos_fusus": ("Tripos fusus", 840626, "exact"),
    "actinula": ("Hydrozoa", 1337, "implied_by_morphotype"),
    "cirrus": ("Cirripedia", 1082, "parent_only"),
    "cypris": ("Cirripedia", 1082, "parent_only"),
    "ephyra": ("Scyphozoa", 135220, "implied_by_morphotype"),
    "pennate_Pseudo-nitzschia": ("Pseudo-nitzschia", 149151, "exact"),
}


@pytest.mark.parametrize("trap", TRAPS, ids=lambda t: t["Category"])
def test_traps(trap: dict[str, str]) -> None:
    found = match(trap["Category"], trap["EcoTaxa_hierarchy"])
    assert (found.name, found.aphia_id, found.how) == RIGHT.get(trap["Category"], ("", None, "none"))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Taxonomy:
    """A snapshot that holds every wrong taxon of the traps under its name, as the whole of WoRMS does."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = {t["WORMS_ID"]: (t["matched"].rstrip("†"), "†" in t["matched"]) for t in TRAPS}
    lines = [WORMS_HEADER, line("urn:lsid:marinespecies.org:taxname:2", "Animalia", rank="Kingdom")]
    lines += [
        line(key, name, parent="urn:lsid:marinespecies.org:taxname:2", rank="Genus") for key, (name, _) in rows.items()
    ]
    (folder / "taxon.txt").write_text("\n".join(lines) + "\n")
    profile = ["taxonID\tisMarine\tisBrackish\tisExtinct"]
    profile += [f"{key}\t1\t0\t{int(extinct)}" for key, (_, extinct) in rows.items()]
    (folder / "speciesprofile.txt").write_text("\n".join(profile) + "\n")
    ecotaxa = folder / "ecotaxa.tsv"
    ecotaxa.write_text(ECOTAXA_HEADER + "1\t\t\t\tBiota\tP\tA\t\n")
    build_snapshot(folder / "snapshot", dt.date(2026, 8, 1), ecotaxa, folder / "taxon.txt")
    return Taxonomy(folder / "snapshot")


WORMS_HEADER = "\t".join(
    ["taxonID", "scientificName", "acceptedNameUsageID", "parentNameUsageID", "taxonRank", "taxonomicStatus"]
)
ECOTAXA_HEADER = "id\taphia_id\tparent_id\trank\tname\ttaxotype\ttaxostatus\trename_to\n"


def line(
    key: str, name: str, accepted: str = "", parent: str = "", rank: str = "Species", status: str = "accepted"
) -> str:  # fmt: skip
    return "\t".join([key, name, accepted, parent, rank, status])


#: The wrong taxon is a right one under another name or another label.
NAMESAKES = {"Dinophysis_tripos", "chainthin", "Unknown marine", "pennate_Pseudo-nitzschia"}


@pytest.mark.parametrize("trap", TRAPS, ids=lambda t: t["Category"])
@pytest.mark.parametrize("with_hierarchy", [True, False])
def test_traps_where_the_wrong_taxon_is_on_offer(trap: dict[str, str], with_hierarchy: bool, hostile: Taxonomy) -> None:
    wrong = int(trap["WORMS_ID"].rpartition(":")[2])
    assert hostile.by_id(wrong) is not None
    found = match(trap["Category"], trap["EcoTaxa_hierarchy"] if with_hierarchy else "", taxonomy=hostile)
    assert wrong not in (found.aphia_id, found.aphia_id_matched)


def test_a_fossil_is_not_taken_by_its_name_and_named_as_the_reason(hostile: Taxonomy) -> None:
    found = match("Favella", taxonomy=hostile)
    assert (found.aphia_id, found.is_extinct) == (None, True)


@pytest.mark.parametrize(
    ("label", "hierarchy", "identity", "expected"),
    [
        ("Copepoda<Multicrustacea", "", "25828", ("Copepoda", 1080, 1080, "class", "id_map")),
        ("Acantharea", "", "11762", ("Acantharia", 586732, 586732, "class", "id_map")),
        ("dead<Copepoda", "", "84964", ("Copepoda", 1080, 1080, "class", "exact")),
        ("", "", "84964", ("Copepoda", 1080, 1080, "class", "exact")),
        ("small<egg", "", "92731", ("Actinopterygii", 10194, 10194, "gigaclass", "parent_only")),
        ("pluteus", "", "84999", ("Ophiuroidea", 123084, 123084, "class", "parent_only")),
        ("Copepoda__25828", "", "", ("Copepoda", 1080, 1080, "class", "id_map")),
        ("Copepoda", "", "no-such-id", ("Copepoda", 1080, 1080, "class", "exact")),
        ("Acantharea", "", "", ("Acantharia", 586732, None, "class", "synonym")),
        ("Neoceratium", "", "", ("Tripos", 494057, 494056, "genus", "synonym")),
        ("Neoceratium pentagonum", "", "", ("Tripos pentagonus", 841746, None, "species", "synonym")),
        ("fish egg", "", "", ("Actinopterygii", 10194, 10194, "gigaclass", "vernacular_table")),
        ("ctenophore", "", "", ("Ctenophora", 1248, 1248, "", "vernacular_table")),
        ("Ctenophora<Animalia", "", "", ("Ctenophora", 1248, 1248, "", "exact")),
        ("Dinophysis nosuchspecies", "", "", ("Dinophysis", 109462, 109462, "genus", "parent_only")),
        ("Nosuchgenus<Calanoida", "", "", ("Calanoida", 1100, 1100, "order", "parent_only")),
        ("Guin_Dact", "", "", ("Rhizosoleniaceae", 149068, 149068, "family", "parent_only")),
        ("egg", "living>Metazoa>Actinopterygii>egg", "", ("Actinopterygii", 10194, 10194, "gigaclass", "parent_only")),
        ("Chaetoceros<Bacillariophyta", "", "", ("Chaetoceros", 148985, 148985, "genus", "exact")),
        ("Copepoda<Maxillopoda", "", "", ("Copepoda", 1080, 1080, "class", "exact")),
        ("feces<Copepoda", "", "", ("", None, None, "", "none")),
        ("Ctenophora", "", "", ("", None, None, "", "none")),
        ("other<living", "", "", ("", None, None, "", "none")),
    ],
)  # fmt: skip
def test_taxa(label: str, hierarchy: str, identity: str, expected: tuple[object, ...]) -> None:
    found = match(label, hierarchy, identity)
    assert (found.name, found.aphia_id, found.aphia_id_matched, found.rank, found.how) == expected
    assert not found.conflict


@pytest.mark.parametrize(
    ("label", "hierarchy", "identity"),
    [
        ("Copepoda<Mollusca", "", ""),
        ("Evadne", "living>Eukaryota>Metazoa>Mollusca>Gastropoda>Evadne", ""),
        ("Salpida", "", "25828"),  # the id says Copepoda
        ("detritus", "", "25828"),
        ("Oncaeidae", "", "85011"),  # the id says other<Biota
    ],
)
def test_what_contradicts_itself_gets_no_aphia_id(label: str, hierarchy: str, identity: str) -> None:
    found = match(label, hierarchy, identity)
    assert (found.conflict, found.aphia_id, found.how) == (True, None, "none")


def test_renamed_and_deprecated_classes_are_told() -> None:
    assert match("Acantharea", "", "11762").deprecated
    assert match("Excavata", "", "9").deprecated
    assert not match("Copepoda", "", "25828").deprecated


# --- snapshots


def written_snapshot(folder: Path) -> Path:
    """Dumps as EcoTaxoServer and WoRMS write them, made into a snapshot."""
    lsid = "urn:lsid:marinespecies.org:taxname:"
    taxa = [
        WORMS_HEADER,
        line(lsid + "1", "Biota", rank="Superdomain"),
        line(lsid + "2", "Animalia", parent=lsid + "1", rank="Kingdom"),
        line(lsid + "900", "Testia", parent=lsid + "2", rank="Genus"),
        line(lsid + "901", 'Testia "nova"', parent=lsid + "900"),
        line(lsid + "902", "Testia vetus", accepted=lsid + "901", parent=lsid + "900", status="unaccepted"),
        line(lsid + "903", "Testia dubia", parent=lsid + "900", status="unaccepted"),
        line(lsid + "904", "Terrestria", parent=lsid + "2", rank="Genus"),
    ]
    (folder / "taxon.txt").write_text("\n".join(taxa) + "\n")
    (folder / "speciesprofile.txt").write_text(
        f"taxonID\tisMarine\tisBrackish\tisExtinct\n{lsid}904\t0\t0\t0\n{lsid}900\t0\t1\t\n"
    )
    (folder / "export.tsv").write_text(
        ECOTAXA_HEADER
        + "1\t1\t\tSuperdomain\tBiota\tP\tA\t\n10\t900\t1\tGenus\tTestia\tP\tA\t\n11\t\t10\t\tegg\tM\tA\t\n"
        + "12\t\t1\t\tOldia\tP\tD\t10\n13\t905\t1\tGenus\tOnlyecotaxia\tP\tA\t\n"
    )
    target = folder / "snapshot-2026-08"
    options = ["--ecotaxa", str(folder / "export.tsv"), "--worms", str(folder / "taxon.txt"), "--date", "2026-08-31"]
    assert cli.main(["taxonomy", "build", str(target), *options]) == 0
    return target


def test_a_snapshot_is_built_from_dumps(tmp_path: Path) -> None:
    snapshot = Taxonomy(written_snapshot(tmp_path))
    assert snapshot.date == "2026-08-31"
    assert snapshot.named('testia "nova"')[0].lineage == ("Biota", "Animalia", "Testia", 'Testia "nova"')
    old = match("Testia vetus", taxonomy=snapshot)
    assert (old.name, old.aphia_id, old.aphia_id_matched, old.how) == ('Testia "nova"', 901, 902, "synonym")
    assert match("Testia dubia", taxonomy=snapshot).name == "Testia"  # its own name stands for nothing
    assert (match("Testia", taxonomy=snapshot).is_marine, match("Terrestria", taxonomy=snapshot).is_marine) == (
        True,
        False,
    )
    assert match("Oldia", taxonomy=snapshot).aphia_id == 900
    assert match("egg<Testia", "", "11", snapshot).aphia_id == 900
    assert match("Onlyecotaxia", taxonomy=snapshot).aphia_id == 905
    assert match("Copepoda", taxonomy=snapshot).aphia_id == 1080  # the bundled names are kept


def test_a_snapshot_without_worms_and_one_that_is_there_already(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    (tmp_path / "export.tsv").write_text(
        ECOTAXA_HEADER + "1\t1\t\t\tBiota\tP\tA\t\n7\t70\t8\t\tA\tP\tA\t\n8\t80\t7\t\tB\tP\tA\t\n"
    )
    command = [
        "taxonomy",
        "build",
        str(tmp_path / "s"),
        "--ecotaxa",
        str(tmp_path / "export.tsv"),
        "--date",
        "2026-08-31",
    ]
    assert cli.main(command) == 0
    assert match("Evadne", taxonomy=Taxonomy(tmp_path / "s")).aphia_id == 106267
    assert cli.main(command) == 1
    assert "holds a snapshot already" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "words"), [("id\tname\n1\tBiota\n", "missing column"), (None, "no such file")])
def test_dumps_that_are_none(tmp_path: Path, text: str | None, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    dump = tmp_path / "export.tsv"
    if text is not None:
        dump.write_text(text)
    assert cli.main(["taxonomy", "build", str(tmp_path / "s"), "--ecotaxa", str(dump), "--date", "2026-08-31"]) == 1
    assert words in capsys.readouterr().err


def test_the_settings_name_a_snapshot_and_a_missing_one_is_never_replaced(
    tmp_path: Path, registry_folder: Path
) -> None:  # fmt: skip
    folder = Path(shutil.copytree(registry_folder, tmp_path / "registry"))
    with (folder / "settings.yaml").open("a") as stream:
        stream.write("taxonomy: snapshots/2026-08\n")
    nothing, findings = load_registry(folder)
    assert nothing is None
    assert [(f.rule, f.key, f.value) for f in findings if f.severity == "error"] == [
        ("taxonomy_invalid", "taxonomy", "snapshots/2026-08")
    ]
    (folder / "snapshots").mkdir()
    written_snapshot(tmp_path).rename(folder / "snapshots" / "2026-08")
    found, _ = load_registry(folder)
    assert found is not None
    assert found.settings.taxonomy == str(folder / "snapshots" / "2026-08")
    assert fingerprint(found.settings.taxonomy) != fingerprint(None)


# --- answers

HEADER = "scheme,label_verbatim,label_kind,taxon_name,aphia_id,reviewed_by,reviewed_on,why\n"


def answers(folder: Path, *rows: str) -> tuple[tuple[LabelAnswer, ...], list[tuple[int | None, str, str]]]:
    (folder / "labels.csv").write_text(HEADER + "".join(f"{r}\n" for r in rows))
    registry = collection(folder).registry
    found, findings = load_answers(folder, registry.people)
    assert {f.file for f in findings} <= {"labels.csv"}
    return found, [(f.line, f.key, f.value) for f in findings]


def test_answers_are_read(tmp_path: Path) -> None:
    [answer], findings = answers(tmp_path, "ecotaxa,fuzzy,taxon,Acantharia,586732,owner-one,2026-09-01,its spines")
    assert findings == []
    assert (answer.scheme, answer.aphia_id, answer.reviewed_on) == ("ecotaxa", 586732, dt.date(2026, 9, 1))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (",x,animal,,,owner-one,2026-09-01,w", (2, "label_kind", "animal")),
        (",x,taxon,A,zero,owner-one,2026-09-01,w", (2, "aphia_id", "zero")),
        (",x,taxon,A,0,owner-one,2026-09-01,w", (2, "aphia_id", "0")),
        (",x,taxon,,5,owner-one,2026-09-01,w", (2, "taxon_name", "")),
        (",x,taxon,A,5,nobody,2026-09-01,w", (2, "reviewed_by", "nobody")),
        (",x,taxon,A,5,owner-one,1.9.2026,w", (2, "reviewed_on", "1.9.2026")),
        (",,taxon,A,5,owner-one,2026-09-01,w", (2, "label_verbatim", "")),
        (",x,taxon,A,5,owner-one,2026-09-01,", (2, "why", "")),
        (",x,taxon,A,5,owner-one,2026-09-01,ask a.b@example.org", (2, "why", "ask [e-mail]")),
        (",x,taxon,A,5", (2, "", "")),
    ],
)
def test_mistakes_in_answers_name_row_column_and_value(
    tmp_path: Path, row: str, expected: tuple[int, str, str]
) -> None:
    assert answers(tmp_path, row) == ((), [expected])


def test_a_label_has_one_answer(tmp_path: Path) -> None:
    row = ",x,taxon,A,5,owner-one,2026-09-01,w"
    kept, findings = answers(tmp_path, row, row)
    assert (len(kept), findings) == (1, [(3, "label_verbatim", "x")])


def test_other_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("label,taxon\nx,y\n")
    found, [finding] = load_answers(tmp_path, {})
    assert (found, finding.rule, finding.line, finding.value) == ((), "table_columns", 1, "label,taxon")


def test_an_answer_wins_and_settles_the_label() -> None:
    answer = LabelAnswer(
        label_verbatim="fuzzy", label_kind="taxon", taxon_name="Acantharia", aphia_id=586732, reviewed_by="owner-one",
        reviewed_on=dt.date(2026, 9, 1), why="its spines",
    )  # fmt: skip
    found = answered(match("fuzzy xqzv"), answer, BUNDLED)
    assert (found.name, found.aphia_id, found.rank, found.how) == ("Acantharia", 586732, "class", "manual")
    assert (found.parsed.kind, found.parsed.residual, found.parsed.form) == ("taxon", (), ("fuzzy",))


# --- harmonised rows

_CELLS = {
    "object_date": "20190614", "object_time": "120000", "object_lat": "56.5208", "object_lon": "11.2125",
    "object_depth_min": "1", "object_depth_max": "2", "acq_instrument": "zooscan",
    "process_particle_pixel_size_mm": "0.0106",
}  # fmt: skip


def core(*labels: dict[str, str], **changes: object) -> list[dict[str, object]]:
    """Core rows of an EcoTaxa table with these label cells."""
    rows = pd.DataFrame([_CELLS | cells for cells in labels]).astype("str")
    locator = {
        "aqqua_object_id": "o",
        "aqqua_image_file": "o.png",
        "aqqua_table": "t.tsv",
        "aqqua_value": "",
        "aqqua_flags": "",
    }
    for name, value in locator.items():
        rows[name] = pd.Series(value, rows.index, dtype="str")
    rows["aqqua_line"] = 2
    rows["aqqua_variant"] = pd.Series(None, rows.index, dtype="str")
    return harmonised(rows, "ecotaxa", **changes).core.to_pylist()  # type: ignore[arg-type]


def labelled(text: str, status: str = "validated", **more: str) -> dict[str, str]:
    return {"object_annotation_category": text, "object_annotation_status": status, **more}


def test_the_columns_of_a_label() -> None:
    [row] = core(labelled("female with ectoparasites<Metridinidae", "dubious"), declared=Declared(time_zone="UTC"))
    assert (row["label_kind"], row["taxon_name"], row["sex"], row["associated"]) == (
        "taxon", "Metridinidae", "female", ["parasite"],
    )  # fmt: skip
    assert (row["label_uncertain"], row["label_method"], row["label_residual"], row["organism_state"]) == (
        True, "human", [], None,
    )  # fmt: skip
    assert row["qc_flags"] == []


@pytest.mark.parametrize(
    ("label", "flags"),
    [
        ("Copepoda xqzv", ["LABEL_UNPARSED"]),
        ("Nosuchgenus", ["LABEL_NO_APHIA"]),
        ("Copepoda<Mollusca", ["LABEL_NO_APHIA", "APHIA_HIERARCHY_CONFLICT"]),
        ("detritus", []),
        ("chainthin", []),
    ],
)
def test_flags_of_labels(label: str, flags: list[str]) -> None:
    [row] = core(labelled(label), declared=Declared(time_zone="UTC"))
    assert row["qc_flags"] == flags


def test_rows_get_the_meaning_of_their_own_label() -> None:
    rows = core(labelled("Copepoda"), labelled("egg<Actinopterygii"), labelled("Copepoda"), labelled("bubble"))
    assert [r["aphia_id"] for r in rows] == [1080, 10194, 1080, None]
    assert [r["life_stage"] for r in rows] == [None, "egg", None, None]
    assert [r["nonliving_kind"] for r in rows] == [None, None, None, "bubble"]


def test_the_score_belongs_to_the_classifiers_label_only() -> None:
    rows = core(
        labelled("Copepoda", "predicted", classif_auto_score="0.91"),
        labelled("Copepoda", "validated", classif_auto_score="0.91"),
        labelled("Copepoda", "predicted", classif_auto_score="91"),
        declared=Declared(time_zone="UTC"),
    )
    assert [r["label_score"] for r in rows] == [0.91, None, None]
    assert [r["qc_flags"] for r in rows] == [[], [], ["LABEL_SCORE_INVALID"]]


@pytest.mark.parametrize(("water", "expected"), [("marine", ["APHIA_NOT_MARINE"]), ("freshwater", [])])
def test_what_is_not_marine_is_told_of_marine_contributions_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, water: str, expected: list[str]
) -> None:
    changed = settings().model_copy(update={"taxonomy": str(written_snapshot(tmp_path))})
    monkeypatch.setattr(reading, "settings", lambda: changed)
    declared = Declared(time_zone="UTC", water_type=water, water_surface_elevation_m=1)
    [row] = core(labelled("Terrestria"), declared=declared)
    assert [f for f in row["qc_flags"] if f.startswith("APHIA")] == expected


# --- queue and rules


def labelled_collection(folder: Path, labels: list[str]) -> Collection:
    """A collection with one EcoTaxa contribution of so many images."""
    writer.write(folder / "c1", len(labels))
    [path] = (folder / "c1").glob("*.tsv")
    rows = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    rows["object_annotation_category"] = ["[t]", *labels]
    rows["object_annotation_status"] = ["[t]", *["validated"] * len(labels)]
    rows.to_csv(path, sep="\t", index=False)
    return collection(folder, contribution("c1", folder / "c1"))


def harmonise(made: Collection) -> str:
    assert read_rows(made, "c1").outcome != "refused"
    return harmonise_rows(made, "c1", SerialExecutor(), 1).outcome


def test_the_queue_holds_each_label_once_until_it_is_answered(tmp_path: Path) -> None:
    made = labelled_collection(tmp_path, ["Nosuchgenus", "Copepoda", "Nosuchgenus", "Copepoda xqzv"])
    assert waiting(made).empty
    assert harmonise(made) == "done"
    assert waiting(made).to_dict("records") == [
        {"scheme": "ecotaxa", "label_verbatim": "Nosuchgenus", "count": 2, "contributions": "c1",
         "why": "LABEL_NO_APHIA", "kind": "taxon", "taxon_guess": "Nosuchgenus"},
        {"scheme": "ecotaxa", "label_verbatim": "Copepoda xqzv", "count": 1, "contributions": "c1",
         "why": "LABEL_UNPARSED", "kind": "taxon", "taxon_guess": "Copepoda"},
    ]  # fmt: skip
    told = {
        "reviewed_by": "owner-one",
        "reviewed_on": dt.date(2026, 9, 1),
        "why": "asked",
        "label_verbatim": "Nosuchgenus",
    }
    elsewhere = LabelAnswer(scheme="another-list", label_kind="artefact", **told)
    answer = LabelAnswer(scheme="", label_kind="taxon", taxon_name="Calanus", aphia_id=104152, **told)

    def with_answers(*given: LabelAnswer) -> Collection:
        return Collection(made.registry.model_copy(update={"labels": given}), made.config, made.warehouse)

    assert harmonise(with_answers(elsewhere)) == "unchanged"
    assert harmonise(with_answers(elsewhere, answer)) == "done"
    assert waiting(made)["label_verbatim"].to_list() == ["Copepoda xqzv"]


def view(connection: duckdb.DuckDBPyConnection, rows: list[tuple[str, str]]) -> None:
    frame = pd.DataFrame(rows, columns=["label_kind", "label_status"]).assign(contribution_id="c1")
    connection.register("core", frame)


@pytest.mark.parametrize(
    ("rule", "rows", "marked"),
    [
        ("LOW_VALIDATION", [("taxon", "validated")] * 95 + [("taxon", "predicted")] * 5, False),
        ("LOW_VALIDATION", [("taxon", "validated")] * 94 + [("taxon", "predicted")] * 6, True),
        ("LOW_VALIDATION", [("taxon", "validated")] * 2 + [("unlabelled", "unclassified")] * 8, False),
        ("ARTEFACT_SHARE", [("artefact", "validated")] * 2 + [("taxon", "validated")] * 8, False),
        ("ARTEFACT_SHARE", [("artefact", "validated")] * 3 + [("taxon", "validated")] * 8, True),
        (
            "ARTEFACT_SHARE",
            [("artefact", "validated")] * 2 + [("taxon", "validated")] * 7 + [("unlabelled", "")] * 9,
            True,
        ),
        ("ARTEFACT_SHARE", [("unlabelled", "unclassified")] * 3, False),
    ],
)
def test_rules_on_a_whole_contribution(rule: str, rows: list[tuple[str, str]], marked: bool) -> None:
    with duckdb.connect() as connection:
        view(connection, rows)
        query = label_rules.RULES[rule](connection, contribution("c1", "x"))
        assert connection.execute(query).fetchall() == ([("c1",)] if marked else [])


def test_the_bundled_snapshot_says_its_date_and_sources() -> None:
    about = json.loads((Path(__file__).parent.parent / "schemas/vocabularies/snapshot.json").read_text())
    assert (BUNDLED.date, len(BUNDLED.sources)) == (about["date"], 3)
