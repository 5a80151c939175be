"""Looks at a page as a browser would, without one."""

import re
from html.parser import HTMLParser

_EMPTY = {"meta", "link", "img", "br", "hr", "input"}  # of HTML; SVG closes its own


class Page(HTMLParser):
    """Elements of a page and whether they are nested properly.

    Attributes:
        problems: elements that end where they shouldn't, or never.
        addresses: values of attributes that a browser would fetch or go to.
        elements: names of all elements.
        words: all visible text, blanks folded.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.addresses: list[str] = re.findall(r"url\(([^)]*)\)|@import\s+(\S+)", text)
        self.elements: list[str] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self._words: list[str] = []
        self.feed(text)
        self.close()
        self.problems += [f"{name} never ends" for name in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)
        if tag not in _EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster"):
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            if name.startswith("on"):
                self.problems.append(f"{tag} has {name}")

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            self.problems.append(f"</{tag}> ends {self._open[-1:]}")
        else:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open[-1:] not in (["style"], ["script"]):
            self._words.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self._words).split())
