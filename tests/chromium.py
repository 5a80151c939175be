"""Chromium, driven by Playwright: what a person sees, presses and waits for."""

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
)  # fmt: skip


@contextlib.contextmanager
def chromium(*options: str) -> Iterator[Browser]:
    """A browser of its own; skips the test where no Chromium is installed."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine: what a browser makes of the page is not checked")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=[*_QUIET, *options])
        try:
            yield browser
        finally:
            browser.close()


class Tab:
    """One page, opened anew at every width.

    Attributes:
        requests: addresses the page has asked for since it was opened.
        problems: what the browser said on its console about the page.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._page: Page | None = None
        self.requests: list[str] = []
        self.problems: list[str] = []

    def open(self, url: str, width: int, scripts: bool = True, dark: bool = False) -> None:
        """Loads a page at a width in CSS pixels and waits until it is there."""
        if self._page is not None:
            self._page.context.close()
        context = self._browser.new_context(
            viewport={"width": width, "height": 800}, is_mobile=width < 600, java_script_enabled=scripts,
            color_scheme="dark" if dark else "light",
        )  # fmt: skip
        self._page = context.new_page()
        self.requests, self.problems = [], []
        self._page.on("request", lambda request: self.requests.append(request.url))
        self._page.on("console", lambda said: self.problems.append(said.text))
        self._page.goto(url)

    @property
    def page(self) -> Page:
        """What was opened last."""
        assert self._page is not None
        return self._page

    def value(self, expression: str) -> Any:
        """Value of a JavaScript expression in the page; the page's own scripts may be switched off."""
        return self.page.evaluate(expression)

    def accessible(self) -> list[dict[str, Any]]:
        """The nodes that a screen reader is told of."""
        session = self.page.context.new_cdp_session(self.page)
        nodes: list[dict[str, Any]] = session.send("Accessibility.getFullAXTree")["nodes"]
        return nodes


_STICKING_OUT = """width => [document.documentElement.scrollWidth, document.documentElement.clientWidth,
    [...document.querySelectorAll("body *")].filter(e => !e.closest("svg, pre") &&
    e.getBoundingClientRect().right > width + 1).map(e => e.tagName + "." + e.className).slice(0, 3).join(" ")]"""


def widths(page: str, width: int) -> tuple[int, int, str]:
    """Width the page's content takes, width there is, and the elements that stick out."""
    with chromium() as browser:
        tab = browser.new_page(viewport={"width": width, "height": 800})
        tab.set_content(page)
        needed, available, wide = tab.evaluate(_STICKING_OUT, width)
    return int(needed), int(available), str(wide)
