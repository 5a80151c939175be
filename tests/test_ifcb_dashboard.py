"""Downloading bins from an IFCB dashboard on loopback: equal rows, days, resuming, and each of the server's traps."""

import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from ifcb_server import Row, Server, ifcb_server
from reading import read

from aqqua_dataset import cli
from aqqua_dataset.findings import Finding
from aqqua_dataset.ifcb_dashboard import (
    ENDINGS,
    METADATA,
    Dashboard,
    DashboardRefused,
    Downloaded,
    Wanted,
    chosen,
    download,
)
from aqqua_dataset.warehouse import Warehouse

NEW, OLD = "D20220522T000439_IFCB134", "IFCB5_2012_028_081515"
PLACES = {
    NEW: ("ifcb/classipyr/raw/2022/D20220522", "2022/D20220522"),
    OLD: ("ifcb/pyifcb/data/2012/IFCB5_2012_028", "2012/IFCB5_2012_028"),
}

pytestmark = pytest.mark.realdata


def row(pid: str, when: str, **changes: str) -> Row:
    return {
        "dataset": "mvco", "pid": pid, "sample_time": f"{when}+00:00", "latitude": "41.5", "longitude": "-70.5",
        "depth": "4.0", "cruise": "EN644", "comment_summary": "call vera@example.org", "operator": "Vera Viewer",
        "skip": "False", **changes,
    }  # fmt: skip


@pytest.fixture
def server(real_data: Path) -> Iterator[Server]:
    with ifcb_server() as state:
        for pid, (folder, _) in PLACES.items():
            for ending in ENDINGS:
                state.files[pid + ending] = (real_data / folder / (pid + ending)).read_bytes()
        state.rows = [row(NEW, "2022-05-22T00:04:39"), row(OLD, "2012-01-28T08:15:15")]
        yield state


def got(server: Server, folder: Path, waits: list[float] | None = None, **wanted: Any) -> tuple[Downloaded, list[str]]:
    found: list[Finding] = []
    dashboard = Dashboard(f"{server.address}/timeline?dataset=mvco", "x", (waits or []).append, pause=0.0)
    done = download(
        dashboard, Wanted("mvco", **wanted), Warehouse(str(folder)), found.append, lambda _: None
    )  # fmt: skip
    return done, [f.rule for f in found]


def refused(server: Server, folder: Path, **wanted: Any) -> str:
    with pytest.raises(DashboardRefused) as caught:
        got(server, folder, **wanted)
    (finding,) = caught.value.findings
    return finding.rule


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_download_gives_the_reader_the_rows_of_the_original(server: Server, real_data: Path, tmp_path: Path) -> None:
    done, rules = got(server, tmp_path / "a")
    assert done == Downloaded(2, 6, sum(map(len, server.files.values())), 0, 0)
    assert rules == []
    for folder, place in PLACES.values():
        shutil.copytree(real_data / folder, tmp_path / "b" / place)
    found, expected = read(tmp_path / "a", "ifcb")[0], read(tmp_path / "b", "ifcb")[0]
    assert len(expected) > 5
    same = [c for c in expected.columns if c not in ("side_latitude", "side_longitude", "side_depth", "cruise")]
    pd.testing.assert_frame_equal(found[same], expected[same])
    assert set(found["side_latitude"]) == {"41.5"}  # the dashboard's metadata lie beside and are read
    there = {p.rpartition("/")[2]: data for p, data in files(tmp_path / "a").items() if p != METADATA}
    assert there == server.files


def test_what_persons_wrote_stays_on_the_dashboard(server: Server, tmp_path: Path) -> None:
    server.rows[0]["cruise"] = "mail vera@example.org"
    got(server, tmp_path)
    text = (tmp_path / METADATA).read_text()
    assert text.splitlines()[0] == "pid,dataset,sample_time,latitude,longitude,depth,cruise,skip"
    assert "vera" not in text.casefold()


def test_what_is_there_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    got(server, tmp_path)
    before = files(tmp_path)
    (tmp_path / f"2022/D20220522/{NEW}.adc").unlink()
    server.log.clear()
    done, _ = got(server, tmp_path)
    assert (done.files, done.there) == (1, 5)
    assert server.asked("/data/") == [f"/data/{NEW}.adc"]
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("2012-01-28", "2012-01-28", [OLD]),
        ("2012-01-29", "2022-05-21", []),
        ("2012-01-29", None, [NEW]),
        (None, "2022-05-21", [OLD]),
    ],
)
def test_days_are_whole_and_end_at_midnight(first: str | None, last: str | None, expected: list[str]) -> None:
    table = pd.DataFrame({"pid": [NEW, OLD, "D20220522T000000_IFCB134"]}, dtype="str")
    one, other = (None if day is None else dt.date.fromisoformat(day) for day in (first, last))
    found = chosen(table, Wanted("mvco", one, other), lambda _: None)
    assert [p for p in found["pid"] if p in (NEW, OLD)] == expected
    assert ("D20220522T000000_IFCB134" in set(found["pid"])) == (NEW in expected)


