"""What is kept of deliveries: versions that never change, checksum lists, renamed files, names, log and registry."""

import hashlib
import io
import json
import os
import re
import shutil
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
import stores
import yaml
from builders import collection, contribution
from hypothesis import given
from hypothesis import strategies as st
from test_fetch import fetch, files, made, present, rules
from wires import Page, served, site

from aqqua_dataset.cli import main
from aqqua_dataset.compute import open_executor
from aqqua_dataset.demo.draw import write_files
from aqqua_dataset.demo.ecotaxa import ecotaxa_tsv, net_row
from aqqua_dataset.pipeline import Collection, manifest, read_rows
from aqqua_dataset.registry.check import check_registry
from aqqua_dataset.registry.load import load_registry
from aqqua_dataset.registry.models import FetchFrom, Permission, Source
from aqqua_dataset.transfer import receive
from aqqua_dataset.transfer.fetch import fetch_contribution
from aqqua_dataset.transfer.lists import find_listed, is_list, read_list
from aqqua_dataset.transfer.names import Names
from aqqua_dataset.warehouse import Warehouse

MD5 = hashlib.md5(b"abc").hexdigest()
SHA256 = hashlib.sha256(b"abc").hexdigest()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "PAUSE_S", 0.01)
    monkeypatch.setattr(receive, "ATTEMPTS", 2)
    for name, value in {**stores.KEYS, "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    write_files(folder, {"a/one.txt": b"one", "a/two.txt": b"two", "three.txt": b"three"})
    return folder


@pytest.fixture
def of(tmp_path: Path, source: Path) -> Collection:
    return made(tmp_path / "home", str(source))


def versions(of: Collection) -> list[str]:
    folder = Path(of.config.deliveries, "fetched/one")
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name not in ("quarantine", ".part"))


def logged(of: Collection, version: str) -> dict[str, dict[str, Any]]:
    lines = Path(of.config.deliveries, f"fetched/one/{version}.jsonl").read_text().splitlines()
    return {record["path"]: record for record in map(json.loads, lines)}


def test_a_second_delivery_lies_beside_the_first_which_stays(of: Collection, source: Path) -> None:
    first = fetch(of)
    assert (first.outcome, first.numbers["fetched_now"]) == ("fetched", 3)
    before, kept = present(of), Path(of.config.delivery_location("one"))
    (source / "a/two.txt").write_bytes(b"two, mended")
    (source / "four.txt").write_bytes(b"four")
    (source / "three.txt").unlink()
    second = fetch(of)
    assert second.outcome == "fetched"
    assert (second.numbers["fetched_now"], second.numbers["same_files"]) == (2, 1)
    assert second.version == f"{first.version}-2"
    assert versions(of) == [first.version, second.version]
    assert files(kept) == before
    assert present(of) == files(source)
    assert "it stays in version" in rules(second)["file_gone"]
    now = Path(of.config.delivery_location("one"))
    assert (now / "a/one.txt").samefile(kept / "a/one.txt")  # no second copy of what is the same
    assert not (now / "a/two.txt").samefile(kept / "a/two.txt")
    assert logged(of, second.version)["a/one.txt"]["fetched"] == logged(of, first.version)["a/one.txt"]["fetched"]


def test_the_log_says_file_size_hash_when_and_from_where(of: Collection, source: Path) -> None:
    report = fetch(of)
    record = logged(of, report.version)["a/one.txt"]
    assert record["size"] == 3
    assert record["hashes"] == {"sha256": hashlib.sha256(b"one").hexdigest()}
    assert record["origin"] == f"{source}/a/one.txt"
    assert record["fetched"].endswith("Z")
    assert record["how"] == "fetched"


def test_a_touched_file_with_the_same_content_makes_no_version(of: Collection, source: Path) -> None:
    first = fetch(of)
    os.utime(source / "three.txt", (1, 1))
    assert fetch(of).outcome == "unchanged"
    assert fetch(of).numbers["fetched_now"] == 0  # and isn't fetched for ever
    assert versions(of) == [first.version]


