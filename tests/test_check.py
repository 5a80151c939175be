"""``aqqua check``: what a contributor sees on a laptop before anything is sent."""

from pathlib import Path

import pytest
from chromium import widths
from pages import Page
from PIL import Image

from aqqua_dataset.cli import main
from aqqua_dataset.demo import write_deliveries


def check(path: Path, out: Path, *more: str) -> int:
    return main(["check", str(path), "--out", str(out), "--executor", "serial", *more])


@pytest.fixture
def net(tmp_path: Path) -> Path:
    write_deliveries(tmp_path / "deliveries")
    return tmp_path / "deliveries/kattegat-net-2019.zip"


def test_a_delivery_becomes_a_report_and_a_summary(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(net, tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "kattegat-net-2019.zip: read as ecotaxa" in said
    assert "48 usable, 0 held back, 0 missing" in said
    assert "? Which time zone are your times in? time_zone: ZONE" in said
    assert str(tmp_path / "out/index.html") in said
    seen = Page((tmp_path / "out/index.html").read_text())
    assert seen.problems == []
    assert "nothing was sent" in seen.words
    assert "A dry run without a form knows nothing about credit" in seen.words
    text = (tmp_path / "out/report.md").read_text()
    assert str(tmp_path) not in text
    assert str(tmp_path) not in seen.words


def test_nothing_stays_behind_but_the_report(net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    assert main(["check", str(net), "--executor", "serial", "--warehouse", str(tmp_path / "w")]) == 0
    assert sorted(p.relative_to(tmp_path / "here").as_posix() for p in (tmp_path / "here").rglob("*")) == [
        "aqqua-report", "aqqua-report/index.html", "aqqua-report/report.md",
    ]  # fmt: skip
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not (tmp_path / "w").exists()


def test_answers_in_a_form_close_their_questions(net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    form = tmp_path / "form.yaml"
    form.write_text("declared: {time_zone: UTC, water_type: marine, deployment_type: net_sample_bench}\n")
    assert check(net, tmp_path / "out", "--form", str(form)) == 0
    assert "?" not in capsys.readouterr().out
    words = Page((tmp_path / "out/index.html").read_text()).words
    assert "Nothing is open." in words
    assert "The form says UTC." in words


def test_a_whole_contribution_file_is_a_form(
    net: Path, tmp_path: Path, registry_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    form = registry_folder / "contributions/kattegat-net-2019.yaml"
    assert check(net, tmp_path / "out", "--form", str(form), "--registry", str(registry_folder)) == 0
    words = Page((tmp_path / "out/index.html").read_text()).words
    assert words.startswith("Check of Net samples of the Kattegat 2019")
    assert "Anna Lindqvist" in words
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("declared: {time_zone: Nowhere/Land}\n", "declared.time_zone: expected a time zone"),
        ("declared: [1\n", "not readable as YAML"),
        ("hello: 1\n", "hello: unknown key"),
        ("declared:\n  pixel_size: {value: NUMBER, unit: um}\n", "form.yaml:2 declared.pixel_size.value"),
        ("declared:\n  column_units: {process_pixel: inch}\n", "form.yaml:2"),
        ("- 1\n", "expected keys with values"),
    ],
)
def test_a_mistake_in_the_form_is_named_with_its_line(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    form = tmp_path / "form.yaml"
    form.write_text(text)
    assert check(net, tmp_path / "out", "--form", str(form)) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_empty_form_says_nothing(net: Path, tmp_path: Path) -> None:
    (tmp_path / "form.yaml").write_text("")
    assert check(net, tmp_path / "out", "--form", str(tmp_path / "form.yaml")) == 0


def test_wrong_usage_is_told_apart_from_a_delivery_that_cant_be_read(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(net, tmp_path / "out", "--format", "nonsense") == 2
    assert check(net, tmp_path / "out", "--form", str(tmp_path / "absent.yaml")) == 2
    assert check(tmp_path / "nowhere", tmp_path / "out") == 1
    assert "no delivery at" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_is_called_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert check(tmp_path / "empty", tmp_path / "out") == 1
    assert "empty: not read; there is no file in it" in capsys.readouterr().out
    assert "there is no file in it" in Page((tmp_path / "out/index.html").read_text()).words


def test_pictures_alone_are_asked_for_their_metadata(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pictures").mkdir()
    for n in range(3):
        Image.new("L", (20 + n, 20), n).save(tmp_path / f"pictures/{n}.png")
    assert check(tmp_path / "pictures", tmp_path / "out") == 1
    said = capsys.readouterr().out
    assert "No image with metadata was found." in said
    assert "? Which columns of your tables hold what?" in said
    assert "aqqua suggest-mapping" in (tmp_path / "out/report.md").read_text()


def test_a_damaged_archive_is_reported_and_raises_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 this is no zip")
    assert check(tmp_path / "broken.zip", tmp_path / "out") == 1
    assert "broken.zip" in capsys.readouterr().out


@pytest.mark.realdata
def test_a_clean_real_delivery(real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Eleven vignettes of a scanner with everything that is needed but zone, water and deployment."""
    assert check(real_data / "ecotaxa/ecotaxa_back/import_test", tmp_path / "out") == 0
    assert "11 images of 11 objects. All of them arrived, and all can be used." in capsys.readouterr().out
    assert Page((tmp_path / "out/index.html").read_text()).elements.count("img") == 11


@pytest.mark.realdata
def test_a_messy_real_delivery(real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Six rows: a text as image, a missing file, no object id, latitude 100 and day 33 in one row."""
    assert check(real_data / "ecotaxa/ecotaxa_back/import_issues/tsv_issues", tmp_path / "out") == 0
    assert "2 usable, 3 held back, 1 missing" in capsys.readouterr().out
    words = Page((tmp_path / "out/index.html").read_text()).words
    assert "line 3; object “m106_mn01_n3_sml_1”; latitude: “100”" in words
    assert "line 3; object “m106_mn01_n3_sml_1”; datetime: “20140433 9920”" in words


@pytest.mark.realdata
def test_real_bins_without_a_form_are_understood_as_far_as_they_say(real_data: Path, tmp_path: Path) -> None:
    assert check(real_data / "ifcb/classipyr/raw", tmp_path / "out") == 0
    words = Page((tmp_path / "out/index.html").read_text()).words
    assert "No image is usable yet." in words
    assert "Imaging FlowCytobot" in words
    assert "From 2022-05-22 00:04 to 2022-05-22 00:04 UTC." in words
    assert "How large is one pixel?" in words


@pytest.mark.parametrize("width", [360, 1280])
def test_pages_fit_a_phone_and_a_desk(tmp_path: Path, width: int) -> None:
    write_deliveries(tmp_path / "deliveries")
    for name in ("skagerrak-messy-2018", "boknis-ifcb-2021", "kattegat-net-2019.zip"):
        check(tmp_path / "deliveries" / name, tmp_path / name)
        needed, available, wide = widths((tmp_path / name / "index.html").read_text(), width)
        assert available == width
        assert (needed <= available, wide) == (True, ""), name
