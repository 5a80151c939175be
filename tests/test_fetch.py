"""Fetching from real servers on loopback: cut in the middle, refused, misbehaving; and never a byte twice for long."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stores
from builders import collection, contribution
from disks import mount
from disks import small_disk as small_disk
from wires import Page, served, site

from aqqua_dataset.pipeline import Collection
from aqqua_dataset.registry.models import FetchFrom, Source
from aqqua_dataset.transfer import receive, remote
from aqqua_dataset.transfer.fetch import FetchReport, fetch_contribution

KINDS = ("http", "webdav", "ftp", "sftp", "s3")
SIZE = 6 << 20
BLOCK = 1 << 20
#: Listings, headers and what encryption adds; small against a block.
OVERHEAD = BLOCK // 4
UNICODE = "Ünïcode/снимок 1.txt"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short pauses, small requests, logins."""
    monkeypatch.setattr(receive, "PAUSE_S", 0.01)
    monkeypatch.setattr(remote, "_OBJECT_BLOCK", BLOCK)
    for name, value in {**stores.KEYS, "USER_NAME": "anna", "PASSWORD": "a b&c", "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """A delivery of one large, one empty and one file with a name in other letters."""
    folder = tmp_path / "served" / "share"
    (folder / UNICODE).parent.mkdir(parents=True)
    (folder / "big.bin").write_bytes(np.random.default_rng(5).bytes(SIZE))
    (folder / "empty.txt").write_bytes(b"")
    (folder / UNICODE).write_text("ein Bild")
    return folder


def made(folder: Path, *urls: str, options: dict[str, Any] | None = None, **changes: Any) -> Collection:
    """A collection of one contribution that is fetched."""
    fetch = FetchFrom(urls=urls, options=options or {}, **changes)
    return collection(folder, contribution("one", None, source=Source(location="one", fetch_from=fetch)))


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def present(of: Collection) -> dict[str, bytes]:
    """Files of the version that readers see."""
    return files(Path(of.config.delivery_location("one")))


def fetch(of: Collection) -> FetchReport:
    return fetch_contribution(of, "one", lambda _: None)


def rules(report: FetchReport) -> dict[str, str]:
    return {f.rule: f.message for f in report.findings}


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_transfer_goes_on_at_the_byte_and_a_second_run_fetches_nothing(
    kind: str, share: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(kind, share.parent, tmp_path) as place:
        of = made(tmp_path / "home", place.url, options=place.options)
        place.wire.cuts, place.wire.down_after_cut = [SIZE // 3], True
        monkeypatch.setattr(receive, "ATTEMPTS", 2)
        interrupted = fetch(of)
        assert interrupted.outcome == "unfinished"
        assert "the next run goes on" in rules(interrupted)["fetch_interrupted"]
        assert of.config.delivery_location("one") == f"{tmp_path}/home/one"  # nothing half-fetched is read
        parts = [p for p in (tmp_path / "home/fetched/one/.part").iterdir() if p.suffix == ".part"]
        assert SIZE // 3 - BLOCK - OVERHEAD < max(p.stat().st_size for p in parts) < SIZE // 2

        place.wire.up()
        place.wire.cuts = [2 * SIZE // 3]  # this one is mended within the run
        report = fetch(of)
        assert report.outcome == "fetched", report.findings
        expected = files(share) if kind != "http" else {"big.bin": files(share)["big.bin"]}
        assert present(of) == expected
        assert place.wire.cuts == []
        assert place.wire.sent < SIZE + 2 * (BLOCK + OVERHEAD)  # two cuts: at most a block each was sent again

        sent = place.wire.sent
        again = fetch(of)
        assert (again.outcome, again.numbers["fetched_now"]) == ("unchanged", 0)
        assert place.wire.sent - sent < OVERHEAD
        assert not (tmp_path / "home/fetched/one/.part").exists()


RUN = """
import sys
from test_fetch import made, fetch
from pathlib import Path
fetch(made(Path(sys.argv[1]), sys.argv[2]))
"""


def test_a_killed_process_is_resumed_at_the_byte(share: Path, tmp_path: Path) -> None:
    with served("http", share.parent, tmp_path) as place:
        place.wire.stall_at = SIZE // 2
        environment = os.environ | {"PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parent.parent}"}
        process = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path / "home"), place.url], env=environment)
        while place.wire.sent < SIZE // 2:
            assert process.poll() is None
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        process.wait()
        place.wire.stall_at = float("inf")
        of = made(tmp_path / "home", place.url)
        assert fetch(of).outcome == "fetched"
        assert present(of) == {"big.bin": files(share)["big.bin"]}
        assert place.wire.sent < SIZE + BLOCK + 2 * OVERHEAD + (1 << 19)  # and what lay in the sockets of the dead


def test_a_server_without_ranges_is_begun_anew_which_is_said(share: Path, tmp_path: Path) -> None:
    body = files(share)["big.bin"]
    page = Page(body, {"ETag": '"1"'}, ranges=False, breaks_once_at=SIZE // 2)
    with site({"/a.zip": page}) as (address, log):
        of = made(tmp_path, f"{address}/a.zip")
        report = fetch(of)
        assert report.outcome == "fetched"
        assert "begun anew" in rules(report)["fetch_began_anew"]
        assert present(of) == {"a.zip": body}
        probe, first, second = log
        assert (probe, first) == ("/a.zip bytes=0-0", "/a.zip")
        assert second.startswith("/a.zip bytes=")  # it was asked to go on


@pytest.mark.parametrize("attempts", [1, 5])
def test_a_file_that_changed_after_a_cut_is_begun_anew(
    share: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempts: int
) -> None:
    new = Page(files(share)["big.bin"], {"ETag": '"2"'})
    pages = {"/a.zip": Page(bytes(SIZE), {"ETag": '"1"'}, breaks_once_at=SIZE // 2, becomes=new)}
    monkeypatch.setattr(receive, "ATTEMPTS", attempts)
    with site(pages) as (address, _):
        of = made(tmp_path, f"{address}/a.zip")
        assert fetch(of).outcome == ("unfinished" if attempts == 1 else "fetched")
        assert fetch(of).outcome == ("fetched" if attempts == 1 else "unchanged")
        assert present(of) == {"a.zip": new.body}


def test_expired_links_are_told_from_files(tmp_path: Path) -> None:
    page = Page(b"<!DOCTYPE html><title>Share expired</title>", {"Content-Type": "text/html; charset=utf-8"})
    sneaky = Page(b"\n  <html><body>log in</body></html>", {"Content-Type": "application/octet-stream"})
    good = Page(b"PK", {"Content-Disposition": 'attachment; filename="data.zip"', "ETag": '"x"'})
    pages = {"/one": page, "/two.zip": sneaky, "/three": good, "/index.html": Page(page.body, page.headers)}
    with site(pages) as (address, _):
        of = made(tmp_path, *(f"{address}{p}" for p in ("/one", "/two.zip", "/three", "/four", "/index.html")))
        report = fetch(of)
        assert report.outcome == "fetched"
        assert present(of) == {"data.zip": b"PK", "index.html": page.body}
        found = {(f.rule, f.file.removeprefix(address)) for f in report.findings}
        assert found == {("link_gives_page", "/one"), ("link_gives_page", "two.zip"), ("link_refused", "/four")}
        assert "404" in rules(report)["link_refused"]

        pages["/three"] = page  # two weeks later
        later = fetch(of)
        assert later.outcome == "unchanged"
        assert "is kept" in rules(later)["link_expired"]
        assert present(of) == {"data.zip": b"PK", "index.html": page.body}


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="a b.zip"', "a b.zip"),
        ("attachment; filename=plain.tar.gz", "plain.tar.gz"),
        ("attachment; filename=\"fallback.zip\"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.zip", "naïve €.zip"),
        ('attachment; filename="Müller.zip"', "Müller.zip"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\data\\\\net.zip"', "net.zip"),
        ('attachment; filename=".."', "%2E%2E"),
        ("inline", "f%2Fg.zip"),
    ],
)
def test_names_come_from_content_disposition(tmp_path: Path, header: str, name: str) -> None:
    with site({"/d/f%252Fg.zip": Page(b"z", {"Content-Disposition": header})}) as (address, _):
        of = made(tmp_path, f"{address}/d/f%252Fg.zip")
        assert fetch(of).outcome == "fetched"
        assert present(of) == {name: b"z"}


def test_two_links_with_one_name_are_both_kept_under_the_same_names_each_time(tmp_path: Path) -> None:
    named = {"Content-Disposition": 'attachment; filename="data.zip"'}
    pages = {"/1": Page(b"one", named | {"ETag": '"1"'}), "/2": Page(b"two", named | {"ETag": '"2"'})}
    with site(pages) as (address, _):
        of = made(tmp_path, f"{address}/1", f"{address}/2")
        assert fetch(of).outcome == "fetched"
        assert sorted(present(of).values()) == [b"one", b"two"]
        assert present(of)["data.zip"] == b"one"
        assert fetch(of).outcome == "unchanged"


@pytest.mark.parametrize(
    "headers",
    [
        {"Repr-Digest": "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"},
        {"x-goog-hash": "crc32c=AAAAAA==,md5=AAAAAAAAAAAAAAAAAAAAAA=="},
        {"OC-Checksum": "SHA1:0000000000000000000000000000000000000000"},
        {"ETag": '"00000000000000000000000000000000"', "x-amz-request-id": "1"},
    ],
)
def test_a_servers_own_hash_is_compared(tmp_path: Path, headers: dict[str, str]) -> None:
    with site({"/x.bin": Page(b"other bytes", headers)}) as (address, _):
        of = made(tmp_path, f"{address}/x.bin")
        report = fetch(of)
        assert report.outcome == "refused"
        assert "0000" in rules(report)["checksum_wrong"]
        assert files(tmp_path / "fetched/one/quarantine") == {"x.bin": b"other bytes"}


def test_an_etag_that_only_looks_like_a_hash_is_none(tmp_path: Path) -> None:
    with site({"/x.bin": Page(b"some bytes", {"ETag": '"00000000000000000000000000000000"'})}) as (address, _):
        assert fetch(made(tmp_path, f"{address}/x.bin")).outcome == "fetched"


def test_an_ftp_server_that_knows_no_mlsd_is_listed_name_by_name(share: Path, tmp_path: Path) -> None:
    with served("ftp", share.parent, tmp_path) as place:
        place.wire.without_mlsd = True
        of = made(tmp_path / "home", place.url, options=place.options)
        report = fetch(of)
        assert report.outcome == "fetched", report.findings
        assert present(of) == files(share)
        assert fetch(of).outcome == "unchanged"


def test_sftp_with_a_password_and_an_unknown_host(share: Path, tmp_path: Path) -> None:
    with served("sftp", share.parent, tmp_path) as place:
        named = {"username_env": "USER_NAME", "password_env": "PASSWORD"}
        of = made(tmp_path / "home", place.url, options=named | {"known_hosts": place.options["known_hosts"]})
        assert fetch(of).outcome == "fetched"
        assert present(of) == files(share)
        (tmp_path / "nobody").write_text("")
        stranger = made(tmp_path / "other", place.url, options=place.options | {"known_hosts": f"{tmp_path}/nobody"})
        refused = fetch(stranger)
        assert refused.outcome == "refused"
        assert "verification failed" in rules(refused)["link_refused"]


@pytest.mark.parametrize("kind", ["ftp", "webdav", "sftp"])
def test_a_wrong_password_is_said_and_never_shown(
    kind: str, share: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", "wr0ng")
    with served(kind, share.parent, tmp_path) as place:
        named = {"username_env": "USER_NAME", "password_env": "PASSWORD"}
        known = {k: v for k, v in place.options.items() if k == "known_hosts"}
        report = fetch(made(tmp_path / "home", place.url, options=named | known))
    assert report.outcome == "refused"
    assert "refuse" in rules(report)["link_refused"] or "401" in rules(report)["link_refused"] or kind == "sftp"
    assert "wr0ng" not in str(report)


def test_a_link_that_is_a_secret_stands_in_no_file_and_no_message(
    share: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = files(share)["big.bin"]
    with site({"/s/t0ken?sig=hush": Page(body)}) as (address, _):
        monkeypatch.setenv("LINKS", f"{address}/s/t0ken?sig=hush {address}/s/t0ken?sig=expired")
        source = Source(location="one", fetch_from=FetchFrom(urls_env="LINKS"))
        of = collection(tmp_path, contribution("one", None, source=source))
        report = fetch(of)
        assert report.outcome == "fetched"
        monkeypatch.setenv("LINKS", "http://127.0.0.1:9/s/t0ken?sig=hush")
        silent = fetch(of)
        assert silent.outcome == "unfinished"
    written = b"".join(p.read_bytes() for p in (tmp_path / "fetched").rglob("*.json*"))
    for secret in ("hush", "expired", "127.0.0.1"):
        assert secret not in str(report.findings) + str(silent.findings)
        assert secret.encode() not in written
    assert b"$LINKS[0]" in written


@pytest.mark.parametrize("told", [True, False])
def test_a_disk_that_is_too_small_is_said_first_and_there_is_no_half_version(
    small_disk: Path, tmp_path: Path, told: bool
) -> None:
    body = bytes(900_000)
    with site({"/a.bin": Page(body, {"ETag": '"1"'}, length=told, ranges=told)}) as (address, log):
        of = made(small_disk, f"{address}/a.bin")
        report = fetch(of)
        assert report.outcome == "refused"
        if told:  # 0.9 MB are to come; 512 KiB less 5 % and some pages of the folders are there
            assert "0.900 MB are to come" in rules(report)["no_space"]
            assert "are missing" in rules(report)["no_space"]
            assert log == ["/a.bin bytes=0-0"]
        else:
            assert "start again" in rules(report)["no_space"]
        assert not list(small_disk.rglob("current.json"))
        assert mount("-o", "remount,size=8m", str(small_disk))
        assert fetch(of).outcome == "fetched"
        assert present(of) == {"a.bin": body}


def test_more_than_the_quota_is_not_fetched(tmp_path: Path, share: Path) -> None:
    report = fetch(made(tmp_path / "home", str(share), quota_gb=0.001))
    assert report.outcome == "refused"
    assert "0.006 GB, 0.001 are allowed" in rules(report)["delivery_over_quota"]
    assert not list((tmp_path / "home").rglob("*.bin"))
    assert fetch(made(tmp_path / "home", str(share), quota_gb=0.01)).outcome == "fetched"