def test_a_renamed_file_is_noted_and_not_stored_twice(of: Collection, source: Path) -> None:
    fetch(of)
    kept = Path(of.config.delivery_location("one"))
    (source / "three.txt").rename(source / "drei.txt")
    report = fetch(of)
    assert rules(report) == {"file_renamed": "the same content was three.txt before"}
    now = Path(of.config.delivery_location("one"))
    assert files(now) == files(source)
    assert (now / "drei.txt").samefile(kept / "three.txt")


def test_a_renamed_file_whose_hash_is_stated_is_not_fetched_again(tmp_path: Path, source: Path) -> None:
    (source / "three.txt").write_bytes(bytes(100_000))
    sums = source / "md5sum.txt"
    digest = hashlib.md5(bytes(100_000)).hexdigest()
    sums.write_text(f"{digest}  three.txt\n")
    of = made(tmp_path / "home", str(source))
    assert fetch(of).outcome == "fetched"
    (source / "three.txt").rename(source / "drei.txt")
    sums.write_text(f"{digest}  drei.txt\n")
    report = fetch(of)
    assert report.numbers["bytes_now"] == len(sums.read_bytes())
    assert rules(report) == {"file_renamed": "the same content was three.txt before"}
    assert present(of) == files(source)


def test_a_renamed_object_of_s3_is_not_fetched_again(tmp_path: Path) -> None:
    write_files(tmp_path / "s3/share", {"a.bin": bytes(200_000), "b.bin": b"b"})
    with served("s3", tmp_path / "s3", tmp_path) as place:
        of = made(tmp_path / "home", place.url, options=place.options)
        assert fetch(of).outcome == "fetched"
        (tmp_path / "s3/share/a.bin").rename(tmp_path / "s3/share/c.bin")
        before = place.wire.sent
        report = fetch(of)
        assert report.outcome == "fetched"
        assert report.numbers["fetched_now"] == 0
        assert place.wire.sent - before < 20_000  # listings only
    assert present(of) == {"b.bin": b"b", "c.bin": bytes(200_000)}


def test_a_wrong_checksum_goes_to_quarantine_and_the_rest_goes_on(of: Collection, source: Path) -> None:
    good, wrong = hashlib.sha256(b"one").hexdigest(), hashlib.sha256(b"TWO").hexdigest()
    text = f"{good}  a/one.txt\n{wrong} *a\\two.txt\n{good}  gone.txt\n{'0' * 64}  manifest-sha256.txt\n"
    (source / "manifest-sha256.txt").write_text(text)
    report = fetch(of)
    assert report.outcome == "fetched"
    assert set(rules(report)) == {"checksum_wrong", "listed_file_missing"}
    found = next(f for f in report.findings if f.rule == "checksum_wrong")
    assert (found.severity, found.file) == ("error", "a/two.txt")
    assert wrong in found.message
    assert hashlib.sha256(b"two").hexdigest() in found.message
    assert present(of) == {p: d for p, d in files(source).items() if p != "a/two.txt"}
    assert files(Path(of.config.deliveries, "fetched/one/quarantine")) == {"a/two.txt": b"two"}

    again = fetch(of)
    assert (again.outcome, again.numbers["fetched_now"]) == ("unchanged", 0)
    assert "checksum_wrong" in rules(again)  # it is said until it is settled

    (source / "manifest-sha256.txt").write_text(f"{good}  a/one.txt\n{hashlib.sha256(b'two').hexdigest()}  a/two.txt\n")
    settled = fetch(of)
    assert settled.findings == ()
    assert present(of) == files(source)


