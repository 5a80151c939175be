"""Which contributions and institutions the public site may name, and how.

Named is a contribution whose owner has agreed: its form (or its public licence) allows the release, it isn't withdrawn,
and no later day is set. No person is named: not by the site itself, and not by a title that holds a name.
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Iterable

from aqqua_dataset import privacy
from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.licences import item_licence
from aqqua_dataset.registry.models import Contribution, Institution, Registry
from aqqua_dataset.release.escape import one_line

#: Stands where a title can't be shown.
UNTITLED = "(title not shown)"

#: Letters from which on a part of a double name stands for a person by itself.
_LEAST_LETTERS = 4


def named_contributions(registry: Registry, day: dt.date) -> list[Contribution]:
    """The contributions that the site may name on a day, by id."""
    return [c for _, c in sorted(registry.contributions.items()) if may_be_named(registry, c, day)]


def may_be_named(registry: Registry, contribution: Contribution, day: dt.date) -> bool:
    """Whether the site may show that this contribution exists, under its title."""
    if contribution.revoked or contribution.state == "pledged" or item_licence(registry, contribution) is None:
        return False
    return contribution.not_before is None or contribution.not_before <= day


class PublicTitles:
    """Titles in which no person of the registry is named, and nothing by which somebody could be reached."""

    def __init__(self, registry: Registry) -> None:
        """Takes the family names of all people, and the longer parts of double names."""
        names = {_words(p.family) for p in registry.people.values()}
        parts = {f" {word} " for name in names for word in name.split() if len(word) >= _LEAST_LETTERS}
        self._kinds = privacy.kinds({c.form_id for c in registry.contributions.values() if c.form_id})
        self._names = sorted(parts | {name for name in names if name.strip()})

    def of(self, contribution: Contribution) -> str:
        """The title, or ``UNTITLED`` where it seems to name a person."""
        title = one_line(contribution.title)
        words = _words(title)
        personal = any(name in words for name in self._names) or any(privacy.found_in(title, self._kinds))
        return UNTITLED if personal else title


def title_findings(registry: Registry, named: Iterable[Contribution]) -> list[Finding]:
    """A finding for every contribution whose title isn't shown, so that somebody words it anew."""
    titles = PublicTitles(registry)
    message = "the title holds a family name of the registry or an address and isn't on the public site; reword it"
    return [
        Finding(
            "title_names_person", "warning", message, c.id, f"contributions/{c.id}.yaml", key="title", value=c.title
        )
        for c in named
        if titles.of(c) == UNTITLED
    ]


def _words(text: str) -> str:
    """The words of a text without diacritics and capitals, with blanks before, between and behind them."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    words = " ".join(re.findall(r"[^\W\d_]+", plain))
    return f" {words} "


def named_institutions(registry: Registry, named: Iterable[Contribution]) -> list[Institution]:
    """The institutions of contributions that may be named, by name."""
    ids = {name for c in named for name in c.institutions if name in registry.institutions}
    return sorted((registry.institutions[i] for i in ids), key=lambda i: (one_line(i.name), i.id))