def test_the_server_is_asked_for_the_days_alone(server: Server, tmp_path: Path) -> None:
    got(server, tmp_path, first=dt.date(2022, 5, 1), last=dt.date(2022, 5, 22))
    assert server.asked("/api/") == ["/api/export_metadata/mvco?start_date=2022-05-01&end_date=2022-05-22"]
    assert {p.partition("/")[0] for p in files(tmp_path)} == {"2022", METADATA}


def test_listed_bins_only_and_unknown_ones_are_named(server: Server, tmp_path: Path) -> None:
    done, rules = got(server, tmp_path, bins=[OLD, "D20990101T000000_IFCB1"])
    assert done.bins == 1
    assert rules == ["ifcb_dashboard_unknown_bin"]


def test_bins_to_be_skipped_and_names_that_are_no_bins_are_left_out(server: Server, tmp_path: Path) -> None:
    server.rows[0]["skip"] = "True"
    server.rows += [row("../../etc/passwd", "2022-05-22T01:00:00"), dict(server.rows[1])]
    done, rules = got(server, tmp_path)
    assert done.bins == 1
    assert rules == ["ifcb_dashboard_not_a_bin", "ifcb_dashboard_skipped"]


def test_an_older_dashboard_lists_its_bins(server: Server, tmp_path: Path) -> None:
    server.metadata, server.listing = False, True
    server.rows[0]["skip"] = "True"
    assert got(server, tmp_path)[0].bins == 1


@pytest.mark.parametrize("listing", [False, True])
def test_a_data_set_that_is_not_there_is_refused(server: Server, tmp_path: Path, listing: bool) -> None:
    server.dataset, server.listing = "another", listing
    assert refused(server, tmp_path) == "ifcb_dashboard_empty"
    assert files(tmp_path) == {}


def test_a_broken_connection_is_taken_up_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.faults = {f"/data/{NEW}.roi": ["cut:1000", "503", "cut:500", "429:3"]}
    waits: list[float] = [0.0]
    server.rows.pop()
    with pytest.raises(DashboardRefused, match="run it again"):
        got(server, tmp_path, waits)
    assert [r for p, r in server.log if p.endswith(".roi")] == ["", "bytes=1000-", "bytes=1000-", "bytes=1500-"]
    assert not (tmp_path / f"2022/D20220522/{NEW}.roi").exists()  # whole or not at all
    server.faults = {f"/data/{NEW}.roi": ["cut:1000"]}
    got(server, tmp_path)
    assert (tmp_path / f"2022/D20220522/{NEW}.roi").read_bytes() == server.files[f"{NEW}.roi"]


def test_a_server_without_ranges_begins_again_and_what_is_there_is_skipped(server: Server, tmp_path: Path) -> None:
    server.faults = {f"/data/{NEW}.roi": ["cut:1000", "noranges"]}
    got(server, tmp_path)
    assert (tmp_path / f"2022/D20220522/{NEW}.roi").read_bytes() == server.files[f"{NEW}.roi"]


def test_a_refusal_in_the_middle_of_a_file_is_no_whole_file(server: Server, tmp_path: Path) -> None:
    server.faults = {f"/data/{NEW}.roi": ["cut:1000", "403"]}
    assert refused(server, tmp_path) == "ifcb_dashboard_broken_off"
    assert not (tmp_path / f"2022/D20220522/{NEW}.roi").exists()


def test_a_file_that_the_dashboard_lost_is_named_and_the_others_come(server: Server, tmp_path: Path) -> None:
    del server.files[f"{OLD}.roi"]
    done, rules = got(server, tmp_path)
    assert (done.files, done.missing) == (5, 1)
    assert rules == ["ifcb_dashboard_missing"]


@pytest.mark.parametrize(
    ("fault", "rule"), [("403", "ifcb_dashboard_server"), ("nolength", "ifcb_dashboard_no_size")]
)  # fmt: skip
def test_a_file_whose_size_nobody_tells_or_that_is_refused_is_not_kept(
    server: Server, tmp_path: Path, fault: str, rule: str
) -> None:
    server.faults = {f"/data/{OLD}.roi": [fault]}
    assert refused(server, tmp_path) == rule
    assert not (tmp_path / f"2012/IFCB5_2012_028/{OLD}.roi").exists()


def test_the_command_takes_address_and_data_set_from_the_registry(
    server: Server, registry_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(registry_folder, tmp_path / "registry")
    file = tmp_path / "registry/contributions/boknis-ifcb-2021.yaml"
    told = yaml.safe_load(file.read_text(encoding="utf-8"))
    given = {"--registry": "registry", "--deliveries": "d", "--warehouse": "w"}
    places = [word for option, name in given.items() for word in (option, str(tmp_path / name))]
    command = ["ifcb", "pull", "boknis-ifcb-2021", "--from", "2022-01-01", *places]
    assert cli.main(command) == 1
    assert "source.url" in capsys.readouterr().out
    told["source"] |= {"url": f"{server.address}/timeline?dataset=mvco", "dataset_id": "mvco"}
    file.write_text(yaml.safe_dump(told), encoding="utf-8")
    assert cli.main(command) == 0
    assert "1 bins; 3 files came" in capsys.readouterr().out
    told["permissions"] = told["permissions"][:1]
    file.write_text(yaml.safe_dump(told), encoding="utf-8")
    server.log.clear()
    assert cli.main(command) == 1
    assert server.log == []
