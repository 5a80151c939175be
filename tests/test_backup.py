"""Backup and restore: PostgreSQL with Dagster's runs, registry, small files; what is refused, and what is erased."""

import datetime as dt
import os
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from production import DEPLOY, ROOT, create_database, postgres

from aqqua_dataset import backup, cli
from aqqua_dataset.backup import SET, BackupRefused
from aqqua_dataset.config import Config
from aqqua_dataset.definitions import build_definitions
from aqqua_dataset.maintenance import check_release
from aqqua_dataset.orchestration.resources import CollectionResource
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.postgres import DatabaseRefused
from aqqua_dataset.restore import restore
from aqqua_dataset.warehouse import Warehouse

NOW = dt.datetime(2026, 11, 21, 5, 30, tzinfo=dt.UTC)
KEEP = dt.timedelta(days=30)
STAMP = "2026-11-21T053000Z"
MINE = "someone@example.org"


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    with postgres() as told:
        yield told


@pytest.fixture
def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("PG")]:
        monkeypatch.delenv(name)


@pytest.fixture
def config(tmp_path: Path, public: Path, described: Collection, no_database: None) -> Config:
    """A registry of its own, and a copy of a warehouse with a release."""
    shutil.copytree(ROOT / "contributor_registry", tmp_path / "registry")
    shutil.copytree(described.warehouse.root, tmp_path / "warehouse")
    for name in ("large.parquet", "progress/history.parquet"):
        (tmp_path / "warehouse" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "warehouse" / name).write_bytes(bytes(backup.SMALL + 1))
    log = tmp_path / "deliveries/fetched/arkona-unsigned-2023/2026-11-20.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text('{"path": "a.zip"}\n')
    (log.parent / "2026-11-20").mkdir()
    (log.parent / "2026-11-20/a.zip").write_bytes(b"the delivery itself")
    return places(tmp_path)


def places(folder: Path) -> Config:
    return Config(folder / "registry", str(folder / "deliveries"), str(folder / "warehouse"), "serial")


def make(config: Config, tmp_path: Path, now: dt.datetime = NOW) -> backup.Backup:
    return backup.make(config, str(tmp_path / "backups"), str(tmp_path / "private"), now, KEEP)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def restored(tmp_path: Path, private: bool = True) -> tuple[Config, list[str]]:
    there = places(tmp_path / "there")
    apart = str(tmp_path / f"private/{STAMP}") if private else None
    return there, [f.file for f in restore(there, str(tmp_path / f"backups/{STAMP}"), apart)]


def rules(refused: pytest.ExceptionInfo[BackupRefused]) -> set[str]:
    return {f.rule for f in refused.value.findings}


def test_registry_and_small_files_come_back_and_large_ones_are_listed(config: Config, tmp_path: Path) -> None:
    made = make(config, tmp_path)
    there, missing = restored(tmp_path)
    assert files(there.registry) == files(config.registry)
    before, after = files(Path(config.warehouse)), files(Path(there.warehouse))
    large = {p for p, data in before.items() if p.endswith(".tar") or len(data) > backup.SMALL}
    large.remove("progress/history.parquet")  # the days of the past can't be made again
    assert {p: data for p, data in before.items() if p not in large} == after
    assert len(large) == made.left
    assert made.left > 1
    assert set(missing) == large
    log = "fetched/arkona-unsigned-2023/2026-11-20.jsonl"
    assert files(Path(there.deliveries)) == {log: (Path(config.deliveries) / log).read_bytes()}


def test_a_release_is_whole_again_once_its_shards_are_back(
    config: Config, tmp_path: Path, public: Path, described: Collection
) -> None:
    make(config, tmp_path)
    there, missing = restored(tmp_path)
    release = str(public.relative_to(described.warehouse.root))
    warehouse = Warehouse(there.warehouse)
    lacking = {f.file for f in check_release(warehouse, release, True)}
    assert lacking
    assert lacking <= set(missing)
    for path in missing:
        target = Path(there.warehouse) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(config.warehouse) / path, target)
    assert not check_release(warehouse, release, True)


