"""The sample: its size, every instrument and contribution, a complete release; and the quick look at it."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from third_party import ROOT

import aqqua_dataset
from aqqua_dataset import cli
from aqqua_dataset.export.folder import ExportRefused
from aqqua_dataset.export.sample import share_out, write_sample
from aqqua_dataset.reader.release import OpenRelease
from aqqua_dataset.warehouse import Warehouse

FULL = 41


@pytest.fixture(scope="module")
def release(released: Path) -> OpenRelease:
    return aqqua_dataset.open_release(str(released))


@pytest.fixture(scope="module")
def most(release: OpenRelease, tmp_path_factory: pytest.TempPathFactory) -> int:
    """Bytes that a part of the images has to do for."""
    return write_sample(release, Warehouse(str(tmp_path_factory.mktemp("all"))), 10**9).size - 38_000


@pytest.fixture(scope="module")
def small(release: OpenRelease, most: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample of that size."""
    folder = tmp_path_factory.mktemp("sample")
    write_sample(release, Warehouse(str(folder)), most)
    return folder


def rows(folder: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(p) for p in sorted((folder / "metadata").rglob("*.parquet"))])


def size(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("budget", "wanted", "shares"),
    [
        (90, {"a": 100, "b": 100, "c": 100}, {"a": 30, "b": 30, "c": 30}),
        (90, {"a": 10, "b": 100, "c": 100}, {"a": 10, "b": 40, "c": 40}),
        (90, {"a": 10, "b": 20, "c": 100}, {"a": 10, "b": 20, "c": 60}),
        (90, {"a": 10, "b": 20, "c": 30}, {"a": 10, "b": 20, "c": 30}),
        (2, {"a": 5, "b": 5, "c": 5}, {"a": 0, "b": 1, "c": 1}),
        (0, {"a": 5}, {"a": 0}),
        (5, {}, {}),
    ],
)
def test_a_budget_is_shared_equally_and_what_one_leaves_goes_to_the_others(
    budget: int, wanted: dict[str, int], shares: dict[str, int]
) -> None:
    assert share_out(budget, wanted) == shares


def test_a_sample_keeps_its_size_and_has_every_instrument_and_contribution(
    small: Path, released: Path, most: int
) -> None:
    assert size(small) <= most
    chosen, everything = rows(small), rows(released)
    assert 3 < len(chosen) < FULL
    groups = ["instrument_id", "contribution_id"]
    assert set(map(tuple, chosen[groups].to_numpy())) == set(map(tuple, everything[groups].to_numpy()))
    for contribution, ids in chosen.groupby("contribution_id")["image_id"]:
        first = sorted(everything[everything["contribution_id"] == contribution]["image_id"])[: len(ids)]
        assert sorted(ids) == first
    # The instrument with few images isn't crowded out by the one with many.
    share = chosen.groupby("instrument_id").size() / everything.groupby("instrument_id").size()
    assert share["flowcam"] > share["zooscan"]