@pytest.mark.parametrize(
    ("name", "text", "stated"),
    [
        ("md5sum.txt", f"{MD5}  a b.png\n{MD5} *c.png\n", [("a b.png", "md5"), ("c.png", "md5")]),
        ("x.sha256", f"\ufeff{SHA256}  ./x.zip\r\n", [("./x.zip", "sha256")]),
        ("SHA256SUMS", f"SHA256 (dir/x (1).zip) = {SHA256.upper()}\n", [("dir/x (1).zip", "sha256")]),
        ("x.zip.md5", f"{MD5}\n", [("x.zip", "md5")]),
        ("manifest-md5.txt", f"{MD5}\tdata/a.png\n", [("data/a.png", "md5")]),
        ("checksums.md5", f"\\{MD5}  a\\nb.png\n", [("a\nb.png", "md5")]),
        ("md5sums", "# a comment\n\nnothing  here\n", []),
        ("globus-transfer.json", json.dumps({"DATA": [{"destination_path": "/~/d/a.png", "checksum": MD5}, {}]}),
         [("/~/d/a.png", "md5")]),
        ("globus.json", "no json", []),
    ],
)  # fmt: skip
def test_lists_of_checksums(name: str, text: str, stated: list[tuple[str, str]]) -> None:
    assert is_list(f"somewhere/{name}")
    found = list(read_list(name, io.BytesIO(text.encode())))
    assert [(path, algorithm) for path, algorithm, _ in found] == stated
    assert {digest for _, _, digest in found} <= {MD5, SHA256}


def test_no_image_and_no_table_is_taken_for_a_list() -> None:
    assert not [n for n in ("md5.png", "sum.txt", "manifest.txt", "ecotaxa_x.tsv", "checksum.csv") if is_list(n)]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("x.png", "bag/x.png"), ("../top.png", "top.png"), ("data/y.png", "bag/data/y.png"), ("top.png", "top.png"),
        ("data\\y.png", "bag/data/y.png"), ("/home/anna/cruise/bag/x.png", "bag/x.png"),
        ("C:\\bag\\x.png", "bag/x.png"),
        ("z.png", None), ("/z.png", None), ("../../etc/passwd", None),
    ],
)  # fmt: skip
def test_what_a_list_means(name: str, meant: str | None) -> None:
    there = dict.fromkeys(("bag/x.png", "top.png", "bag/data/y.png"), 0)
    assert find_listed(name, "bag/md5sum.txt", there) == meant


def test_names_that_are_not_safe_are_kept_under_safe_ones(of: Collection, source: Path) -> None:
    odd = {"back\\slash": b"1", "line\nbreak": b"2", "zip!/inner.txt": b"3", ".unfinished-x": b"4", "ä" * 120: b"5"}
    write_files(source, odd)
    report = fetch(of)
    assert report.outcome == "fetched"
    assert present(of) == {
        "back%5Cslash": b"1", "line%0Abreak": b"2", "zip%21/inner.txt": b"3", "%2Eunfinished-x": b"4", "ä" * 120: b"5",
        "a/one.txt": b"one", "a/two.txt": b"two", "three.txt": b"three",
    }  # fmt: skip
    assert {f.value for f in report.findings if f.rule == "name_not_safe"} == set(odd) - {"ä" * 120}
    assert fetch(of).outcome == "unchanged"


@given(st.lists(st.text(st.sampled_from("ab./\\\n!%é\udc80"), max_size=9), unique=True, max_size=12))
def test_every_name_gets_a_place_inside_and_of_its_own(names: list[str]) -> None:
    paths = [Names().path_for(n) for n in names]
    assert paths == [Names().path_for(n) for n in names]
    taken = Names()
    paths = [taken.path_for(n) for n in names]
    assert len(set(paths)) == len(names)
    for path in paths:
        path.encode()
        assert not path.startswith("/")
        assert not {"", ".", ".."} & set(path.split("/"))
        assert "!/" not in path
        assert not any(other.startswith(f"{path}/") for other in paths)


@given(st.text(max_size=400))
def test_no_name_is_too_long_for_a_disk(name: str) -> None:
    assert all(len(part.encode()) <= 255 for part in Names().path_for(name).split("/"))


