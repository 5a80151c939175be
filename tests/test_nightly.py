"""A night over 300 contributions of which ten changed and five are broken: what ran, what didn't, who was written to.

Duplicates, which have tests of their own, aren't looked for here.
"""

import datetime as dt
import email
import email.policy
import shutil
from email.message import EmailMessage
from pathlib import Path

import pytest
from seeded import FIRST, night, seeded
from small import deliver, pictures

from aqqua_dataset import workflow
from aqqua_dataset.dedup import page
from aqqua_dataset.nightly.state import read_seen
from aqqua_dataset.pipeline import Collection

ALL, OWNERS = 300, 100
CHANGED = [f"haul-{n:04}" for n in range(10, 20)]
BROKEN = [f"haul-{n:04}" for n in range(120, 125)]  # of owners 20 to 24
SECOND = FIRST + dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def without_duplicates(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("compare_images", "update_duplicates", "find_duplicates"):
        monkeypatch.setattr(workflow, name, lambda *_: {})
    monkeypatch.setattr(page, "write_page", lambda _: [])


def break_deliveries(folder: Path) -> None:
    """Garbage, no table, no picture, a table without rows, a delivery that is gone."""
    garbage, without_table, without_picture, without_rows, gone = (folder / name for name in BROKEN)
    (garbage / f"ecotaxa_{BROKEN[0]}.tsv").write_bytes(bytes(range(256)))
    (without_table / f"ecotaxa_{BROKEN[1]}.tsv").unlink()
    (without_picture / f"{BROKEN[2]}_0.png").unlink()
    table = without_rows / f"ecotaxa_{BROKEN[3]}.tsv"
    table.write_bytes(b"".join(table.read_bytes().splitlines(keepends=True)[:2]))
    shutil.rmtree(gone)


def files(made: Collection) -> dict[str, dt.datetime]:
    """Every file of the warehouse with its time, but the locks."""
    return {p: t for p, t in made.warehouse.times("").items() if "/locks/" not in p}


def letters(made: Collection) -> dict[str, EmailMessage]:
    """Messages in the outbox by address."""
    found = {}
    for path in (made.config.registry / "private/outbox").iterdir():
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        found[str(message["To"].addresses[0].addr_spec)] = message
        path.unlink()
    return found


def test_a_night_over_300_contributions(tmp_path: Path) -> None:
    made, first = seeded(tmp_path, ALL, OWNERS)
    assert (first.validation.looked_at, len(first.validation.done)) == (ALL, ALL)
    assert set(letters(made)) == {f"owner-{n:03}@example.org" for n in range(OWNERS)} | {"dataset@example.org"}

    for n, name in enumerate(CHANGED):
        deliver(tmp_path / name, name, pictures(1000 + n, 2))
    break_deliveries(tmp_path)
    before = files(made)
    second = night(made, SECOND)

    # What ran, and what didn't.
    assert second.validation.looked_at == ALL
    assert second.validation.changed == second.reports == sorted([*CHANGED, *BROKEN])
    assert sorted(second.validation.done) == sorted([*CHANGED, *BROKEN])
    after = files(made)
    touched = {p.split("/")[1] for p in after.keys() | before.keys() if after.get(p) != before.get(p)
               and p.startswith(("contributions/", "reports/"))}  # fmt: skip
    assert touched == {*CHANGED, *BROKEN}
    seen = read_seen(made.warehouse)
    assert {seen[name].kind for name in CHANGED} == {"usable"}
    assert all(seen[name].numbers["stored"] == 2 for name in CHANGED)
    assert {name for name, one in seen.items() if one.kind in ("errors", "refused")} == set(BROKEN)

    # Who was written to: owners of what is broken by their own doing; a new picture alone is no news, nor is ours.
    written = letters(made)
    assert set(written) == {f"owner-{n:03}@example.org" for n in range(20, 24)} | {"dataset@example.org"}
    for number, name in zip(range(20, 24), BROKEN[:4], strict=True):
        text = str(written[f"owner-{number:03}@example.org"].get_content())
        assert name in text
        assert not any(other in text for other in seen if other != name)
        assert text.count("@") == 0
    digest = str(written["dataset@example.org"].get_content())
    assert "15 validated, 5 new in trouble" in digest.splitlines()[0]
    assert all(f"* {name}: " in digest for name in BROKEN)
    assert "| contributions that are usable | 295 | -5 |" in digest
    assert f"* validate {BROKEN[4]}: once since 2026-11-21, next try 2026-11-22" in digest
    assert all(f"sent to owner-{n:03}" in digest for n in range(20, 24))

    # The same night again writes nothing at all.
    before = files(made)
    third = night(made, SECOND + dt.timedelta(hours=1))
    assert (third.validation.changed, third.reports, third.counted, third.told.path) == ([], [], False, "")
    assert files(made) == before
    assert not letters(made)
