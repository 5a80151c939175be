"""A morning of the data manager, in Chromium: found by the sensor, failed, read why, mended, run again, rehearsed.

With ``AQQUA_SCREENSHOTS`` the pictures of docs/data-manager.md are made again, into that folder.
"""

import json
import os
import re
import shutil
from pathlib import Path

from playwright.sync_api import Page, expect
from ui import PATIENCE_S, Dagster, browser_page, running_dagster

from aqqua_dataset.demo import write_deliveries

LAKE = "lake-stechlin-2022"
QUARANTINE = re.compile("^images_in_quarantine$")


def test_from_a_failed_check_to_a_rehearsal(tmp_path: Path, registry_folder: Path) -> None:
    """Lake Stechlin's mapping names month before day; the table has them the other way round."""
    shutil.copytree(registry_folder, tmp_path / "registry")
    write_deliveries(tmp_path / "deliveries")
    files = tmp_path / "registry/contributions"
    for file in files.iterdir():
        if file.stem not in (LAKE, "kattegat-flowcam-2020"):
            file.unlink()
    right = (files / f"{LAKE}.yaml").read_text()
    assert "%d.%m.%Y" in right
    (files / f"{LAKE}.yaml").write_text(right.replace("%d.%m.%Y", "%m.%d.%Y"))
    pictures = Path(os.environ.get("AQQUA_SCREENSHOTS", tmp_path))
    with browser_page() as page, running_dagster(tmp_path) as dagster:
        _arrives_and_fails(page, dagster, pictures)
        (files / f"{LAKE}.yaml").write_text(right)
        _is_run_again(page, dagster, pictures)
        _is_rehearsed(page, dagster, pictures)
    [sealed] = (tmp_path / "warehouse/releases").rglob("RELEASED.json")
    assert sealed.parent.name == "v0.1.0-rehearsal"
    counted = json.loads((sealed.parent / "datapackage.json").read_text())
    assert counted["resources"]


def _arrives_and_fails(page: Page, dagster: Dagster, pictures: Path) -> None:
    dagster.wait_for("update_collection", 1)  # the sensor started it after the contributions' own runs
    tagged = [r.tags for r in dagster.runs() if r.tags.get("contribution") == LAKE]
    assert len(tagged) == 1
    assert tagged[0]["institution/lake-research-centre"] == "yes"
    page.goto(f"{dagster.url}/runs")
    page.get_by_text(f"contribution: {LAKE}").first.wait_for()
    _picture(page, pictures, "dagster-runs")
    page.goto(f"{dagster.url}/assets")
    page.get_by_text("harmonise", exact=True).last.wait_for()
    _picture(page, pictures, "dagster-assets")
    page.goto(f"{dagster.url}/locations/aqqua/jobs/validate_changed_contributions/playground")
    page.get_by_role("button", name="Launch Run").click()  # what the schedule starts at 01:00
    dagster.wait_for("validate_changed_contributions", 1)
    _start(page, dagster, "update_collection")
    dagster.wait_for("update_collection", 2)
    _start(page, dagster, "tell_what_is_new")
    dagster.wait_for("tell_what_is_new", 1)
    page.goto(f"{dagster.url}/assets/nightly_digest?view=events")
    page.get_by_text("[Show Markdown]").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("none of 24 images can be used")
    _picture(page, pictures, "dagster-digest")
    page.goto(f"{dagster.url}/assets/ledger?view=checks")
    trouble = page.get_by_role("row", name=re.compile(rf"error {LAKE} none of 24 images can be used"))
    expect(trouble.last).to_be_visible()
    page.locator("a[href*='checkDetail=images_in_quarantine']").or_(page.get_by_text(QUARANTINE)).first.click()
    reason = page.get_by_role("row", name=re.compile(rf"{LAKE} time_unparsable 24"))
    expect(reason.last).to_contain_text("Correct the value or give format in the mapping")
    expect(reason.last).to_contain_text("data.csv:")
    _picture(page, pictures, "dagster-check")
    page.get_by_text("[Show Markdown]").first.click()
    shown = page.get_by_role("dialog").locator("img")
    expect(shown).to_have_count(3)
    assert shown.first.evaluate("image => image.naturalWidth") > 10  # the picture is there, not only its frame
    _picture(page, pictures, "dagster-pictures")


def _is_run_again(page: Page, dagster: Dagster, pictures: Path) -> None:
    page.goto(f"{dagster.url}/runs?q[0]=tag%3Acontribution%3D{LAKE}")
    page.locator("a[href^='/runs/']").first.click()
    page.get_by_role("button", name="Re-execute all").click()
    page.get_by_text("RUN_SUCCESS").first.wait_for()
    _picture(page, pictures, "dagster-rerun")
    _start(page, dagster, "update_collection")
    dagster.wait_for("update_collection", 3)
    page.goto(f"{dagster.url}/assets/ledger?view=checks&checkDetail=images_in_quarantine")
    passed = page.get_by_text(re.compile(r"images_in_quarantine\s*Succeeded")).last
    expect(passed).to_be_visible(timeout=PATIENCE_S * 1000)  # the sensor may have counted once more meanwhile
    expect(page.get_by_text("time_unparsable")).to_have_count(0)


def _is_rehearsed(page: Page, dagster: Dagster, pictures: Path) -> None:
    _start(page, dagster, "build_release")
    dagster.wait_for("build_release", 1)
    page.goto(f"{dagster.url}/assets/release?view=events")
    page.get_by_text("0.1.0-rehearsal").first.wait_for()
    _picture(page, pictures, "dagster-rehearsal")


def _start(page: Page, dagster: Dagster, job: str) -> None:
    page.goto(f"{dagster.url}/jobs")
    page.locator(f"a[href$='/jobs/{job}']").first.click()
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_text("Launched run").or_(page.get_by_text("View")).first.wait_for()


def _picture(page: Page, folder: Path, name: str) -> None:
    page.wait_for_timeout(1000)  # what fades in has faded in
    page.screenshot(path=folder / f"{name}.png")
