"""The DOI record of a release with thousands of contributors: checks, XML, sizes, and two runs against a server.

    python bench/doi.py [--contributors 3000]

Everybody has an ORCID iD, one of 200 institutions with a ROR id, and a contribution with a paper of its own. The server
is the one of the tests, on loopback. Times are CPU seconds of this process, the server's thread among them.
"""

import argparse
import datetime as dt
import functools
import gzip
import json
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import builders
from datacite import schema45
from datacite_server import PASSWORD, USER, datacite_server

from aqqua_dataset.registry.models import Attribution, Institution, Registry
from aqqua_dataset.registry.publishing import DoiSettings, DoiSystem
from aqqua_dataset.release import doi, doi_job
from aqqua_dataset.release.facts import ReleaseFacts
from aqqua_dataset.release.people import author_list

PREFIX = "10.5072"
NOW = dt.datetime(2027, 7, 15, 12, tzinfo=dt.UTC)
T = TypeVar("T")


def main() -> None:
    """Prints one line per step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contributors", type=int, default=3_000)
    registry = made(parser.parse_args().contributors)
    names = sorted(registry.contributions)
    facts = ReleaseFacts("1.0.0", "public", dt.date(2027, 7, 15), False, dict.fromkeys(names, 1_000), {"ifcb": 1},
                         10**12, (-180, -78, 180, 89), dt.date(1990, 1, 1), dt.date(2025, 6, 1))  # fmt: skip
    authors = timed("list of authors", lambda: author_list(registry, names))
    record = timed("record", lambda: doi.datacite_record(registry, facts, authors))
    problems = timed("all checks", lambda: doi.datacite_problems(record))
    assert problems == [], problems[:3]
    assert timed("of them the schema's", lambda: schema45.validate(record))
    text, xml = doi.datacite_json(record), timed("XML", lambda: doi.datacite_xml(record))
    plain = json.dumps({"data": {"attributes": record}}, ensure_ascii=False).encode()
    print(f"{len(record['contributors']):,} contributors, {len(record['relatedIdentifiers']):,} related identifiers")
    for what, size in (("JSON", len(text.encode())), ("XML", len(xml.encode())), ("sent", len(plain)),
                       ("sent, gzip", len(gzip.compress(plain)))):  # fmt: skip
        print(f"{what:22}{size / 1e6:8.2f} MB")
    register(registry, record)


def register(registry: Registry, record: doi.Record) -> None:
    """Drafts twice, publishes twice."""
    os.environ |= {"DOI_USER": USER, "DOI_PASSWORD": PASSWORD}
    with datacite_server() as server:
        system = DoiSystem(prefix=PREFIX, api=server.address, user_env="DOI_USER", password_env="DOI_PASSWORD")
        told = registry.settings.doi.model_copy(update={"test": system})
        settings = registry.settings.model_copy(update={"doi": told})
        sealed = doi_job.Sealed("r", "1.0.0", "public", False, record)
        actions: tuple[doi_job.Action, ...] = ("draft", "draft", "publish", "publish")
        for action in actions:
            before = len(server.changing)
            run = functools.partial(doi_job.register, action, settings, sealed, False, [], NOW, lambda _: None)
            done = ", ".join(s.done for s in timed(action, run))
            print(f"    {done}: {len(server.changing) - before} requests that change something")


def timed(what: str, run: Callable[[], T]) -> T:
    """Runs it and prints its CPU and wall time."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = run()
    print(f"{what:22}{time.process_time() - cpu:8.2f} s CPU {time.perf_counter() - wall:8.2f} s")
    return result


def made(count: int) -> Registry:
    """A registry of ``count`` invented people and as many contributions."""
    rng = random.Random(7)
    syllables = ["ka", "lo", "mi", "ter", "sund", "vik", "åse", "ryd", "nor", "pel", "garcía", "øst", "łuk", "yıl"]

    def word() -> str:
        return "".join(rng.choices(syllables, k=3)).title()

    institutions = {
        f"i-{n}": Institution(id=f"i-{n}", name=f"Institute of {word()}", country="DE", ror=ror(n)) for n in range(200)
    }
    people = {
        f"p-{n}": builders.person(
            f"p-{n}", given=word(), family=f"{word()}{n}", orcid=orcid(n + 1), affiliations=(f"i-{n % 200}",)
        )
        for n in range(count)
    }
    contributions = {
        f"c-{n}": builders.contribution(
            f"c-{n}", None, owners=(f"p-{n}",), institutions=(f"i-{n % 200}",),
            attribution=Attribution(state="given", text="Owner", cite_dois=(f"10.1234/paper.{n}",)),
        )
        for n in range(count)
    }  # fmt: skip
    base = builders.registry()
    told = DoiSettings(concept="10.1234/aqqua", data_paper="10.1234/paper")
    dataset = base.settings.dataset.model_copy(update={"doi": "10.1234/aqqua.v1"})
    settings = base.settings.model_copy(update={"dataset": dataset, "doi": told})
    known = {"settings": settings, "people": people, "institutions": institutions, "contributions": contributions}
    registry: Registry = base.model_copy(update=known)
    return registry


def orcid(number: int) -> str:
    """An ORCID iD with the right check digit (ISO 7064 MOD 11-2)."""
    digits, total = f"{number:015d}", 0
    for digit in digits:
        total = (total + int(digit)) * 2
    check = (12 - total % 11) % 11
    text = digits + ("X" if check == 10 else str(check))
    return "-".join(text[i : i + 4] for i in range(0, 16, 4))


def ror(number: int) -> str:
    """A ROR id with the right check digits (ISO 7064 MOD 97-10 over Crockford's base 32)."""
    alphabet, digits, rest = "0123456789abcdefghjkmnpqrstvwxyz", "", number + 32**5
    for _ in range(6):
        rest, digit = divmod(rest, 32)
        digits = alphabet[digit] + digits
    return f"0{digits}{98 - ((number + 32**5) * 100) % 97:02d}"


if __name__ == "__main__":
    main()
