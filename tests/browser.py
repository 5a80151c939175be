"""Renders a page in Chromium, where there is one: only a browser knows whether a page fits a phone."""

import html
import shutil
import subprocess
from pathlib import Path

import pytest

OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
)  # fmt: skip
#: The page stands in a frame of the wanted width, because a browser's own window has a least one.
_FRAME = """<!doctype html><title>frame</title><iframe id="f" style="border:0;width:{width}px;height:800px"
srcdoc="{page}"></iframe><script>
onload = () => {{ const d = document.getElementById("f").contentDocument;
  const wide = [...d.querySelectorAll("body *")].filter(e => !e.closest("svg, pre") &&
    e.getBoundingClientRect().right > {width} + 1).map(e => e.tagName + "." + e.className);
  document.title = d.documentElement.scrollWidth + " of " + d.documentElement.clientWidth + " " + wide.slice(0, 3); }};
</script>"""


def widths(page: str, width: int, folder: Path) -> tuple[int, int, str]:
    """Width the page's content takes, width there is, and the elements that stick out.

    Skips the test where no Chromium is installed.
    """
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium on this machine: whether the page fits a phone is not checked")
    file = folder / "frame.html"
    file.write_text(_FRAME.format(width=width, page=html.escape(page)), encoding="utf-8")
    done = subprocess.run(
        [
            browser, *OPTIONS, "--virtual-time-budget=5000", f"--user-data-dir={folder / 'profile'}", "--dump-dom",
            file.as_uri(),
        ],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    title = done.stdout.split("<title>")[1].split("</title>")[0]
    needed, _, available, *wide = title.split(" ")
    return int(needed), int(available), " ".join(wide).strip()