def test_the_list_of_what_wasnt_copied_knows_the_checksums_of_released_shards(config: Config, tmp_path: Path) -> None:
    make(config, tmp_path)
    lines = (tmp_path / f"backups/{STAMP}/not-copied.tsv").read_text().splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    told = {path: digest for path, _, digest in rows}
    shards = [p for p in told if p.startswith("releases/") and p.endswith(".tar")]
    assert shards
    done = subprocess.run(
        ["sha256sum", "--check", "--quiet"], input="".join(f"{told[p]}  {config.warehouse}/{p}\n" for p in shards),
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert told["large.parquet"] == ""


def test_addresses_lie_apart_and_are_erased_alone(config: Config, tmp_path: Path) -> None:
    contacts = config.registry / "private/contacts.yaml"
    contacts.write_text(contacts.read_text() + f"\n# {MINE}\n")
    make(config, tmp_path)
    plain, apart = tmp_path / "backups", tmp_path / "private"
    assert not [p for p in plain.rglob("*") if p.is_file() and MINE.encode() in p.read_bytes()]
    with tarfile.open(plain / STAMP / "registry.tar") as archive:
        assert "settings.yaml" in archive.getnames()
        assert not [n for n in archive.getnames() if "private" in n]
    assert [p for p in apart.rglob("*") if p.is_file() and MINE.encode() in p.read_bytes()]
    # Somebody wants their address erased: the private sets go, a new one is made, the rest stays restorable.
    contacts.write_text(contacts.read_text().replace(MINE, ""))
    shutil.rmtree(apart)
    make(config, tmp_path, NOW + dt.timedelta(hours=1))
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and MINE.encode() in p.read_bytes()]
    there, _ = restored(tmp_path, private=False)
    assert not (there.registry / "private").exists()


def test_old_sets_go_and_the_newest_never(config: Config, tmp_path: Path) -> None:
    (tmp_path / "backups/notes").mkdir(parents=True)
    days = [NOW + dt.timedelta(days=n) for n in (0, 29, 31)]
    removed = [make(config, tmp_path, day).removed for day in days]
    assert removed == [[], [], [STAMP]]
    kept = ["2026-12-20T053000Z", "2026-12-22T053000Z"]
    assert sorted(p.name for p in (tmp_path / "backups").iterdir()) == [*kept, "notes"]
    assert sorted(p.name for p in (tmp_path / "private").iterdir()) == kept
    long_after = NOW + dt.timedelta(days=400)
    assert make(config, tmp_path, long_after).removed == kept
    assert backup.make(config, str(tmp_path / "backups"), str(tmp_path / "private"), long_after, -KEEP).removed == []


def test_equal_content_gives_equal_archives(config: Config, tmp_path: Path) -> None:
    make(config, tmp_path)
    for path in config.registry.rglob("*"):
        os.utime(path, (0, 0))
    make(config, tmp_path, NOW + dt.timedelta(days=1))
    one, other = (tmp_path / f"backups/{s}/registry.tar" for s in (STAMP, "2026-11-22T053000Z"))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("private", [None, "backups/private", "."])
def test_a_private_part_needs_a_place_apart(config: Config, tmp_path: Path, private: str | None) -> None:
    place = None if private is None else os.path.normpath(tmp_path / private)
    with pytest.raises(BackupRefused) as refused:
        backup.make(config, str(tmp_path / "backups"), place, NOW, KEEP)
    assert rules(refused) == {"backup_private_place"}
    assert not (tmp_path / "backups").exists()


@pytest.mark.parametrize("inside", ["warehouse/backups", "registry", "deliveries/x"])
def test_a_backup_may_not_lie_inside_what_it_backs_up(config: Config, tmp_path: Path, inside: str) -> None:
    with pytest.raises(BackupRefused) as refused:
        backup.make(config, str(tmp_path / inside), str(tmp_path / "private"), NOW, KEEP)
    assert rules(refused) == {"backup_place"}


def test_a_damaged_set_is_refused_and_nothing_is_written(config: Config, tmp_path: Path) -> None:
    make(config, tmp_path)
    folder = tmp_path / f"backups/{STAMP}"
    file = folder / "registry.tar"
    data = bytearray(file.read_bytes())
    data[600] ^= 1
    file.write_bytes(data)
    (folder / "not-copied.tsv").unlink()
    with pytest.raises(BackupRefused) as refused:
        restored(tmp_path)
    assert sorted(Path(f.file).name for f in refused.value.findings) == ["not-copied.tsv", "registry.tar"]
    assert not (tmp_path / "there/registry").exists()


@pytest.mark.parametrize("broken", ["missing", "unfinished"])
def test_a_set_that_was_never_finished_is_refused(config: Config, tmp_path: Path, broken: str) -> None:
    make(config, tmp_path)
    folder = tmp_path / f"backups/{STAMP}"
    shutil.rmtree(folder) if broken == "missing" else (folder / SET).unlink()
    with pytest.raises(BackupRefused) as refused:
        restored(tmp_path)
    assert rules(refused) == {"backup_incomplete"}


def test_a_place_that_isnt_empty_is_refused(config: Config, tmp_path: Path) -> None:
    make(config, tmp_path)
    small = next(p for p, data in files(Path(config.warehouse)).items() if p.endswith(".json") and data)
    there = places(tmp_path / "there")
    there.registry.mkdir(parents=True)
    (there.registry / "settings.yaml").write_text("mine\n")
    other = Path(there.warehouse) / small
    other.parent.mkdir(parents=True)
    other.write_text("other\n")
    with pytest.raises(BackupRefused) as refused:
        restored(tmp_path)
    assert rules(refused) == {"restore_occupied"}
    assert {f.file for f in refused.value.findings} == {str(there.registry), str(other)}
    assert (there.registry / "settings.yaml").read_text() == "mine\n"