def test_an_object_store_takes_versions_too(tmp_path: Path, source: Path) -> None:
    (tmp_path / "s3/raw").mkdir(parents=True)
    with stores.s3(tmp_path / "s3") as address:
        options = {"endpoint_url": address, "config_kwargs": stores.LENIENT}
        of = made(tmp_path / "home", str(source))
        storage = type(of.config.storage)(deliveries=options)
        config = type(of.config)(of.config.registry, "s3://raw/deliveries", of.config.warehouse, "serial", storage)
        of = Collection(of.registry, config, of.warehouse)
        first = fetch(of)
        assert first.outcome == "fetched", first.findings
        (source / "three.txt").rename(source / "drei.txt")
        second = fetch(of)
        assert rules(second) == {"file_renamed": "the same content was three.txt before"}
        assert fetch(of).outcome == "unchanged"
        with of.delivery("one") as delivery:
            assert {f.path: delivery.read(f.path) for f in delivery.files()} == files(source)
    assert files(tmp_path / f"s3/raw/deliveries/fetched/one/{first.version}")["three.txt"] == b"three"


def test_a_run_beside_another_leaves_it_alone(tmp_path: Path) -> None:
    asked, goes_on = threading.Event(), threading.Event()

    class Slow(dict[str, Page]):
        def get(self, key: str, default: Any = None) -> Any:
            asked.set()
            goes_on.wait(20)
            return super().get(key, default)

    with site(Slow({"/a.bin": Page(b"a")})) as (address, _):
        of = made(tmp_path, f"{address}/a.bin")
        first = threading.Thread(target=fetch, args=(of,))
        first.start()
        assert asked.wait(20)
        assert set(rules(fetch(of))) == {"fetch_busy"}
        goes_on.set()
        first.join()
    assert present(of) == {"a.bin": b"a"}


def test_an_empty_source_and_one_that_is_gone_change_nothing(of: Collection, source: Path, tmp_path: Path) -> None:
    fetch(of)
    before = present(of)
    for path in sorted(source.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert set(rules(fetch(of))) == {"delivery_empty"}
    source.rmdir()
    assert set(rules(fetch(of))) == {"link_expired"}
    assert present(of) == before
    assert set(rules(fetch(made(tmp_path / "new", str(source))))) == {"source_missing"}


def test_nothing_is_fetched_without_permission(tmp_path: Path, source: Path) -> None:
    fetch_from = FetchFrom(urls=(str(source),))
    given = (Permission(id="model-release", date=contribution("x", None).history[0].date),)
    unsigned = contribution("one", None, source=Source(location="one", fetch_from=fetch_from), permissions=given)
    report = fetch(collection(tmp_path / "home", unsigned))
    assert report.outcome == "refused"
    assert set(rules(report)) == {"permission_missing"}
    assert not (tmp_path / "home/fetched").exists()


def test_readers_read_the_present_version_and_old_rows_stay_when_nothing_changed(tmp_path: Path) -> None:
    source = tmp_path / "source"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made_zip:
        made_zip.writestr("ecotaxa_n1.tsv", ecotaxa_tsv([net_row("n1", i, f"n1_{i}.png") for i in range(5)]))
    write_files(source, {"export.zip": packed.getvalue()})
    of = made(tmp_path / "home", str(source))
    assert "delivery_missing" in {f.rule for f in read_rows(of, "one").findings}
    fetch(of)
    assert read_rows(of, "one").numbers == {"rows": 5}
    key = (manifest(of.warehouse, "one", "rows") or {})["key"]
    write_files(source, {"late.txt": b"one more file"})
    assert fetch(of).outcome == "fetched"
    assert read_rows(of, "one").outcome == "done"
    assert (manifest(of.warehouse, "one", "rows") or {})["key"] != key
    fetch_contribution(of, "one", lambda _: None)
    assert read_rows(of, "one").outcome == "unchanged"


def test_where_it_is_fetched_from_does_not_read_it_again(tmp_path: Path, source: Path) -> None:
    write_files(tmp_path / "one", {"ecotaxa_n1.tsv": ecotaxa_tsv([net_row("n1", 0, "n1_0.png")])})
    plain = collection(tmp_path, contribution("one", "one"))
    assert read_rows(plain, "one").outcome == "done"
    changed = contribution("one", None, source=Source(
        format="ecotaxa", location="one", fetch_from=FetchFrom(urls=("https://example.org/x.zip",))))  # fmt: skip
    assert read_rows(collection(tmp_path, changed), "one").outcome == "unchanged"


@pytest.mark.parametrize(
    ("block", "rule", "key"),
    [
        ("{urls: [gopher://example.org/x]}", "fetch_link_invalid", "source.fetch_from.urls.0"),
        ("{urls: ['https://anna:pw@example.org/x']}", "fetch_secret_written", "source.fetch_from.urls.0"),
        ("{urls: ['https://example.org/x?token=abc']}", "fetch_secret_written", "source.fetch_from.urls.0"),
        ("{urls: ['https://example.org/x'], options: {password: pw}}", "fetch_secret_written",
         "source.fetch_from.options.password"),
        ("{urls: ['sftp://-oProxyCommand=x/y']}", "fetch_link_invalid", "source.fetch_from.urls.0"),
        ("{}", "record_invalid", "source.fetch_from"),
        ("{urls: [a], urls_env: B}", "record_invalid", "source.fetch_from"),
        ("{urls: [a], quota_gb: 0}", "record_invalid", "source.fetch_from.quota_gb"),
    ],
)  # fmt: skip
def test_mistakes_in_the_registry_are_named_with_file_and_line(
    registry_folder: Path, tmp_path: Path, block: str, rule: str, key: str
) -> None:
    shutil.copytree(registry_folder, tmp_path / "registry")
    file = tmp_path / "registry/contributions/kattegat-net-2019.yaml"
    lines = file.read_text().splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("source:"))
    lines[at : at + 1] = ["source:", "  format: ecotaxa", "  location: kattegat-net-2019", f"  fetch_from: {block}"]
    file.write_text("\n".join(lines) + "\n")
    _, findings = load_registry(tmp_path / "registry")
    [found] = [f for f in findings if f.rule == rule]
    assert (found.file, found.line, found.key) == ("contributions/kattegat-net-2019.yaml", at + 4, key)
    assert "pw" not in str(found)
    assert "abc" not in str(found)


