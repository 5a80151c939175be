"""The release's cards as other people's tools see them: Croissant, RO-Crate, data package, signposts, checksums.

Every tool reads a real public release of two contributions. Those that can't share the project's environment run in
one that the test makes (``tests/environments.py``): mlcroissant, extruct, signposting, roc-validator, commonmeta-py.
"""

import hashlib
import html
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from described import DOI, ORCID
from PIL import Image
from small import INTERNAL, build
from stores import rclone
from third_party import BEHIND, ROOT, run_with

from aqqua_dataset import maintenance
from aqqua_dataset.checksums import listed_files, write_parts
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.release.croissant import croissant_problems
from aqqua_dataset.release.downloading import download_commands
from aqqua_dataset.release.said import said_by_documents
from aqqua_dataset.warehouse import Warehouse


@pytest.fixture
def copy(public: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(public, tmp_path / "copy"))


@pytest.fixture
def served(public: Path) -> Iterator[str]:
    """Address of the release on this machine, with a slash at its end."""
    with rclone("http", public) as port:
        yield f"http://127.0.0.1:{port}/"


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def images(folder: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(p) for p in sorted((folder / "metadata").rglob("*.parquet"))])


# --- Croissant

MLCROISSANT = """
import json, logging
import mlcroissant
from pathlib import Path
folder = Path(sys.argv[1])
logging.disable(logging.CRITICAL)
dataset = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
issues = dataset.metadata.ctx.issues
found = {"errors": sorted(issues.errors), "warnings": sorted(issues.warnings), "records": {}}
def plain(value):
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
for name in ("images", "attribution", "sample"):
    rows = []
    for record in dataset.records(name):
        image = record.pop("sample/image", None)
        rows.append({k.split("/")[1]: plain(v) for k, v in record.items()} | ({"size": image.size} if image else {}))
    found["records"][name] = rows
print(json.dumps(found))
"""


def test_croissant_loads_and_its_records_are_the_release(public: Path) -> None:
    found = json.loads(run_with("card-readers", BEHIND + MLCROISSANT, public))
    assert (found["errors"], found["warnings"]) == ([], [])
    rows = images(public).set_index("image_id").sort_index()
    loaded = pd.DataFrame(found["records"]["images"]).set_index("image_id").sort_index()
    assert list(loaded.index) == list(rows.index)
    assert set(loaded.columns) | {"image_id"} == set(rows.columns) | {"image_id"}
    for column in ("pixel_size_um", "latitude", "offset", "instrument_id", "shard", "image_sha256", "qc_level"):
        assert loaded[column].tolist() == rows[column].tolist(), column
    assert loaded["qc_flags"].tolist() == [list(flags) for flags in rows["qc_flags"]]
    credited = pd.read_csv(public / "attribution.csv")
    assert [r["attributed_to"] for r in found["records"]["attribution"]] == credited["attributed_to"].tolist()
    sample = {r["image_id"]: tuple(r["size"]) for r in found["records"]["sample"]}
    assert len(sample) == 13  # ten of one contribution, three of the other
    assert sample == {i: (rows.loc[i, "width_px"], rows.loc[i, "height_px"]) for i in sample}


