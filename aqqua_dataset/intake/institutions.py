"""The institution that a form names: one of the registry, or a new one where its country is known."""

import difflib

from aqqua_dataset.intake.people import People, slug, unused
from aqqua_dataset.intake.proposals import Draft
from aqqua_dataset.intake.tables import HandedIn
from aqqua_dataset.privacy import blot
from aqqua_dataset.registry.models import Institution
from aqqua_dataset.registry.same_people import institution_key
from aqqua_dataset.release.people import country_names

_ALIKE = 0.85  # ratio of letters in common from which two names are pointed out


def institution_of(
    people: People, table: HandedIn, line: int, head: str, text: str, country: str, email: str
) -> tuple[str | None, Draft | None]:  # fmt: skip
    """Id of the institution a form names, and its record where it is new; None where its country isn't known."""
    name = " ".join(blot(text).split())
    key = " ".join(name.casefold().split())
    known = {institution_key(i.model_copy(update={"ror": None})): i.id for i in people.institutions.values()}
    if key in known:
        return known[key], None
    code, inferred = _country(country, email)
    if code is None:
        message = (
            "a new institution whose country isn't known: add it to institutions/, and to the person and data sets"
        )
        table.say("institution_without_country", message, line, head, name)
        return None, None
    if close := difflib.get_close_matches(key, known, n=1, cutoff=_ALIKE):
        message = f"is this {known[close[0]]}? A new one is proposed; change the files to that id if it is"
        table.say("institution_twice", message, line, head, name)
    identity = unused(slug(name, "institution"), people.institutions)
    people.institutions[identity] = Institution(id=identity, name=name, country=code)
    remarks = ["to do: ROR id, city, and position for the map"]
    remarks += [f"the country was taken from the ending of the address: {code}"] if inferred else []
    values = {"id": identity, "name": name, "country": code}
    where = f"{table.file}:{line}"
    return identity, Draft(f"institutions/{identity}.yaml", identity, values, where, tuple(remarks), frozenset(values))


def _country(said: str, email: str) -> tuple[str | None, bool]:
    """ISO 3166 code of a country's code or English name, else of the address's ending; whether it is the latter."""
    names = country_names()
    by_name = {name.casefold(): code for code, name in names.items()}
    if said.upper() in names:
        return said.upper(), False
    if said.casefold() in by_name:
        return by_name[said.casefold()], False
    ending = email.rpartition(".")[2].upper()
    code = {"UK": "GB"}.get(ending, ending)
    return (code, True) if code in names else (None, False)
