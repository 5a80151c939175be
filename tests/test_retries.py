"""What failed for reasons outside is tried again, at waits that grow, until a person is needed; nothing else is."""

import datetime as dt
import errno
import functools
import itertools
import json
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from builders import collection, contribution
from ecotaxa_server import PASSWORD, USER, ecotaxa_server, project_of
from ifcb_server import ifcb_server
from seeded import delivered, night
from wires import Page, site

from aqqua_dataset import pipeline, space
from aqqua_dataset.compute import SerialExecutor, WorkerDied
from aqqua_dataset.ecotaxa import client
from aqqua_dataset.ecotaxa.client import EcoTaxa
from aqqua_dataset.ecotaxa.message import downloads
from aqqua_dataset.findings import Finding
from aqqua_dataset.nightly import fetching
from aqqua_dataset.nightly.fetching import fetch_due, fetched_by_hand
from aqqua_dataset.nightly.state import read_seen
from aqqua_dataset.nightly.tries import OUTSIDE, as_finding, forget, read_tries, whose
from aqqua_dataset.nightly.validate import Validation, validate_changed
from aqqua_dataset.pipeline import Collection, StageReport
from aqqua_dataset.registry.models import DashboardBins, FetchFrom, Source
from aqqua_dataset.transfer import receive
from aqqua_dataset.transfer.alone import Busy, alone
from aqqua_dataset.transfer.bring import bring, find_ways
from aqqua_dataset.transfer.delivery import Delivery
from aqqua_dataset.transfer.fetch import FetchReport
from aqqua_dataset.warehouse import CommitConflict

DAY0 = dt.datetime(2026, 11, 1, 20, tzinfo=dt.UTC)
TABLE = b"img_file_name\tobject_id\n"


@pytest.fixture(autouse=True)
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "ATTEMPTS", 1)


def day(number: int) -> dt.datetime:
    return DAY0 + dt.timedelta(days=number)


def fetched_from(folder: Path, *urls: str, **changes: Any) -> Collection:
    source = Source(location="one", fetch_from=FetchFrom(urls=urls))
    return collection(folder, contribution("one", None, source=source, **changes))


def evening(of: Collection, number: int) -> list[FetchReport]:
    return list(fetch_due(of, day(number), lambda _: None))


def nothing_listens() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def validate(of: Collection, number: int) -> Validation:
    return validate_changed(of, SerialExecutor(), 1, day(number), progress=lambda _: None)


def test_a_server_that_stays_away_is_tried_at_growing_waits_and_then_given_up(tmp_path: Path) -> None:
    of = fetched_from(tmp_path, f"{nothing_listens()}/a.tsv")
    asked = [number for number in range(60) if evening(of, number)]
    assert asked == [0, 1, 2, 4, 8, 16, 32]
    one = read_tries(of.warehouse)["fetch:one"]
    assert (one.times, one.since, one.given_up, one.rule) == (7, "2026-11-01", True, "source_unreachable")


def test_what_was_given_up_is_tried_again_once_the_registry_says_something_else(tmp_path: Path) -> None:
    of = fetched_from(tmp_path, f"{nothing_listens()}/a.tsv")
    for number in range(60):
        evening(of, number)
    with site({"/a.tsv": Page(TABLE)}) as (address, _):
        mended = fetched_from(tmp_path, f"{address}/a.tsv")
        assert [r.outcome for r in evening(mended, 60)] == ["fetched"]
    assert not read_tries(mended.warehouse)


