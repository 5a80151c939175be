"""Deliveries: folders and archives of every kind look like one tree, and damage stays where it is."""

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqqua_dataset.transfer.delivery import DamagedArchive, Delivery, broken_archives

FILES = {"a/one.txt": b"one" * 1000, "a/b/two.txt": b"two", "three.txt": b""}
COMPRESSED = {".tar.gz": gzip.compress, ".tgz": gzip.compress, ".tar.bz2": bz2.compress, ".tar.xz": lzma.compress}


def tarred(files: dict[str, bytes], prefix: str = "") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as made:
        folder = tarfile.TarInfo(prefix + "a")
        folder.type = tarfile.DIRTYPE
        made.addfile(folder)
        link = tarfile.TarInfo(prefix + "link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(link)
        for name, data in files.items():
            info = tarfile.TarInfo(prefix + name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return stream.getvalue()


def content(location: Path) -> dict[str, bytes]:
    with Delivery(str(location)) as delivery:
        return {f.path: delivery.read(f.path) for f in delivery.files()}


@pytest.mark.parametrize("prefix", ["", "./"])
@pytest.mark.parametrize("ending", [".tar", *COMPRESSED])
def test_tars_are_folders(tmp_path: Path, ending: str, prefix: str) -> None:
    data = COMPRESSED.get(ending, bytes)(tarred(FILES, prefix))
    (tmp_path / f"x{ending}").write_bytes(data)
    expected = {f"x{ending}!/{name}": inside for name, inside in FILES.items()}
    assert content(tmp_path) == expected | {f"x{ending}": data}
    assert content(tmp_path / f"x{ending}") == expected | {f"x{ending}": data}


def test_archives_inside_archives_are_folders(tmp_path: Path) -> None:
    inner = zipped(FILES)
    middle = gzip.compress(tarred({"in.zip": inner}))
    (tmp_path / "out.zip").write_bytes(zipped({"deep/mid.tar.gz": middle}))
    assert content(tmp_path)["out.zip!/deep/mid.tar.gz!/in.zip!/a/one.txt"] == FILES["a/one.txt"]


def test_files_in_a_tar_are_found_in_any_case_and_read_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "X.TAR.GZ").write_bytes(gzip.compress(tarred(FILES)))
    with Delivery(str(tmp_path)) as delivery:
        assert delivery.find("X.TAR.GZ!/a/ONE.TXT") == "X.TAR.GZ!/a/one.txt"
        assert delivery.find("X.TAR.GZ!/a/one", (".txt",)) == "X.TAR.GZ!/a/one.txt"
        assert delivery.read_range("X.TAR.GZ!/a/one.txt", 2999, 10) == b"e"
        assert delivery.read_range("X.TAR.GZ!/a/one.txt", 3, 3) == b"one"
        with pytest.raises(FileNotFoundError):
            delivery.read("X.TAR.GZ!/link.txt")


def test_a_compressed_tar_that_changed_is_expanded_again(tmp_path: Path) -> None:
    path = tmp_path / "x.tgz"
    for number, told in enumerate((b"old", b"new")):
        path.write_bytes(gzip.compress(tarred({"t.txt": told})))
        os.utime(path, (number + 1, number + 1))
        assert content(tmp_path)["x.tgz!/t.txt"] == told


@given(cut=st.floats(0, 0.999))
@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tar.xz", ".zip", ".zid"])
def test_a_cut_archive_is_named_and_never_crashes(tmp_path_factory: Any, ending: str, cut: float) -> None:
    made = zipped(FILES) if ending in (".zip", ".zid") else COMPRESSED.get(ending, bytes)(tarred(FILES))
    folder = tmp_path_factory.mktemp("cut")
    (folder / f"x{ending}").write_bytes(made[: int(cut * len(made))])
    with Delivery(str(folder)) as delivery:
        files = [f.path for f in delivery.files()]
        broken = broken_archives(delivery)
        assert len(broken) == 1 or ending == ".tar"  # a tar has no end mark that every program writes
        for path in files[1:]:
            inside = path.partition("!/")[2]
            try:
                assert FILES[inside].startswith(delivery.read(path))
            except DamagedArchive:
                assert ending == ".tar"


def test_links_are_followed_and_circles_are_not(tmp_path: Path) -> None:
    (tmp_path / "in" / "a").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.txt").write_bytes(b"x")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "a" / "up").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "a" / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "in" / "a" / "y.txt").write_bytes(b"y")
    assert content(tmp_path / "in") == {"a/y.txt": b"y", "linked/x.txt": b"x"}
