"""Messages through a real mail server: once to each, whatever breaks; nobody's address but the reader's."""

import datetime as dt
import email
import email.policy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from builders import collection, contribution
from mail_server import Mails, certificate, mail_server
from seeded import with_owners
from stores import KEYS, LENIENT, s3

from aqqua_dataset.ecotaxa.message import DOWNLOADS
from aqqua_dataset.findings import Finding
from aqqua_dataset.messages import mail
from aqqua_dataset.messages.mail import Smtp
from aqqua_dataset.messages.news import news as told_news
from aqqua_dataset.messages.personal import erase_messages, stored_messages
from aqqua_dataset.messages.post import Posting, open_messages, post
from aqqua_dataset.messages.said import Ledger
from aqqua_dataset.nightly.digest import TOLD
from aqqua_dataset.nightly.night import tell
from aqqua_dataset.nightly.state import MISSING, Seen, read_seen, write_seen
from aqqua_dataset.pipeline import Collection
from aqqua_dataset.registry.models import Event, MailServer
from aqqua_dataset.warehouse import Warehouse

NOW = dt.datetime(2026, 11, 21, 5, tzinfo=dt.UTC)
SERVER = MailServer(host_env="TEST_SMTP_HOST", port_env="TEST_SMTP_PORT", security="none")
WRONG = Finding("tsv_empty", "error", "the table has no rows; expected one for each image", "one", "a.tsv", 1)


def made(folder: Path, server: MailServer | None = SERVER, **messages: object) -> Collection:
    """Three people: the first owns two contributions, one of them together with the second; news wait for all."""
    owned = {"one": ("owner-000", "owner-001"), "two": ("owner-000",), "three": ("owner-002",)}
    of = collection(folder, *(contribution(n, None, owners=o) for n, o in owned.items()))
    of = with_owners(of, 3, smtp=server, **messages)
    write_seen(of.warehouse, {name: seen() for name in owned})
    return of


def seen(*findings: Finding, questions: tuple[str, ...] = ()) -> Seen:
    return Seen("s", "d", "usable", {"rows": 5}, {}, findings, "r", questions)


