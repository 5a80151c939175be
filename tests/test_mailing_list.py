"""The mailing list: who agreed, once each, as list servers take it, and what changed since the last export."""

import datetime as dt
from email.utils import parseaddr
from pathlib import Path

import pytest
from builders import collection, contribution, person

from aqqua_dataset import cli
from aqqua_dataset.config import Config
from aqqua_dataset.mailing_list import MailingList, MailingListRefused, write_mailing_list
from aqqua_dataset.registry.models import Event, Person, Registry


def registry(folder: Path) -> tuple[Registry, Config]:
    """An owner, one who withdrew, members, a double record, a name with letters; nobody else."""
    revoked = (Event(date=dt.date(2026, 1, 1), state="revoked", scope="all", reason="wish"),)
    kept = contribution("kept", None, owners=("anna-owner",))
    taken_back = contribution("taken-back", None, owners=("willy-withdrawn",), history=(*kept.history, *revoked))
    of = collection(folder, kept, taken_back)
    people: list[Person] = [
        person("anna-owner"), person("willy-withdrawn"), person("zoe-member"), person("bert-double"),
        person("bertold-double", same_as="bert-double"), person("nora-no"),
        person("elif-x", given="Elif", family="Yıldırım, Dr."),
    ]  # fmt: skip
    return of.registry.model_copy(update={"people": {p.id: p for p in people}}), of.config


def agreed(config: Config, *told: str) -> None:
    folder = config.registry / "private"
    folder.mkdir(parents=True, exist_ok=True)
    lines = (f"- {{person: {t.split()[0]}, email: {t.split()[1]}, mailing_list: {t.split()[2]}}}\n" for t in told)
    (folder / "contacts.yaml").write_text("".join(lines))


ALL = (
    "zoe-member zoe@example.org true", "anna-owner anna@example.org true", "nora-no nora@example.org false",
    "willy-withdrawn willy@example.org true", "bertold-double old@example.org true", "elif-x elif@example.org true",
    "bert-double bert@example.org true", "erased-person erased@example.org true",
)  # fmt: skip


def written(folder: Path, *told: str) -> MailingList:
    of, config = registry(folder)
    agreed(config, *told)
    return write_mailing_list(of, config, folder / "list.txt")


def test_the_list_holds_who_agreed_once_each_sorted_by_address(tmp_path: Path) -> None:
    made = written(tmp_path, *ALL)
    text = (tmp_path / "list.txt").read_text(encoding="utf-8")
    assert text == (
        "Anna Owner <anna@example.org>\n"
        "Bert Double <bert@example.org>\n"
        '"Elif Yıldırım, Dr." <elif@example.org>\n'
        "Zoe Member <zoe@example.org>\n"
    )
    assert [parseaddr(line)[1] for line in text.splitlines()] == [line.rsplit("<")[-1][:-1] for line in made.lines]
    assert not made.findings


def test_files_are_for_their_owners_eyes_only(tmp_path: Path) -> None:
    written(tmp_path, *ALL)
    for name in ("list.txt", "list.txt.subscribe", "list.txt.unsubscribe"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_changes_are_those_since_the_last_export(tmp_path: Path) -> None:
    first = written(tmp_path, *ALL)
    assert first.subscribe == first.lines
    assert first.unsubscribe == ()
    again = written(tmp_path, *ALL)
    assert (again.subscribe, again.unsubscribe) == ((), ())
    changed = (*ALL[1:], "nora-no NEW@example.org true")  # Zoe asked to leave, Nora agrees
    later = written(tmp_path, *(c for c in changed if c != ALL[2]))
    assert later.subscribe == ("Nora No <NEW@example.org>",)
    assert later.unsubscribe == ("Zoe Member <zoe@example.org>",)
    assert (tmp_path / "list.txt.unsubscribe").read_text() == "Zoe Member <zoe@example.org>\n"


def test_one_address_of_two_people_stands_once(tmp_path: Path) -> None:
    made = written(tmp_path, "zoe-member lab@example.org true", "anna-owner LAB@example.org true")
    assert made.lines == ("Anna Owner <LAB@example.org>",)


def test_it_never_lies_in_the_warehouse(tmp_path: Path) -> None:
    of, config = registry(tmp_path)
    agreed(config, *ALL)
    for place in ("warehouse/list.txt", "warehouse/../warehouse/a/list.txt"):
        with pytest.raises(MailingListRefused, match="addresses never lie in the warehouse"):
            write_mailing_list(of, config, tmp_path / place)
    assert not list((tmp_path / "warehouse").rglob("list*"))


def test_the_commands_say_what_they_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], registry_folder: Path
) -> None:
    places = ["--registry", str(registry_folder), "--warehouse", str(tmp_path / "warehouse")]
    out = str(tmp_path / "list.txt")
    assert cli.main(["mailing-list", "--out", out, *places]) == 0
    assert "4 addresses" in capsys.readouterr().out
    assert cli.main(["mailing-list", "--out", str(tmp_path / "warehouse/x.txt"), *places]) == 1
    assert cli.main(["messages", "list", *places]) == 0
    assert "no message is doubtful" in capsys.readouterr().out
    assert cli.main(["messages", "again", "nobody", *places]) == 2
