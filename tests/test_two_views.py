"""Internal and public view of one collection: nothing is packed twice, nothing withheld is in a view's files."""

import datetime as dt
import hashlib
import sys
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from builders import GIVEN, collection, contribution
from small import INTERNAL, PUBLIC, build, changed, deliver, multiply, pictures, with_core_team, withdrawn

from aqqua_dataset.compute import SerialExecutor
from aqqua_dataset.images.decode import decode
from aqqua_dataset.images.shards import members
from aqqua_dataset.pipeline import Collection, run_contribution
from aqqua_dataset.registry.models import Permission
from aqqua_dataset.release.build import Release

NOW = dt.datetime(2027, 9, 2, 12, tzinfo=dt.UTC)
#: In every view; in the internal one alone; in none.
OPEN, LATER, GONE, REFUSED = "open-haul", "later-haul", "gone-haul", "refused-haul"
TITLES = {LATER: "Canary of the later cruise", GONE: "Canary of the lost cruise", REFUSED: "Canary of the no"}
WITHHELD = {"public": {LATER, GONE, REFUSED}, "internal": {GONE, REFUSED}}


@dataclass(frozen=True)
class Built:
    """The collection after internal, public and internal again were built."""

    made: Collection
    given: dict[str, list[bytes]]
    releases: dict[str, Release]
    packed: dict[str, tuple[int, int]]  # path -> inode, time, before any release
    ids: dict[str, set[str]]  # image ids by contribution

    def folder(self, view: str) -> Path:
        return Path(self.made.warehouse.url(self.releases[view].folder))


def stamps(made: Collection) -> dict[str, tuple[int, int]]:
    """Inode and time of every packed file."""
    found = Path(made.warehouse.url("contributions")).rglob("images-*/*")
    return {str(p): (p.stat().st_ino, p.stat().st_mtime_ns) for p in found if not p.name.endswith(".sha256")}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    home = tmp_path_factory.mktemp("views")
    given = {name: pictures(n, 5) for n, name in enumerate((OPEN, LATER, GONE, REFUSED))}
    given[LATER][0] = given[OPEN][0]  # the stricter owner's word binds this picture in the public view
    given[GONE][1] = given[OPEN][1]  # who withdrew has no say in the other's copy
    one = [contribution(n, home / n, title=TITLES.get(n, "Open")) for n in given]
    made = collection(home, *one)
    made = replace(made, registry=with_core_team(*one))
    deliver(home / OPEN, OPEN, given[OPEN])
    run_contribution(made, OPEN, SerialExecutor(), 1, lambda _: None)
    multiply(made, OPEN, {n: images for n, images in given.items() if n != OPEN})
    known = made.registry.contributions
    no = (Permission(id="model-development", date=GIVEN),)
    made = changed(
        made, known[LATER].model_copy(update={"not_before": dt.date(2028, 1, 1)}), withdrawn(known[GONE]),
        known[REFUSED].model_copy(update={"permissions": no, "history": known[REFUSED].history[:1]}),
    )  # fmt: skip
    ids = {
        name: set(made.warehouse.read_parquet(path)["image_id"].to_pylist())
        for name in given
        for path in made.warehouse.find(f"contributions/{name}")
        if "/ids-" in path
    }
    packed, releases = stamps(made), {}
    rehearsal = replace(PUBLIC, rehearsal=True)  # refused-haul holds a real one up, as it should
    with pytest.MonkeyPatch.context() as patch:
        holders = [m for n, m in sys.modules.items() if n.startswith("aqqua_dataset") and "decode" in vars(m)]
        for module in holders:
            if vars(module)["decode"] is decode:
                patch.setattr(module, "decode", lambda *_: pytest.fail("a release decodes nothing"))
        releases["internal"] = build(made, INTERNAL, NOW)
        releases["public"] = build(made, rehearsal, NOW)
        releases["again"] = build(made, replace(INTERNAL, version="1.0.1"), NOW)
    return Built(made, given, releases, packed, ids)


def test_a_second_view_packs_nothing_again(built: Built) -> None:
    assert stamps(built.made) == built.packed
    shards = {Path(p).stat().st_ino: p for p in built.packed if p.endswith(".tar")}
    own = {inode: path for inode, path in shards.items() if OPEN in path or LATER in path}
    first, again = (
        {p.stat().st_ino for p in (built.folder(v) / "images").rglob("*.tar")} for v in ("internal", "again")
    )
    # Later-haul's is another in the internal view, where the open picture stands for its copy.
    assert len(first & set(own)) == 1
    assert again == first
    assert [r.shards_rewritten for r in built.releases.values()] == [1, 1, 0]


def test_each_view_has_what_its_terms_allow(built: Built) -> None:
    assert built.releases["internal"].facts.images == built.releases["again"].facts.images == {OPEN: 5, LATER: 4}
    assert built.releases["public"].facts.images == {OPEN: 4}


@pytest.mark.parametrize("view", ["internal", "public"])
def test_nothing_withheld_is_in_any_file_of_a_view(built: Built, view: str) -> None:
    shared = {OPEN: built.given[OPEN]}
    hidden = {
        word for name in WITHHELD[view] for word in (name, TITLES[name], *built.ids[name], f"{name}_3", f"{name}_3.png")
    }
    bytes_of = {d for name in WITHHELD[view] for d in built.given[name] if d not in shared[OPEN]}
    bytes_of |= {built.given[OPEN][0]} if view == "public" else set()
    hidden |= {hashlib.sha256(d).hexdigest() for d in bytes_of}
    files = [p for p in built.folder(view).rglob("*") if p.is_file()]
    assert {p.suffix for p in files} >= {".tar", ".parquet", ".csv", ".md", ".html", ".xml", ".json", ".cff", ".txt"}
    for path in files:
        data = path.read_bytes()
        text = data.decode("utf-8", "replace") + str(path.relative_to(built.folder(view)))
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            text += repr(table.to_pydict()) + repr(table.schema.metadata)
        if path.suffix == ".tar":
            with tarfile.open(path) as archive:
                for member in archive.getmembers():
                    stream = archive.extractfile(member)
                    assert stream is not None
                    found = stream.read()
                    assert found not in bytes_of, (path, member.name)
                    text += f" {member.name} {hashlib.sha256(found).hexdigest()}"
        assert [word for word in hidden if word in text] == [], path
        assert not any(picture in data for picture in bytes_of), path


def test_the_scan_would_see_it(built: Built) -> None:
    """The internal view holds what the public one may not: the same search finds it there."""
    text = "".join(p.read_text() for p in built.folder("internal").rglob("*.csv"))
    assert LATER in text
    assert TITLES[LATER] in text
    held: set[bytes] = set()
    for path in built.folder("internal").rglob(f"*{LATER}/*.tar"):
        with path.open("rb") as stream:
            held |= {data for _, data in members(stream)}
    assert held == set(built.given[LATER][1:])