def test_the_examples_of_the_page_are_valid(registry_folder: Path) -> None:
    text = (registry_folder.parent / "docs/transfers.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    sources = [Source.model_validate(yaml.safe_load(block)["source"]) for block in blocks]
    links = [url for s in sources if s.fetch_from for url in s.fetch_from.urls]
    assert {url.partition("://")[0] for url in links if "://" in url} == {"https", "webdavs", "sftp", "s3", "ftp"}
    at = load_registry(registry_folder)[0]
    assert at is not None
    named = {f"c{n}": contribution(f"c{n}", None, source=source) for n, source in enumerate(sources)}
    found = check_registry(at.model_copy(update={"contributions": named}), {}, {})
    assert not [f for f in found if f.rule.startswith("fetch_")]


def test_the_command_says_what_it_did(
    registry_folder: Path, tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(registry_folder, tmp_path / "registry")
    file = tmp_path / "registry/contributions/kattegat-net-2019.yaml"
    text = file.read_text().replace("kattegat-net-2019.zip", "kattegat-net-2019")
    file.write_text(text.replace("source: {", f"source: {{fetch_from: {{urls: [{source}]}}, "))
    places = ["--registry", str(tmp_path / "registry"), "--deliveries", str(tmp_path / "home")]
    assert main(["fetch", "--contribution", "kattegat-net-2019", *places]) == 0
    told = capsys.readouterr().out
    assert "kattegat-net-2019: fetched (version " in told
    assert "3 fetched now" in told
    assert main(["fetch", "--contribution", "oresund-net-2019", *places]) == 0
    assert "nothing to fetch" in capsys.readouterr().out
    assert main(["fetch", "--contribution", "nobody", *places]) == 2


def test_a_store_of_deliveries_is_still_read_as_it_was(tmp_path: Path) -> None:
    write_files(tmp_path / "one", {"ecotaxa_n1.tsv": ecotaxa_tsv([net_row("n1", 0, "n1_0.png")])})
    of = collection(tmp_path, contribution("one", "one"))
    assert of.config.delivery_location("one") == f"{tmp_path}/one"
    with open_executor("serial"):
        assert read_rows(of, "one").outcome == "done"
    assert Warehouse(of.config.deliveries).read_json("fetched/one/current.json") is None