def news(of: Collection, **told: Seen) -> None:
    write_seen(of.warehouse, read_seen(of.warehouse) | told)


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mails]:
    with mail_server() as server:
        monkeypatch.setenv("TEST_SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("TEST_SMTP_PORT", str(server.port))
        yield server


def to(server: Mails) -> list[str]:
    return [address for address, _ in server.taken]


def test_each_owner_gets_one_message_over_all_contributions_and_none_twice(mails: Mails, tmp_path: Path) -> None:
    of = made(tmp_path)
    done = post(of, NOW)
    assert list(done.sent) == ["owner-000", "owner-001", "owner-002"]
    assert to(mails) == [f"{p}@example.org" for p in done.sent]
    text = str(mails.taken[0][1].get_content())
    assert "Contribution one (one)" in text
    assert "Contribution two (two)" in text
    assert "Contribution three" not in text
    assert "https://example.org/reports/" not in text  # there is no report yet
    assert not post(of, NOW + dt.timedelta(days=1)).sent
    assert len(mails.taken) == 3


def test_only_what_is_new_is_told_and_only_to_whom_it_concerns(mails: Mails, tmp_path: Path) -> None:
    of = made(tmp_path)
    post(of, NOW)
    mails.taken.clear()
    news(of, three=seen(replace(WRONG, contribution="three"), questions=("Is the water marine?",)))
    assert list(post(of, NOW).sent) == ["owner-002"]
    text = str(mails.taken[0][1].get_content())
    assert "a.tsv, line 1: the table has no rows" in " ".join(text.split())
    assert "Is the water marine?" in text
    assert "has arrived" not in text
    mails.taken.clear()
    news(of, three=seen(replace(WRONG, contribution="three", count=7), questions=("Is the water marine?",)))
    assert not post(of, NOW).sent  # another count is no news
    news(of, three=seen())
    assert not post(of, NOW).sent
    news(of, three=seen(replace(WRONG, contribution="three")))
    assert not post(of, NOW).sent  # it was said, and is known again


def test_a_pledge_is_not_asked_by_a_machine(mails: Mails, tmp_path: Path) -> None:
    of = made(tmp_path)
    pledge = Seen("s", "none", "waiting", questions=("Do you permit: public release?",), reported="r")
    write_seen(of.warehouse, {"three": pledge})
    assert not post(of, NOW).sent
    write_seen(of.warehouse, {"three": replace(pledge, kind="refused")})
    assert list(post(of, NOW).sent) == ["owner-002"]


def test_a_delivery_that_is_gone_is_not_said_to_have_arrived(tmp_path: Path) -> None:
    of = made(tmp_path)
    one = of.registry.contributions["one"]
    received = (*one.history, Event(date=dt.date(2026, 11, 1), state="received"))
    of.registry.contributions["one"] = one.model_copy(update={"history": received})
    gone = replace(seen(), delivery=MISSING, kind="refused", numbers={}, reported="")
    news(of, one=gone)
    assert "owner-001" not in told_news(of)
    news(of, one=replace(gone, delivery="d"))
    assert [i.kind for i in told_news(of)["owner-001"]] == ["received"]


def test_reasons_that_are_not_the_contributors_are_not_told(mails: Mails, tmp_path: Path) -> None:
    of = made(tmp_path)
    post(of, NOW)
    news(of, two=seen(Finding("no_space", "error", "disk full"), Finding("delivery_missing", "error", "gone")))
    assert not post(of, NOW).sent


def test_download_and_acceptance_are_told(mails: Mails, tmp_path: Path) -> None:
    of = made(tmp_path)
    post(of, NOW)
    mails.taken.clear()
    told = {"project": 42, "title": "Net hauls", "stamp": "2026-11-20T010203Z", "objects": 12, "images": 13}
    of.warehouse.write_json(f"{DOWNLOADS}/two.json", {**told, "missing": 0, "changes": ""})
    three = of.registry.contributions["three"]
    accepted = three.model_copy(update={"history": (*three.history, Event(date=NOW.date(), state="accepted"))})
    registry = of.registry.model_copy(update={"contributions": of.registry.contributions | {"three": accepted}})
    of = replace(of, registry=registry)
    assert list(post(of, NOW).sent) == ["owner-000", "owner-002"]
    first, second = (" ".join(str(m.get_content()).split()) for _, m in mails.taken)
    assert "12 objects with 13 images. You may now take back the access" in first
    assert "--projects 42 --revoke" in first
    assert "Your data set is accepted" in second
    assert not post(of, NOW).sent


def test_a_message_is_rfc_5322_and_its_id_is_its_content(mails: Mails, tmp_path: Path) -> None:
    of = made(tmp_path)
    people = of.registry.people
    named = people["owner-002"].model_copy(update={"given": "Åsa\nBcc: x@example.org", "family": "Ağaoğlu"})
    of = replace(of, registry=of.registry.model_copy(update={"people": {**people, "owner-002": named}}))
    post(of, NOW)
    message = mails.taken[2][1]
    assert message["To"].addresses[0].display_name == "Åsa Bcc: x@example.org Ağaoğlu"
    assert [a.addr_spec for a in message["To"].addresses] == ["owner-002@example.org"]
    assert message["Bcc"] is None
    assert message["From"].addresses[0].addr_spec == "dataset@example.org"
    assert message["Date"].datetime == NOW
    assert message["Auto-Submitted"] == "auto-generated"
    assert all(b < 128 for b in bytes(message))
    again = made(tmp_path / "again")
    post(again, NOW + dt.timedelta(days=9))
    assert mails.taken[5][1]["Message-ID"] == message["Message-ID"]  # same news to the same person, whenever
    assert len({m["Message-ID"] for _, m in mails.taken}) == 3


def test_no_address_but_the_readers_own_is_in_a_message(mails: Mails, tmp_path: Path) -> None:
    of = made(tmp_path)
    leak = replace(WRONG, message="written by someone.else@example.org", value="who@example.org", contribution="one")
    news(of, one=seen(leak, questions=("Is owner-001@example.org right?",)))
    post(of, NOW)
    for address, message in mails.taken:
        whole = message.as_string()
        for other in ("someone.else", "who@example.org", *(f"owner-00{n}@" for n in range(3))):
            assert other not in whole.replace(address, "")


def test_a_refused_address_is_told_once_and_a_corrected_one_is_tried(mails: Mails, tmp_path: Path) -> None:
    of = made(tmp_path)
    mails.refused = {"owner-001@example.org"}
    done = post(of, NOW)
    assert list(done.refused) == ["owner-001"]
    assert "550 no such mailbox" in done.refused["owner-001"]
    assert to(mails) == ["owner-000@example.org", "owner-002@example.org"]  # the others got theirs
    again = post(of, NOW)
    assert not again.sent
    assert list(again.refused) == ["owner-001"]  # still waits for a person
    assert list(open_messages(of)) == ["owner-001"]
    contacts = of.config.registry / "private/contacts.yaml"
    contacts.write_text(contacts.read_text().replace("owner-001@", "new@"))
    assert list(post(of, NOW).sent) == ["owner-001"]
    assert to(mails)[-1] == "new@example.org"
    assert not post(of, NOW).refused


def test_a_server_that_puts_off_gets_it_the_next_night(mails: Mails, tmp_path: Path) -> None:
    of = made(tmp_path)
    mails.busy = {"owner-000@example.org"}
    assert list(post(of, NOW).later) == ["owner-000"]
    mails.busy = set()
    assert list(post(of, NOW).sent) == ["owner-000"]
    assert sorted(to(mails)) == [f"owner-00{n}@example.org" for n in range(3)]


@pytest.mark.parametrize("took_it", [True, False])
def test_a_connection_that_ends_in_the_middle_makes_one_doubtful_message(
    mails: Mails, tmp_path: Path, took_it: bool
) -> None:
    of = made(tmp_path)
    mails.hangs_up_at, mails.took_it = 1, took_it
    done = post(of, NOW)
    assert list(done.doubtful) == ["owner-001"]
    assert list(done.sent) == ["owner-000", "owner-002"]
    again = post(of, NOW)
    assert not again.sent  # perhaps it arrived: never by itself a second time
    assert list(again.doubtful) == ["owner-001"]
    assert Ledger(of.warehouse, "owner-001").again() == 1  # a person asked, and it didn't
    assert list(post(of, NOW).sent) == ["owner-001"]
    assert to(mails).count("owner-001@example.org") == 1 + took_it


def test_a_server_that_is_down_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = made(tmp_path)
    monkeypatch.setenv("TEST_SMTP_HOST", "127.0.0.1")
    with mail_server() as server:
        port = server.port
    monkeypatch.setenv("TEST_SMTP_PORT", str(port))
    done = post(of, NOW)
    assert list(done.later) == ["owner-000", "owner-001", "owner-002"]
    with mail_server() as server:
        monkeypatch.setenv("TEST_SMTP_PORT", str(server.port))
        assert len(post(of, NOW).sent) == len(server.taken) == 3


def test_a_kill_between_sending_and_noting_sends_nothing_twice(
    mails: Mails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of, real = made(tmp_path), Smtp.send

    def killed(self: Smtp, message: object, address: str) -> object:
        real(self, message, address)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Smtp, "send", killed)
        with pytest.raises(KeyboardInterrupt):
            post(of, NOW)
    assert to(mails) == ["owner-000@example.org"]
    done = post(of, NOW)
    assert list(done.doubtful) == ["owner-000"]
    assert to(mails) == [f"owner-00{n}@example.org" for n in range(3)]


def test_more_than_the_limit_waits_for_a_persons_word(mails: Mails, tmp_path: Path) -> None:
    of = made(tmp_path, most_per_night=2)
    held = post(of, NOW)
    assert held.held == ["owner-000", "owner-001", "owner-002"]
    assert not mails.taken
    assert len(post(of, NOW, most=3).sent) == 3
    assert not post(of, NOW).held


def test_the_digest_says_once_that_messages_are_held(mails: Mails, tmp_path: Path) -> None:
    of = made(tmp_path, most_per_night=2)
    first = tell(of, [], NOW)
    assert "wait for your word (aqqua messages send --most N) (3)\n\n* owner-000" in first.text
    assert tell(of, [], NOW + dt.timedelta(days=1)).path == ""
    assert to(mails) == ["dataset@example.org"]


def test_a_dry_run_shows_everything_and_notes_nothing(mails: Mails, tmp_path: Path) -> None:
    of = made(tmp_path, most_per_night=0)
    dry = tell(of, [], NOW, dry_run=True)
    assert list(dry.digest.posting.texts) == ["owner-000", "owner-001", "owner-002"]
    assert not mails.taken
    assert not of.warehouse.exists(TOLD)
    assert len(post(of, NOW, most=3).sent) == 3


def test_who_wants_none_gets_none_and_who_has_no_address_is_listed(mails: Mails, tmp_path: Path) -> None:
    of = made(tmp_path)
    contacts = of.config.registry / "private/contacts.yaml"
    lines = contacts.read_text().splitlines()
    contacts.write_text("\n".join([lines[0].replace("}", ", messages: false}"), lines[2]]) + "\n")
    told = tell(of, [], NOW)
    assert told.digest.posting.unwanted == ["owner-000"]
    assert told.digest.posting.without_address == ["owner-001"]
    assert to(mails) == ["owner-002@example.org", "dataset@example.org"]
    assert "without an address in private/contacts.yaml\n\n* owner-001" in told.text


def test_tls_and_a_password_that_is_sent_over_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cert, context = certificate(tmp_path)
    for name, value in {"H": "localhost", "U": "robot", "P": "s3cret", "SSL_CERT_FILE": str(cert)}.items():
        monkeypatch.setenv(name, value)
    server = MailServer(host_env="H", port_env="PORT", user_env="U", password_env="P")
    of = made(tmp_path / "home", server)
    with mail_server(context) as mails:
        monkeypatch.setenv("PORT", str(mails.port))
        assert len(post(of, NOW).sent) == 3
        assert mails.logins == [("robot", "s3cret")]  # one connection
        without = server.model_copy(update={"user_env": None})
        later = post(made(tmp_path / "second", without), NOW).later
        assert list(later) == ["owner-000", "owner-001", "owner-002"]  # not refused: it isn't about their addresses
        assert "530" in later["owner-000"]
        monkeypatch.delenv("SSL_CERT_FILE")  # nobody vouches for the certificate
        news(of, one=seen(WRONG))
        done = post(of, NOW)
        assert len(done.later) == 2
        assert len(mails.logins) == 1
    monkeypatch.setattr(mail, "_LOOPBACK", ())
    in_the_clear = server.model_copy(update={"security": "none"})
    later = post(made(tmp_path / "third", in_the_clear), NOW).later
    assert "isn't sent without encryption" in later["owner-000"]


def test_a_warehouse_in_an_object_store_does_as_well(
    mails: Mails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "bucket").mkdir()
    with s3(tmp_path) as endpoint:
        options = {"endpoint_url": endpoint, "config_kwargs": LENIENT}
        of = replace(made(tmp_path / "home"), warehouse=Warehouse("s3://bucket/out", options))
        write_seen(of.warehouse, {"three": seen(WRONG)})
        first = tell(of, [], NOW)
        assert list(first.digest.posting.sent) == ["owner-002"]
        assert of.warehouse.exists(first.path)
        again = tell(of, [], NOW + dt.timedelta(days=1))
        assert (again.path, again.digest.posting.sent) == ("", {})
    assert to(mails) == ["owner-002@example.org", "dataset@example.org"]


def test_a_variable_that_is_not_set_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_SMTP_HOST", raising=False)
    assert "the environment has no variable TEST_SMTP_HOST" in post(made(tmp_path), NOW).later["owner-000"]


def test_without_a_server_messages_are_files_for_the_data_managers_eyes(tmp_path: Path) -> None:
    of = made(tmp_path, None)
    done: Posting = post(of, NOW)
    files = sorted((of.config.registry / "private/outbox").iterdir())
    assert sorted(done.sent.values()) == [str(f) for f in files]
    for file in files:
        assert file.stat().st_mode & 0o077 == 0
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        assert file.stem == str(message["Message-ID"]).strip("<>").partition("@")[0]
        assert "has arrived" in str(message.get_content())
    assert not [p for p in of.warehouse.find("") if b"@example.org" in of.warehouse.open(p).read()]


def test_what_was_said_to_somebody_can_be_shown_and_erased(tmp_path: Path) -> None:
    of = made(tmp_path, server=None)
    done = post(of, NOW)
    letters = {person: Path(told) for person, told in done.sent.items()}
    stored = stored_messages(of.config, "owner-000")
    assert stored["outbox"] == [str(letters["owner-000"])]
    assert [m["state"] for m in stored["said"]] == ["sent"]
    gone = erase_messages(of.config, "owner-000")
    assert str(letters["owner-000"]) in gone
    assert not letters["owner-000"].exists()
    assert letters["owner-001"].exists()
    assert stored_messages(of.config, "owner-000") == {}
    assert erase_messages(of.config, "owner-000") == []
    assert not [p for p in tmp_path.rglob("*owner-000*") if "messages" in p.parts]


def test_the_report_is_attached_where_it_has_no_link(mails: Mails, tmp_path: Path) -> None:
    of = made(tmp_path, reports_url=None)
    of.warehouse.write_bytes("reports/three/index.html", "<p>Åland</p>".encode())
    post(of, NOW)
    [attached] = mails.taken[2][1].iter_attachments()
    assert (attached.get_filename(), attached.get_content().strip()) == ("three.html", "<p>Åland</p>")
    linked = made(tmp_path / "linked")
    linked.warehouse.write_bytes("reports/three/index.html", b"<p></p>")
    post(linked, NOW)
    assert "Report: https://example.org/reports/three/index.html" in str(mails.taken[5][1].get_content())


def test_the_digest_goes_to_who_is_named_and_waits_for_a_server_that_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = made(tmp_path, digest_to=("owner-002",))
    assert tell(of, [], NOW).mailed == {
        "owner-002": "later the mail server can't be used: LookupError: the environment has no variable TEST_SMTP_HOST"
    }
    with mail_server() as server:
        monkeypatch.setenv("TEST_SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("TEST_SMTP_PORT", str(server.port))
        tell(of, [], NOW + dt.timedelta(days=1))
        digests = [m for address, m in server.taken if str(m["Subject"]).startswith("Night of")]
        assert [str(m["Subject"])[:19] for m in digests] == ["Night of 2026-11-21", "Night of 2026-11-22"]
        assert {str(m["To"].addresses[0].addr_spec) for m in digests} == {"owner-002@example.org"}
        count = len(server.taken)
        tell(of, [], NOW + dt.timedelta(days=2))
        assert len(server.taken) == count


def test_an_address_in_a_finding_is_in_no_digest(mails: Mails, tmp_path: Path) -> None:
    wrong = Finding("email_in_public_record", "error", "an e-mail", file="people/x.yaml", value="x@example.org")
    told = tell(made(tmp_path), [wrong], NOW)
    assert "people/x.yaml an e-mail" in told.text
    assert "x@example.org" not in told.text + mails.taken[-1][1].as_string()