def test_a_member_that_points_outside_is_not_unpacked(config: Config, tmp_path: Path) -> None:
    made = make(config, tmp_path)
    file = tmp_path / f"backups/{STAMP}/registry.tar"
    with tarfile.open(file, "w") as archive:
        archive.addfile(tarfile.TarInfo("../outside"))
    store = Warehouse(str(file.parent))
    told = store.read_json(SET)
    told["files"]["registry.tar"]["sha256"] = store.sha256("registry.tar")
    store.write_json(SET, told)
    with pytest.raises(tarfile.OutsideDestinationError):
        restored(tmp_path)
    assert made.files
    assert not (tmp_path / "there/outside").exists()


def test_without_a_database_the_backup_says_so(config: Config, tmp_path: Path) -> None:
    assert [f.rule for f in make(config, tmp_path).findings] == ["backup_no_database"]


def test_files_of_a_backup_are_for_their_owner_only(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("registry", "deliveries", "warehouse"):
        monkeypatch.setenv(f"AQQUA_{name.upper()}", str(getattr(config, name)))
    before = os.umask(0o022)
    try:
        code = cli.main(["backup", "--out", str(tmp_path / "b"), "--private", str(tmp_path / "p")])
    finally:
        os.umask(before)
    assert code == 0
    assert "large files listed, not copied" in capsys.readouterr().out
    written = [q for place in ("b", "p") for q in (tmp_path / place).rglob("*")]
    assert len(written) > 10
    assert not [q for q in written if stat.S_IMODE(q.stat().st_mode) & 0o077]


def named(monkeypatch: pytest.MonkeyPatch, server: dict[str, str], home: Path, database: str) -> None:
    """This process's surroundings speak of a database of the server's, with our instance file."""
    home.mkdir()
    (home / "dagster.yaml").symlink_to(DEPLOY / "dagster.yaml")
    create_database(server, database)
    for name, value in (server | {"PGDATABASE": database, "DAGSTER_HOME": str(home)}).items():
        monkeypatch.setenv(name, value)


def test_dagster_shows_its_runs_and_partitions_after_a_restore(
    config: Config, tmp_path: Path, server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    named(monkeypatch, server, tmp_path / "home", "before")
    collection = CollectionResource(
        registry=str(config.registry), deliveries=config.deliveries, warehouse=config.warehouse, workers="serial"
    )
    job = build_definitions(collection).resolve_job_def("update_collection")
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("contribution", ["kattegat-net-2019", "oresund-net-2019"])
        done = job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey("registry")])
        assert done.success
        lines = [e.user_message for e in instance.all_logs(done.run_id)]
    made = make(config, tmp_path)
    assert made.findings == []

    named(monkeypatch, server, tmp_path / "home2", "after")
    restored(tmp_path)
    with dg.DagsterInstance.get() as instance:
        run = instance.get_run_by_id(done.run_id)
        assert run is not None
        assert run.status == dg.DagsterRunStatus.SUCCESS
        assert [e.user_message for e in instance.all_logs(done.run_id)] == lines
        assert len(lines) > 5
        assert instance.get_dynamic_partitions("contribution") == ["kattegat-net-2019", "oresund-net-2019"]
        assert instance.get_latest_materialization_event(dg.AssetKey("registry")) is not None
        again = job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey("registry")])
        assert again.success
        assert instance.get_runs_count() == 2

    shutil.rmtree(tmp_path / "there")
    with pytest.raises(BackupRefused) as refused:
        restored(tmp_path)
    assert "the database isn't empty" in str(refused.value)


def test_a_restore_without_a_named_database_is_refused(
    config: Config, tmp_path: Path, server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    named(monkeypatch, server, tmp_path / "home", "unnamed")
    make(config, tmp_path)
    monkeypatch.delenv("PGDATABASE")
    with pytest.raises(BackupRefused) as refused:
        restored(tmp_path)
    assert rules(refused) == {"restore_no_database"}
    assert not (tmp_path / "there/registry").exists()


def test_a_wrong_password_leaves_no_set_behind_that_counts(
    config: Config, tmp_path: Path, server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    named(monkeypatch, server, tmp_path / "home", "locked")
    monkeypatch.setenv("PGPASSWORD", "wrong")
    with pytest.raises(DatabaseRefused) as refused:
        make(config, tmp_path)
    assert "password authentication failed" in str(refused.value)
    assert not list((tmp_path / "backups").rglob(SET))
    assert not list((tmp_path / "backups").rglob("database.dump"))