def test_what_was_given_up_is_tried_again_when_a_person_says_so(
    three: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        failing(patch, TimeoutError("slow"))
        for number in (0, 1, 2, 4, 8, 16, 32):
            validate(three, number)
    assert read_tries(three.warehouse)["validate:haul-0001"].given_up
    assert validate(three, 300).put_off == ["haul-0001"]
    assert forget(three.warehouse, ["haul-0001"]) == ["validate:haul-0001"]
    assert validate(three, 300).done == ["haul-0001"]


def test_what_a_person_has_fetched_meanwhile_is_forgotten(tmp_path: Path) -> None:
    with site({}) as (address, _):
        of = fetched_from(tmp_path, f"{address}/a.tsv")
        evening(of, 0)
    assert read_tries(of.warehouse)
    fetched_by_hand(of, FetchReport("one", "refused"))
    assert read_tries(of.warehouse)
    fetched_by_hand(of, FetchReport("one", "fetched"))
    assert not read_tries(of.warehouse)


def test_a_contributors_mistake_is_looked_at_again_after_a_week_only(tmp_path: Path) -> None:
    page = Page(b"<!DOCTYPE html><html>log in", {"Content-Type": "text/html"})
    with site({"/a.tsv": page}) as (address, _):
        of = fetched_from(tmp_path, f"{address}/a.tsv")
        assert [number for number in range(20) if evening(of, number)] == [0, 7, 14]
        one = read_tries(of.warehouse)["fetch:one"]
        assert (one.whose, one.rule) == ("theirs", "link_gives_page")


def test_links_that_are_well_are_looked_at_every_night(tmp_path: Path) -> None:
    with site({"/a.tsv": Page(TABLE, {"ETag": '"1"'})}) as (address, _):
        of = fetched_from(tmp_path, f"{address}/a.tsv")
        assert [evening(of, n)[0].outcome for n in range(3)] == ["fetched", "unchanged", "unchanged"]


def test_where_the_hours_end_the_next_night_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = {n: Source(location=n, fetch_from=FetchFrom(urls=(f"/nowhere/{n}",))) for n in "abcd"}
    of = collection(tmp_path, *(contribution(n, None, source=s) for n, s in sources.items()))

    def slow(_: Collection, key: str, *__: Any) -> FetchReport:
        time.sleep(0.6)
        return FetchReport(key, "unchanged")

    monkeypatch.setattr(fetching, "bring", slow)
    nights = [
        [r.contribution for r in fetch_due(of, day(n), lambda _: None, hours=0.5 / 3600)] for n in range(5)
    ]  # fmt: skip
    assert nights == [["a"], ["b"], ["c"], ["d"], ["a"]]


def test_one_fetch_that_breaks_does_not_keep_the_others_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {n: Source(location=n, fetch_from=FetchFrom(urls=(f"/nowhere/{n}",))) for n in "ab"}
    of = collection(tmp_path, *(contribution(n, None, source=s) for n, s in sources.items()))

    def breaks(_: Collection, key: str, *__: Any) -> FetchReport:
        if key == "a":
            raise ConnectionResetError("the store hung up")
        return FetchReport(key, "fetched")

    monkeypatch.setattr(fetching, "bring", breaks)
    assert [(r.contribution, r.outcome) for r in evening(of, 0)] == [("a", "unfinished"), ("b", "fetched")]
    assert read_tries(of.warehouse)["fetch:a"].rule == "store_unreachable"


@pytest.fixture
def three(tmp_path: Path) -> Collection:
    """Three contributions with a picture each."""
    return delivered(tmp_path, 3, 3)


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception, key: str = "haul-0001") -> list[str]:
    """Makes harmonising one of them fail; returns the list of all that were harmonised."""
    real, asked = pipeline.harmonise_rows, []

    def harmonise(of: Collection, name: str, *rest: Any) -> StageReport:
        asked.append(name)
        if name == key:
            raise error
        return real(of, name, *rest)

    monkeypatch.setattr(pipeline, "harmonise_rows", harmonise)
    return asked


@pytest.mark.parametrize(
    ("error", "rule", "of"),
    [
        (OSError(errno.EIO, "input/output error"), "store_unreachable", "outside"),
        (EndpointConnectionError(endpoint_url="https://s3.example.org"), "store_unreachable", "outside"),
        (WorkerDied("the worker process ended without an answer"), "worker_died", "outside"),
        (CommitConflict([Finding("commit_conflict", "error", "another run")]), "commit_conflict", "outside"),
        (KeyError("column"), "unexpected_error", "ours"),
    ],
)
def test_every_kind_of_breakage_has_its_name(error: Exception, rule: str, of: str) -> None:
    found = as_finding(error, "one")
    assert (found.rule, whose(found)) == (rule, of)