def test_a_sample_is_a_complete_release(
    small: Path, released: Path, release: OpenRelease, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "manifest-sha256.txt"], cwd=small, check=True)
    (check,) = re.findall(r"```sh\n(.*?)```", (small / "README.md").read_text(), re.DOTALL)
    subprocess.run(["bash", "-o", "pipefail", "-ec", check], cwd=small, check=True)
    listed = {line.split("  ")[1] for line in (small / "manifest-sha256.txt").read_text().splitlines()[1:]}
    parts = (small / "manifest/part-00000.tsv").read_text().splitlines()
    listed |= {line.split("\t")[0] for line in parts if not line.startswith("#")}
    present = {p.relative_to(small).as_posix() for p in small.rglob("*") if p.is_file()}
    assert present - listed == {"manifest-sha256.txt", "RELEASED.json"}
    kinds = {re.sub(r"contribution=[^/]*", "contribution=", p.relative_to(released).as_posix())
             for p in released.rglob("*") if p.is_file()}  # fmt: skip
    # What describes the whole's own files stays behind.
    of_the_whole = {
        "croissant.json", "datapackage.json", "index.html", "linkset.json", "ro-crate-metadata.json", "stats.json",
        "contributions/index.html", "sample/images.rehearsal.tar",
    }  # fmt: skip
    assert {re.sub(r"contribution=[^/]*", "contribution=", p) for p in present} == kinds - of_the_whole
    sealed = json.loads((small / "RELEASED.json").read_text())
    assert sealed["sample_of"] == release.facts["manifest_sha256"]
    assert sealed["manifest_sha256"] == hashlib.sha256((small / "manifest-sha256.txt").read_bytes()).hexdigest()

    opened, chosen = aqqua_dataset.open_release(str(small)), rows(small)
    assert len(opened) == len(opened.select()) == sealed["images"] == len(chosen)
    for image in opened.select().stream(verify=True):
        image_id = image.row["image_id"]
        assert opened.read(image_id) == image.data == release.read(image_id)
        kept, before = opened.image(image_id).row, release.image(image_id).row
        assert {k: v for k, v in kept.items() if k != "offset"} == {k: v for k, v in before.items() if k != "offset"}
    verbatim = pd.concat([pd.read_parquet(p) for p in (small / "verbatim").rglob("*.parquet")])
    assert sorted(verbatim["image_id"]) == sorted(chosen["image_id"])
    credited = chosen["credited_contributions"].explode().value_counts().to_dict()
    attribution = pd.read_parquet(small / "attribution.parquet").set_index("contribution_id")
    assert attribution["images_credited"].to_dict() == credited
    duplicates, all_duplicates = (pd.read_parquet(f / "duplicates.parquet") for f in (small, released))
    expected = all_duplicates[all_duplicates["kept_image_id"].isin(chosen["image_id"])]
    assert duplicates["image_id"].tolist() == expected["image_id"].tolist()
    at_home = tmp_path / "warehouse/releases/public"
    at_home.mkdir(parents=True)
    shutil.copytree(small, at_home / "v0.1.0-sample")
    places = ["--registry", str(ROOT / "contributor_registry"), "--warehouse", str(tmp_path / "warehouse")]
    assert cli.main(["warehouse", "check", "--deep", *places]) == 0
    assert "0 errors, 0 orphans" in capsys.readouterr().out
    assert {p.name for p in (small / "contributions").iterdir()} == {f"{c}.html" for c in credited}
    said, all_said = (
        pd.concat([pd.read_parquet(p) for p in sorted((f / "annotations").rglob("*.parquet"))])
        for f in (small, released)
    )
    expected = all_said[all_said["image_id"].isin(chosen["image_id"])]
    assert 0 < len(said) == len(expected)
    assert said["copy_image_id"].tolist() == expected["copy_image_id"].tolist()


def test_a_second_sample_has_the_same_bytes_and_a_large_one_has_everything(
    small: Path, released: Path, release: OpenRelease, most: int, tmp_path: Path
) -> None:
    write_sample(release, Warehouse(str(tmp_path / "again")), most)
    assert {p.relative_to(small): p.read_bytes() for p in small.rglob("*") if p.is_file()} == {
        p.relative_to(tmp_path / "again"): p.read_bytes() for p in (tmp_path / "again").rglob("*") if p.is_file()
    }
    everything = write_sample(release, Warehouse(str(tmp_path / "all")), 10**9)
    assert (everything.images, everything.size) == (FULL, size(tmp_path / "all"))
    for path in (released / "images").rglob("*.tar"):
        assert (tmp_path / "all" / path.relative_to(released)).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("too_few", [0, 90_000, 250_000])
def test_a_size_without_space_for_images_is_refused_and_leaves_nothing(
    release: OpenRelease, tmp_path: Path, too_few: int
) -> None:
    with pytest.raises(ExportRefused, match="leave no space for images"):
        write_sample(release, Warehouse(str(tmp_path)), too_few)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_sample_that_is_estimated_too_large_is_made_smaller(
    release: OpenRelease, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aqqua_dataset.export.sample._FOOTERS", 60_000)  # the tables take more than that
    made = write_sample(release, Warehouse(str(tmp_path)), most)
    assert made.size == size(tmp_path) <= most
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "manifest-sha256.txt"], cwd=tmp_path, check=True)


def test_a_full_folder_is_refused(release: OpenRelease, small: Path, most: int) -> None:
    with pytest.raises(ExportRefused, match="the folder isn't empty"):
        write_sample(release, Warehouse(str(small)), most)


def test_the_command_and_every_line_of_the_quick_look(released: Path, tmp_path: Path) -> None:
    assert (
        cli.main(["sample", "--release", str(released), "--to", str(tmp_path / "sample"), "--gigabytes", "0.01"]) == 0
    )
    page = (ROOT / "docs/quick-look.md").read_text(encoding="utf-8")
    first, *others = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert 5 < len([line for line in first.splitlines() if line.strip()]) <= 10
    script = "\n".join([first, *(o for o in others if "torch" not in o), "print(len(images), score)"])
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    count, score = done.stdout.splitlines()[-1].split()
    labelled = rows(released).query("label_status != 'dubious'")
    assert int(count) == labelled["taxon_name"].notna().sum()
    assert 0 <= float(score) <= 1
    assert (tmp_path / "quick-look.png").stat().st_size > 1_000