def test_croissant_with_a_wrong_checksum_does_not_load(copy: Path) -> None:
    card = read(copy, "croissant.json")
    stated = {f["contentUrl"]: f["sha256"] for f in card["distribution"] if "sha256" in f}
    assert stated == {p: hashlib.sha256((copy / p).read_bytes()).hexdigest() for p in stated}
    next(f for f in card["distribution"] if f["@id"] == "attribution.csv")["sha256"] = "0" * 64
    (copy / "croissant.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(AssertionError, match="is not identical with the reference"):
        run_with("card-readers", BEHIND + MLCROISSANT, copy)


def test_croissant_names_the_dataset_and_no_address(public: Path) -> None:
    card, record = read(public, "croissant.json"), read(public, "datacite.json")
    assert card["name"] == record["titles"][0]["title"]
    assert card["@id"] == f"https://doi.org/{DOI}"
    assert card["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    assert isinstance(card["@context"], dict)
    assert [c["name"] for c in card["creator"]] == ["Core Member", "Core Second", "Test Data Provider Consortium"]
    assert card["creator"][0]["@id"] == ORCID
    assert card["citeAs"].startswith("@misc{")
    assert "Non-commercial" in card["usageInfo"]["name"]
    assert {"rai:dataCollection", "rai:dataBiases", "rai:dataLimitations", "rai:personalSensitiveInformation"} <= set(
        card
    )
    assert croissant_problems(card) == []


def _drop(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda card: card.pop(key)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        *((_drop(k), f"{k}: required") for k in ("name", "description", "license", "url", "creator", "datePublished")),
        (lambda c: c.update(url="not an address"), "url: 'not an address' is no address"),
        (lambda c: c.update(license="CC-BY-NC-4.0"), "license: 'CC-BY-NC-4.0' is no address"),
        (lambda c: c.update(version="1.0"), "version: '1.0' is not MAJOR.MINOR.PATCH"),
        (lambda c: c["distribution"][2].update(sha256="abc"), "attribution.csv: 'abc' is no SHA-256"),
        (lambda c: c["distribution"][0].update({"@id": "images"}), "images: stands for several things"),
        (lambda c: c["creator"][0].update(email="a@example.org"), "/creator/0/email: no e-mail address may stand here"),
    ],
)  # fmt: skip
def test_what_mlcroissant_lets_pass_is_found(public: Path, change: Callable[[Any], None], problem: str) -> None:
    card = read(public, "croissant.json")
    change(card)
    assert croissant_problems(card) == [problem]


# --- other records

COMMONMETA = """
import json
from commonmeta import Metadata
found = {}
for name, kind in (("datacite.json", "datacite"), ("CITATION.cff", "cff")):
    read = Metadata(open(f"{sys.argv[1]}/{name}", encoding="utf-8").read(), via=kind)
    names = [c.get("name") or f"{c.get('givenName')} {c.get('familyName')}" if isinstance(c, dict) else str(c)
             for c in read.contributors]
    found[name] = {"title": read.title, "version": read.version, "names": len(names)}
print(json.dumps(found))
"""


def test_commonmeta_reads_the_same_title_and_number_of_names(public: Path) -> None:
    found = json.loads(run_with("commonmeta", BEHIND + COMMONMETA, public))
    record, card = read(public, "datacite.json"), yaml.safe_load((public / "CITATION.cff").read_text(encoding="utf-8"))
    assert found["datacite.json"] == {
        "title": record["titles"][0]["title"], "version": "1.0.0",
        "names": len(record["creators"]) + len(record["contributors"]),
    }  # fmt: skip
    assert found["CITATION.cff"] == {"title": card["title"], "version": "1.0.0", "names": len(card["authors"])}


def test_the_data_package_describes_its_tables(public: Path) -> None:
    package = read(public, "datapackage.json")
    assert {r["path"] for r in package["resources"]} == {
        "attribution.csv", "ledger.csv", "authors/authors.csv", "authors/funding.csv",
    }  # fmt: skip
    for resource in package["resources"]:
        data = (public / resource["path"]).read_bytes()
        assert (resource["bytes"], resource["hash"]) == (len(data), f"sha256:{hashlib.sha256(data).hexdigest()}")
        table = pd.read_csv(public / resource["path"], dtype=str, keep_default_na=False)
        fields = resource["schema"]["fields"]
        assert [f["name"] for f in fields] == list(table.columns)
        for field in fields:
            cells = table[field["name"]]
            if field.get("constraints", {}).get("required"):
                assert (cells != "").all(), field["name"]
            pattern = {"integer": r"-?\d*", "date": r"(\d{4}-\d\d-\d\d)?", "boolean": "(True|False)?"}.get(
                field["type"]
            )
            assert pattern is None or cells.str.fullmatch(pattern).all(), field["name"]


def test_the_hugging_face_card_loads_the_tables(public: Path, tmp_path: Path) -> None:
    script = f"""
import datasets
for config, count in (("images", 17), ("attribution", 2)):
    table = datasets.load_dataset({str(public)!r}, config, split="train")
    assert len(table) == count, (config, len(table))
from huggingface_hub import DatasetCard
card = DatasetCard.load({str(public / "README.md")!r})
assert card.data.license == "cc-by-nc-4.0" and card.data.size_categories == ["n<1K"], card.data
"""
    environment = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr


def test_stats_are_those_of_the_tables(public: Path) -> None:
    stats, rows = read(public, "stats.json"), images(public)
    assert (stats["format"], stats["as_of"], stats["images"]) == (1, "2027-07-15", len(rows))
    assert stats["image_bytes"] == sum(p.stat().st_size for p in (public / "images").rglob("*.tar"))
    by_instrument = rows.groupby("instrument_id")["contribution_id"].agg(["size", "nunique"])
    assert stats["instruments"] == [[i, int(n), int(c)] for i, n, c in by_instrument.itertuples()]
    years = rows["datetime_utc"].dt.year.value_counts().sort_index()
    assert stats["years"] == [[int(y), int(n)] for y, n in years.items()]
    flags = rows[["contribution_id", "qc_flags"]].explode("qc_flags").groupby("qc_flags")["contribution_id"]
    assert stats["flags"] == [[f, int(g.size), int(g.nunique())] for f, g in flags]
    cells = rows.assign(west=rows["longitude"] // 1, south=rows["latitude"] // 1).groupby(["west", "south"]).size()
    assert stats["cells"] == [[int(w), int(s), int(n)] for (w, s), n in cells.items()]
    ledger = pd.read_csv(public / "ledger.csv")
    assert stats["ledger"] == {k: int(ledger[k].sum()) for k in stats["ledger"]}
    assert stats["contributions"] == {"published": 2, "credited": 2}
    assert re.search(r"\bOwner\b|\bMember\b", json.dumps(stats)) is None


# --- the page

SIGNPOSTS = """
import json
import extruct, signposting, urllib.request
address = sys.argv[1]
page = urllib.request.urlopen(address).read().decode()
found = signposting.find_signposting_html(address)
linked = json.load(urllib.request.urlopen(str(found.linksets.copy().pop().target)))
data = extruct.extract(page, base_url=address, syntaxes=["json-ld", "dublincore"])
print(json.dumps({
    "citeAs": str(found.citeAs.target) if found.citeAs else None, "license": str(found.license.target),
    "types": sorted(str(t.target) for t in found.types), "authors": [str(a.target) for a in found.authors],
    "describedBy": sorted(str(d.target) for d in found.describedBy),
    "items": sorted(str(i.target) for i in found.items),
    "jsonld": data["json-ld"], "dublincore": data["dublincore"], "linkset": linked,
}))
"""


def test_machines_find_their_way_from_the_page(served: str, public: Path) -> None:
    found = json.loads(run_with("card-readers", BEHIND + SIGNPOSTS, f"{served}index.html"))
    assert found["citeAs"] == f"https://doi.org/{DOI}"
    assert found["license"] == "https://creativecommons.org/licenses/by-nc/4.0/legalcode"
    assert found["types"] == ["https://schema.org/AboutPage", "https://schema.org/Dataset"]
    assert found["authors"] == [ORCID]
    there = [a.removeprefix(served) for a in (*found["describedBy"], *found["items"])]
    assert {"datacite.json", "croissant.json", "ro-crate-metadata.json", "attribution.csv"} <= set(there)
    assert all((public / path).is_file() for path in there)
    [record] = found["jsonld"]
    assert (record["@id"], record["@type"], record["version"]) == (f"https://doi.org/{DOI}", "Dataset", "1.0.0")
    assert record["name"] == read(public, "croissant.json")["name"]
    assert f"https://doi.org/{DOI}" in json.dumps(found["dublincore"])
    [links] = found["linkset"]["linkset"]
    assert links["cite-as"] == [{"href": f"https://doi.org/{DOI}"}]
    base = "https://example.org/test/v1.0.0/"
    assert {t["href"].removeprefix(base) for r in ("describedby", "item") for t in links[r]} == set(there)


def test_what_the_link_checker_of_datacite_looks_for(public: Path) -> None:
    """bodyHasPid, dcIdentifier, citationDoi, schemaOrgId: attributes of the REST API's landingPage."""
    page = (public / "index.html").read_text(encoding="utf-8")
    head, body = page.split("<body>")
    assert f"https://doi.org/{DOI}" in body
    assert f'<meta name="DC.identifier" content="https://doi.org/{DOI}">' in head
    assert f'<meta name="citation_doi" content="{DOI}">' in head
    [linked] = re.findall(r'<script type="application/ld\+json">(.*?)</script>', head)
    assert json.loads(linked)["@id"] == f"https://doi.org/{DOI}"


def test_the_internal_page_has_no_doi_and_is_marked(described: Collection) -> None:
    folder = Path(described.warehouse.url(build(described, INTERNAL).folder))
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert DOI not in page
    assert "internal view" in page
    assert not [p for p in folder.rglob("*.json") if DOI in p.read_text(encoding="utf-8") and p.name != "RELEASED.json"]


# --- checksums, download


def test_what_the_page_says_of_downloading_and_checking_works(served: str, public: Path, tmp_path: Path) -> None:
    def run(commands: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(["bash", "-e", "-o", "pipefail", "-c", commands], cwd=tmp_path, capture_output=True,
                              text=True, check=False)  # fmt: skip

    page = (public / "index.html").read_text(encoding="utf-8")
    blocks = [html.unescape(b) for b in re.findall(r"<pre><code>(.*?)</code></pre>", page, re.DOTALL)]
    reading, fetching, checking = (b.replace("https://example.org/test/v1.0.0/", served) for b in blocks)
    assert served in reading
    assert fetching == download_commands(served)
    done = run(fetching)
    assert done.returncode == 0, done.stderr
    assert {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == {
        p.relative_to(public): p.read_bytes() for p in public.rglob("*") if p.is_file()
    }
    done = run(checking)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    readme = (public / "README.md").read_text(encoding="utf-8")
    [of_readme] = re.findall(r"```sh\n(.*?)```", readme, re.DOTALL)
    assert run(of_readme).returncode == 0
    [of_docs] = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/cards.md").read_text(encoding="utf-8"), re.DOTALL)
    assert of_docs.strip() == checking
    counting = f"{reading.replace('ifcb', 'zooscan')}\n    print(pixels.shape, label)"
    done = run(f"{sys.executable} -W error -c '{counting.replace(chr(39), chr(39) + chr(92) + chr(39) * 2)}'")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 17), done.stderr
    for path in ("README.md", "metadata/contribution=one/part-00000.parquet"):
        (tmp_path / path).write_bytes((tmp_path / path).read_bytes() + b"x")
        assert run(checking).returncode != 0, path
        shutil.copyfile(public / path, tmp_path / path)


def test_the_root_hash_stands_for_every_file(described: Collection, public: Path) -> None:
    folder = str(public.relative_to(described.warehouse.root))
    sealed = read(public, "RELEASED.json")
    assert hashlib.sha256((public / "manifest-sha256.txt").read_bytes()).hexdigest() == sealed["manifest_sha256"]
    parts = public / "manifest/parts-sha256.txt"
    assert hashlib.sha256(parts.read_bytes()).hexdigest() == sealed["data_sha256"]
    listed = listed_files(described.warehouse, f"{folder}/")
    there = {p.relative_to(public).as_posix() for p in public.rglob("*") if p.is_file()}
    assert there - set(listed) == {"RELEASED.json", "manifest-sha256.txt"}
    assert all(hashlib.sha256((public / p).read_bytes()).hexdigest() == digest for p, digest in listed.items())
    small = (public / "manifest-sha256.txt").read_text().splitlines()
    assert not [line for line in small if "images/contribution" in line or "metadata/" in line]
    assert sealed["data_sha256"] in (public / "index.html").read_text(encoding="utf-8")
    assert maintenance.check_release(described.warehouse, folder, deep=True) == []


@pytest.mark.parametrize("path", ["manifest/part-00000.tsv", "images/contribution=one/shard-00000.tar", "index.html"])
def test_a_changed_file_is_found(copy: Path, path: str) -> None:
    (copy / path).write_bytes((copy / path).read_bytes() + b"x")
    found = maintenance.check_release(Warehouse(str(copy.parent)), copy.name, deep=True)
    assert found
    assert any(path.rsplit("/", 1)[-1] in f"{f.file} {f.message}" for f in found)


def test_parts_are_cut_sorted_and_complete(tmp_path: Path) -> None:
    warehouse = Warehouse(str(tmp_path))
    digests = {}
    for n in range(7):
        path = f"images/contribution=c{n % 3}/shard-{n:05d}.tar"
        warehouse.write_bytes(f"release/{path}", b"x" * n)
        digests[path] = hashlib.sha256(b"x" * n).hexdigest()
    written = write_parts(warehouse, "release", digests, "test", per_part=3)
    parts = sorted((tmp_path / "release/manifest").glob("part-*.tsv"))
    assert [p.name for p in parts] == [f"part-{n:05d}.tsv" for n in range(3)]
    assert set(written) == {*(f"manifest/{p.name}" for p in parts), "manifest/parts-sha256.txt"}
    rows = [line.split("\t") for p in parts for line in p.read_text().splitlines() if not line.startswith("#")]
    assert [r[0] for r in rows] == sorted(digests)
    assert all(int(size) == int(path[-9:-4]) and digests[path] == digest for path, size, digest in rows)


def test_the_sample_archive_holds_the_images_as_published(public: Path, tmp_path: Path) -> None:
    subprocess.run(["tar", "-xf", public / "sample/images.tar", "-C", tmp_path], check=True)
    rows = images(public).set_index("image_id")
    found = {p.stem: hashlib.sha256(p.read_bytes()).hexdigest() for p in tmp_path.iterdir()}
    assert found == rows.loc[list(found), "image_sha256"].to_dict()
    with Image.open(next(tmp_path.iterdir())) as picture:
        picture.verify()
    assert rows.loc[list(found), "contribution_id"].value_counts().to_dict() == {"one": 10, "two": 3}


# --- all together


def test_every_document_says_the_same_and_is_really_read(public: Path) -> None:
    """What the gate compares (G16): a document with another version, title, date or number is noticed."""

    def read_one(path: str) -> str:
        return (public / path).read_text(encoding="utf-8")

    said = said_by_documents(read_one)
    expected = {
        "title": "Test collection", "version": "1.0.0", "doi": DOI, "date": "2027-07-15", "images": 17,
        "licence": "cc-by-nc-4.0", "licence_url": "https://creativecommons.org/licenses/by-nc/4.0/legalcode",
        "names": ["Member, Core", "Second, Core", "Test Data Provider Consortium"],
    }  # fmt: skip
    for file, told in said.items():
        assert told.items() <= expected.items(), file
    assert len(said) == 10
    for file in said:
        path = file.split(" ")[0]
        others = {
            "1.0.0": "1.0.1",
            "Test collection": "Another title",
            "2027-07-15": "2027-07-16",
            DOI: "10.1234/other",
        }

        def changed(name: str, path: str = path, others: dict[str, str] = others) -> str:
            text = read_one(name)
            for old, new in others.items() if name == path else ():
                text = text.replace(old, new)
            return text

        assert not said_by_documents(changed)[file].items() <= expected.items(), file
