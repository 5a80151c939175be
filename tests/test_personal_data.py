"""Personal data: what is planted in deliveries and registry reaches no public file, and the search finds each piece."""

import datetime as dt
import io
import json
import shutil
import tracemalloc
from dataclasses import dataclass, replace
from pathlib import Path

import planted
import pyarrow as pa
import pytest
from builders import GIVEN, collection, contribution
from datacite_server import PASSWORD, USER, datacite_server
from planted import CELLS, IMAGES, REGISTRY, Item
from test_doi import settings as doi_settings
from unpacking import unpacked

import aqqua_dataset
from aqqua_dataset import privacy, workflow
from aqqua_dataset.compute import open_executor
from aqqua_dataset.export import FORMATS
from aqqua_dataset.export.sample import write_sample
from aqqua_dataset.export.write import export
from aqqua_dataset.images.search import hashed_and_searched, image_leaks
from aqqua_dataset.images.shards import ShardWriter
from aqqua_dataset.pipeline import Collection, manifest, run_contribution
from aqqua_dataset.registry.load import load_registry
from aqqua_dataset.registry.models import Attribution, Event
from aqqua_dataset.release import doi_job
from aqqua_dataset.release.build import Release, build_release
from aqqua_dataset.release.gate import ReleaseRefused, ReleaseRequest
from aqqua_dataset.release.gate_rules import RULES, Verdict, judge
from aqqua_dataset.release.personal import SearchTask, file_leaks, release_leaks
from aqqua_dataset.release.released import read_released
from aqqua_dataset.report.build import write_report
from aqqua_dataset.sources.rows import load_rows
from aqqua_dataset.warehouse import Warehouse

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
REHEARSAL = ReleaseRequest("0.1.0", "public", dt.date(2027, 7, 15), rehearsal=True)
FORM_IDS = frozenset({planted.FORM_ID})
FOLDER = "releases/public/v0.1.0-rehearsal"
ITEMS = (*CELLS, *IMAGES.values(), *REGISTRY)


def made(home: Path, registry_folder: Path) -> Collection:
    """A collection with the planted delivery, under an example registry that holds planted data as well."""
    planted.deliver(home / "delivery")
    shutil.copytree(registry_folder, home / "registry")
    comment, note, contact, _ = REGISTRY
    for path in (home / "registry").rglob("*.yaml"):
        path.write_text(f"{comment.text}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    contacts = home / "registry/private/contacts.yaml"
    contacts.write_text(contacts.read_text().replace("anna@example.org", contact.text))
    known, _ = load_registry(home / "registry")
    assert known is not None
    history = (Event(date=GIVEN, state="pledged"), Event(date=GIVEN, state="agreed", reason=note.text))
    one = contribution("planted", home / "delivery", form_id=planted.FORM_ID, history=history,
                       owners=("anna-lindqvist",), institutions=("kattegat-marine-station",))  # fmt: skip
    base = collection(home, one)
    settings = doi_settings("https://api.test.example.org")
    registry = known.model_copy(update={"contributions": {"planted": one}, "settings": settings, "labels": ()})
    return replace(base, registry=registry)


def walk(of: Collection) -> Release:
    with open_executor("serial") as (workers, count):
        reports = run_contribution(of, "planted", workers, count, lambda _: None)
        assert [r.outcome for r in reports] == ["done"] * 4, [str(f) for r in reports for f in r.findings]
        workflow.update_ledger(of)
        workflow.update_duplicates(of, workers, count)
        return build_release(of, [], REHEARSAL, NOW, workers, count, lambda _: None)


@dataclass(frozen=True)
class Published:
    """The walk with the filter on: what was delivered, the release, and the folder with everything that is public."""

    home: Path
    of: Collection
    release: Path
    public: Path


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, registry_folder: Path) -> Published:
    home = tmp_path_factory.mktemp("planted")
    of = made(home, registry_folder)
    walk(of)
    release, public = home / "warehouse" / FOLDER, home / "public"
    opened = aqqua_dataset.open_release(str(release))
    write_sample(opened, Warehouse(str(public / "sample")), 10**9)
    for name in FORMATS:
        export(opened.select(), name, Warehouse(str(public / name)))
    write_report(of, "planted")
    workflow.judge_release(of, FOLDER, NOW)
    for folder in ("reports", "ledger", "gates", "releases/public"):
        shutil.copytree(home / "warehouse" / folder, public / folder)
    with pytest.MonkeyPatch.context() as patch, datacite_server() as server:
        patch.setenv("DOI_USER", USER)
        patch.setenv("DOI_PASSWORD", PASSWORD)
        using = doi_settings(server.address)
        sealed = doi_job.read_sealed(of.warehouse, FOLDER)
        doi_job.register("draft", using, sealed, False, [], NOW, lambda _: None)
        (public / "dois.json").write_text(json.dumps(server.dois, default=str))
    return Published(home, of, release, public)