def test_a_stage_that_breaks_is_tried_again_and_the_others_go_on(
    three: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        asked = failing(patch, OSError(errno.EIO, "input/output error"))
        found = validate(three, 0)
        assert (found.done, found.failed) == (["haul-0000", "haul-0002"], ["haul-0001"])
        assert read_tries(three.warehouse)["validate:haul-0001"].rule == "store_unreachable"
        asked.clear()
        same = validate(three, 0)
        assert (asked, same.put_off) == ([], ["haul-0001"])  # its day hasn't come
        validate(three, 1)
        assert asked == ["haul-0001"]
    assert validate(three, 2).done == ["haul-0001"]
    assert not read_tries(three.warehouse)
    assert {one.kind for one in read_seen(three.warehouse).values()} == {"usable"}


def test_an_error_of_our_own_is_named_and_needs_a_person(three: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, ValueError("shapes differ"))
    validate(three, 0)
    one = read_tries(three.warehouse)["validate:haul-0001"]
    assert (one.rule, one.whose, one.message) == ("unexpected_error", "ours", "ValueError: shapes differ")
    text = night(three, day(1), dry_run=True).told.text
    assert "only you can mend it\n\n* validate haul-0001: ValueError: shapes differ" in text


def test_packing_that_breaks_together_goes_on_one_by_one(three: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    real = pipeline.pack_each

    def pack(of: Collection, keys: list[str], *rest: Any) -> Iterator[StageReport]:
        for report in real(of, keys, *rest):
            if "haul-0001" in keys and report.contribution != "haul-0000":
                raise ConnectionError("the store hung up")
            yield report

    monkeypatch.setattr(pipeline, "pack_each", pack)
    found = validate(three, 0)
    assert (found.done, found.failed) == (["haul-0000", "haul-0002"], ["haul-0001"])


def test_a_full_disk_stops_the_night_and_the_next_goes_on(three: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    full = space.NoSpace([Finding("no_space", "error", "no space is left")])
    with monkeypatch.context() as patch:
        asked = failing(patch, full)
        with pytest.raises(space.NoSpace):
            validate(three, 0)
        assert asked == ["haul-0000", "haul-0001"]
        assert read_tries(three.warehouse)["validate:haul-0001"].rule == "no_space"
    assert sorted(validate(three, 1).done) == ["haul-0000", "haul-0001", "haul-0002"]


def test_a_store_that_cannot_be_listed_is_noted_and_the_others_go_on(
    three: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Collection.delivery

    def delivery(of: Collection, location: str) -> Delivery:
        if location.endswith("haul-0001"):
            raise EndpointConnectionError(endpoint_url="https://s3.example.org")
        return real(of, location)

    with monkeypatch.context() as patch:
        patch.setattr(Collection, "delivery", delivery)
        found = validate(three, 0)
        assert (found.looked_at, found.done, found.failed) == (2, ["haul-0000", "haul-0002"], ["haul-0001"])
        assert read_tries(three.warehouse)["validate:haul-0001"].rule == "delivery_unreachable"
    assert validate(three, 1).done == ["haul-0001"]
    assert not read_tries(three.warehouse)
    with monkeypatch.context() as patch:
        patch.setattr(Collection, "delivery", delivery)
        asked = [number for number in range(2, 61) if "haul-0001" in validate(three, number).failed]
    # At growing waits, then once a week: each time costs a time-out.
    assert asked[:7] == [2, 3, 4, 6, 10, 18, 34]
    assert {later - earlier for earlier, later in itertools.pairwise(asked[7:])} == {7}
    assert "haul-0001" in validate(three, asked[-1] + 1).put_off
    back = validate(three, asked[-1] + 7)
    assert (back.looked_at, back.changed) == (3, [])
    assert not read_tries(three.warehouse)


def test_a_delivery_that_is_gone_comes_back_by_itself(three: Collection, tmp_path: Path) -> None:
    validate(three, 0)
    shutil.move(tmp_path / "haul-0001", tmp_path / "away")
    assert validate(three, 1).failed == ["haul-0001"]
    assert [number for number in range(2, 50) if validate(three, number).failed] == [2, 3, 5, 9, 17, 33]
    assert read_tries(three.warehouse)["validate:haul-0001"].given_up
    shutil.move(tmp_path / "away", tmp_path / "haul-0001")
    assert validate(three, 50).done == ["haul-0001"]
    assert not read_tries(three.warehouse)


def test_a_contributors_broken_table_is_read_once(three: Collection, tmp_path: Path) -> None:
    (tmp_path / "haul-0001/ecotaxa_haul-0001.tsv").write_bytes(b"\x00garbage")
    assert len(validate(three, 0).done) == 3
    assert [validate(three, number).changed for number in range(1, 5)] == [[]] * 4
    assert not read_tries(three.warehouse)
    assert read_seen(three.warehouse)["haul-0001"].kind in ("errors", "refused")


def test_a_changed_setting_looks_at_all_and_nobody_is_told(three: Collection) -> None:
    night(three, day(0))
    settings = three.registry.settings.model_copy(update={"time_zone": "UTC"})
    other = replace(three, registry=three.registry.model_copy(update={"settings": settings}))
    walked = night(other, day(1))
    assert (len(walked.validation.done), walked.reports) == (3, [])
    assert (walked.told.digest.validated, walked.told.path, walked.told.digest.posting.sent) == ([], "", {})


def test_only_one_night_at_a_time(three: Collection) -> None:
    with alone(three.warehouse, "validating"), pytest.raises(Busy):
        validate(three, 0)
    assert len(validate(three, 0).done) == 3


def test_rules_that_are_retried_exist() -> None:
    package = Path(pipeline.__file__).parent
    source = "".join(p.read_text(encoding="utf-8") for p in package.rglob("*.py") if p.name != "tries.py")
    own = {"worker_died", "store_unreachable"}
    assert [rule for rule in sorted(OUTSIDE - own) if f'"{rule}"' not in source] == []


@pytest.mark.realdata
def test_a_shared_project_is_pulled_once_and_says_so_to_its_owner(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = functools.partial(EcoTaxa, wait=lambda _: None, pause=0.0, image_pause=0.0)
    monkeypatch.setattr(client, "EcoTaxa", fast)
    for name in ("ECOTAXA_TOKEN", "ECOTAXA_USER", "ECOTAXA_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    of = collection(
        tmp_path,
        contribution("c1", None, source=Source(format="ecotaxa", location="eco", dataset_id="42")),
        contribution("by-hand", None, source=Source(format="ecotaxa", location="laid", dataset_id="43")),
    )
    (tmp_path / "laid").mkdir()
    (tmp_path / "laid/ecotaxa_43.tsv").write_text("object_id\n")  # never asked for
    project = project_of(real_data / "ecotaxa/ecotaxa_back/ref_exports/tsv_by_acquisition", 42)
    with ecotaxa_server(project) as server:
        monkeypatch.setenv("ECOTAXA_URL", server.address)
        [without] = evening(of, 0)
        assert [f.rule for f in without.findings] == ["ecotaxa_no_access"]
        assert not server.log
        assert read_tries(of.warehouse)["fetch:c1"].whose == "ours"
        monkeypatch.setenv("ECOTAXA_USER", USER)
        monkeypatch.setenv("ECOTAXA_PASSWORD", PASSWORD)
        with alone(of.warehouse, "c1"):
            assert evening(of, 1) == []  # another run is at it
            busy = bring(of, "c1", find_ways(of), lambda _: None)
        assert [f.rule for f in busy.findings] == ["pull_busy"]
        [pulled] = evening(of, 2)
        assert (pulled.outcome, pulled.numbers["objects"], pulled.numbers["images"]) == ("fetched", 12, 13)
        assert downloads(of.warehouse)["c1"].project == 42
        asked = len(server.log)
        assert evening(of, 3) == []  # to pull again is a person's decision
        assert len(server.log) == asked
    assert not read_tries(of.warehouse)


@pytest.mark.realdata
def test_bins_of_a_dashboard_are_fetched_where_the_registry_names_them(real_data: Path, tmp_path: Path) -> None:
    pid = "D20220522T000439_IFCB134"
    with ifcb_server() as server:
        for ending in (".roi", ".adc", ".hdr"):
            path = real_data / f"ifcb/classipyr/raw/2022/D20220522/{pid}{ending}"
            server.files[pid + ending] = path.read_bytes()
        server.rows = [{"dataset": "mvco", "pid": pid, "sample_time": "2022-05-22T00:04:39+00:00", "skip": "False"}]
        source = Source(format="ifcb", location="bins", url=f"{server.address}/timeline", dataset_id="mvco")
        silent = collection(tmp_path, contribution("c1", None, source=source))
        assert evening(silent, 0) == []  # an address for attribution alone fetches nothing
        asked_by_hand = bring(silent, "c1", find_ways(silent), lambda _: None)
        assert [f.rule for f in asked_by_hand.findings] == ["ifcb_dashboard_unasked"]
        asked = source.model_copy(update={"dashboard": DashboardBins(first=dt.date(2022, 5, 1))})
        of = collection(tmp_path, contribution("c1", None, source=asked))
        [done] = evening(of, 0)
        assert (done.outcome, done.numbers["fetched_now"]) == ("fetched", 3)
        assert [r.outcome for r in evening(of, 1)] == ["unchanged"]
    assert (tmp_path / f"bins/2022/D20220522/{pid}.hdr").exists()


def test_tries_are_there_to_be_read(tmp_path: Path) -> None:
    of = fetched_from(tmp_path, f"{nothing_listens()}/a.tsv")
    evening(of, 0)
    told = json.loads((tmp_path / "warehouse/nightly/tries.json").read_text())["fetch:one"]
    assert {told["since"], told["next"]} == {"2026-11-01", "2026-11-02"}
    assert told["times"] == 1
    kept = replace(of, registry=of.registry.model_copy(update={"contributions": {}}))
    evening(kept, 1)
    assert not read_tries(kept.warehouse)