@pytest.fixture(scope="module")
def everything(published: Published) -> bytes:
    """All public files, unpacked."""
    return b"\n".join(data for _, data in unpacked(published.public))


@dataclass(frozen=True)
class Unfiltered:
    """The walk with the filter off: what the release was refused for, and the images' ids by delivered file."""

    leaks: tuple[str, ...]
    ids: dict[str, str]
    sealed: bool


@pytest.fixture(scope="module")
def unfiltered(tmp_path_factory: pytest.TempPathFactory, registry_folder: Path) -> Unfiltered:
    home = tmp_path_factory.mktemp("unfiltered")
    of = made(home, registry_folder)
    with pytest.MonkeyPatch.context() as patch:
        planted.switch_the_filter_off(patch)
        with pytest.raises(ReleaseRefused) as refused:
            walk(of)
    rows = manifest(of.warehouse, "planted", "rows")
    assert rows is not None
    read = load_rows(of.warehouse, rows["folder"], 0)
    return Unfiltered(
        tuple(f.value for f in refused.value.findings if f.rule == "personal_data"),
        dict(zip(read["aqqua_image_file"], read["aqqua_image_id"], strict=True)),
        of.warehouse.exists(f"{FOLDER}/RELEASED.json"),
    )


def test_the_search_sees_all_that_was_planted(published: Published, tmp_path: Path) -> None:
    raw = b"\n".join(data for _, data in unpacked(published.home / "delivery"))
    raw += b"\n".join(data for _, data in unpacked(published.home / "registry"))
    raw += (published.of.registry.contributions["planted"].model_dump_json()).casefold().encode()
    missing = [i.name for i in ITEMS if i.word.casefold().encode() not in raw]
    assert missing == []
    assert len({i.word for i in ITEMS}) == len(ITEMS) - 1  # the form's id is planted twice
    assert len(ITEMS) >= 30


@pytest.mark.parametrize("item", ITEMS, ids=lambda i: i.name)
def test_no_public_file_holds_it(item: Item, everything: bytes) -> None:
    assert item.word.casefold().encode() not in everything


def test_what_isn_t_personal_is_still_there(published: Published, everything: bytes) -> None:
    for kept in (b"10:01 start; 10:02 [e-mail", b"c:\\\\users\\\\[user name removed]\\\\desktop", b"copepoda ([e-mail"):
        assert kept in everything
    assert json.loads((published.release / "RELEASED.json").read_text())["images"] == len(IMAGES) + 1
    with open_executor("serial") as (workers, count):
        assert list(release_leaks(published.of.warehouse, FOLDER, FORM_IDS, workers, count)) == []
    assert list(privacy.stored_leaks(published.of.warehouse, "planted")) == []


@pytest.mark.parametrize("item", CELLS, ids=lambda i: i.name)
def test_the_scanner_finds_what_the_filter_lets_into_a_table(item: Item, unfiltered: Unfiltered) -> None:
    of_column = [leak for leak in unfiltered.leaks if leak.startswith(f"planted: {item.column}: ")]
    if privacy.is_personal(item.column):
        assert f"planted: {item.column}: column that names persons" in of_column
    else:
        assert any(item.word.casefold() in leak.casefold() for leak in of_column)
    assert not unfiltered.sealed


@pytest.mark.parametrize("kind", IMAGES)
def test_the_scanner_finds_what_the_filter_leaves_in_an_image(kind: str, unfiltered: Unfiltered) -> None:
    (image_id,) = (i for name, i in unfiltered.ids.items() if name.startswith(f"{kind}."))
    assert [leak for leak in unfiltered.leaks if leak.startswith(f"planted: {image_id}: ")]
    _, data = planted.image_file(kind, 1)
    if not kind.startswith("tiff"):
        assert list(image_leaks(data))


@pytest.mark.parametrize("item", [*CELLS, *REGISTRY], ids=lambda i: i.name)
def test_the_scanner_finds_it_in_a_document(item: Item, tmp_path: Path) -> None:
    """As if a document repeated it; names alone, without an address, can't be told from other words."""
    (tmp_path / "README.md").write_text(f"# Images\n\n{item.text}\n", encoding="utf-8")
    found = file_leaks(SearchTask(Warehouse(str(tmp_path)), "README.md", FORM_IDS))
    names_only = privacy.is_personal(item.column) and "@" not in item.text
    assert any(item.word.casefold() in text.casefold() for text in found) != names_only


def test_utf_16_and_a_cut_between_two_pieces_hide_nothing() -> None:
    text = "x" * 995 + " qx70a.berg@example.org " + "y" * 900
    for data in (text.encode(), text.encode("utf-16"), text.encode("utf-16-be")):
        assert "e-mail: qx70a.berg@example.org" in set(privacy.stream_leaks(io.BytesIO(data), piece=1000))


def test_markup_in_an_acknowledgement_stops_the_release(published: Published, tmp_path: Path) -> None:
    text = 'We thank <a href="mailto:qx71a@example.org">Q</a>, <b>+49 431 600 9071</b>.'
    one = published.of.registry.contributions["planted"]
    thanked = one.model_copy(update={"attribution": Attribution(state="given", text="Owner", acknowledgement=text)})
    changed = replace(
        published.of, registry=published.of.registry.model_copy(update={"contributions": {"planted": thanked}})
    )
    with open_executor("serial") as (workers, count), pytest.raises(ReleaseRefused) as refused:
        build_release(changed, [], replace(REHEARSAL, version="0.2.0"), NOW, workers, count, lambda _: None)
    said = " ".join(f.value for f in refused.value.findings)
    assert "qx71a@example.org" in said
    assert "+49 431 600 9071" in said
    assert not published.of.warehouse.exists("releases/public/v0.2.0-rehearsal/RELEASED.json")


def test_the_gate_looks_into_tables_and_images_and_repeats_nothing(published: Published, tmp_path: Path) -> None:
    shutil.copytree(published.release, tmp_path / "r")
    warehouse = Warehouse(str(tmp_path))

    def judged() -> Verdict:
        rule = next(r for r in RULES if r.code == "G13")
        with open_executor("serial") as (workers, count):
            read = read_released(warehouse, "r", FORM_IDS, workers, count)
        return judge(published.of.registry, read, NOW, (rule,))[0]

    assert judged().green
    (table,) = (tmp_path / "r/metadata").rglob("*.parquet")
    read = warehouse.read_parquet(table.relative_to(tmp_path).as_posix())
    cells = pa.array(["by qx72a@example.org"] * len(read))
    place = read.schema.get_field_index("label_classifier")
    changed = read.set_column(place, "label_classifier", cells)
    warehouse.write_parquet(table.relative_to(tmp_path).as_posix(), changed, changed.schema)
    (shard,) = (tmp_path / "r/images").rglob("*.tar")
    with shard.open("wb") as stream:
        writer = ShardWriter(stream)
        writer.add("a", "png", planted.image_file("png-text", 1)[1])
        writer.finish()
    verdict = judged()
    assert {text.partition(":")[0] for _, text in verdict.objections} == {
        f"r/{table.relative_to(tmp_path / 'r').as_posix()}", f"r/{shard.relative_to(tmp_path / 'r').as_posix()}",
    }  # fmt: skip
    assert "qx" not in " ".join(text for _, text in verdict.objections)


def test_shards_are_searched_in_constant_memory(tmp_path: Path) -> None:
    _, picture = planted.image_file("png-text", 1)
    clean = picture[:33] + planted.png_chunk(b"IDAT", bytes(200_000)) + planted.png_chunk(b"IEND", b"")
    with (tmp_path / "shard.tar").open("wb") as stream:
        writer = ShardWriter(stream)
        for number in range(300):
            writer.add(f"{number:05d}", "png", clean)
        writer.add("last", "png", picture)
        writer.finish()
    tracemalloc.start()
    with (tmp_path / "shard.tar").open("rb") as stream:
        digest, leaks = hashed_and_searched(stream)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert leaks == ("last: image metadata: tEXt",)
    assert digest == Warehouse(str(tmp_path)).sha256("shard.tar")
    assert peak < 4_000_000 < 60_000_000 < (tmp_path / "shard.tar").stat().st_size


def test_two_ids_that_differ_by_an_address_stay_two() -> None:
    import pandas as pd

    rows = pd.DataFrame({"object_id": ["a@example.org_1", "b@example.org_1", "a@example.org_1", "c_1"]}, dtype="str")
    assert privacy.Blotter().frame(rows)["object_id"].tolist() == [
        "[e-mail removed]_1", "[e-mail 2 removed]_1", "[e-mail removed]_1", "c_1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "sample@50m.png", "54.1 @ 10.2", "depth=40.5m", "+54 10 30.55", "1e+05", "-12.5 +13.25", "4.3.55.0",
        "version 10.20.30.40", "2020-01-01T10:00:00+01:00", "2020:01:01 10:00:00", "20.00.10.00",
        "https://www.example.org/home/data/x", "life form 12", "at the surface", "/data/scans/1.tif",
        "0000-0002-1825-0097", "10.1594/PANGAEA.12345", "Aurelia aurita (Linnaeus, 1758)", "+12 -13 +14",
    ],
)  # fmt: skip
def test_measurements_and_names_of_things_are_left_alone(text: str) -> None:
    assert privacy.blot(text) == text
    assert list(privacy.found_in(text, privacy.kinds(FORM_IDS))) == []
