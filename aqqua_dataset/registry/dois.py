"""Checks the settings by which DOIs are registered, before anything is sent to anybody."""

import re
import urllib.parse
from collections.abc import Iterator

from aqqua_dataset.findings import Finding
from aqqua_dataset.registry.identifiers import is_valid_doi
from aqqua_dataset.registry.models import Settings
from aqqua_dataset.registry.publishing import DoiSystem

#: What DataCite takes when a DOI is made: stricter than what a DOI may be (lupo, ``doi`` validation).
DATACITE_DOI = re.compile(r"10\.[0-9]{4,5}/[-._;()/:a-zA-Z0-9*~$=]+")
#: Host of the production system.
PRODUCTION_HOST = "api.datacite.org"
#: Prefixes that are only ever for tests.
TEST_PREFIXES = frozenset({"10.5072"})

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")


def check_dois(settings: Settings) -> Iterator[Finding]:
    """Findings about DOIs, prefixes, addresses and the names of the variables with the secrets."""
    own = [("dataset.doi", settings.dataset.doi), ("doi.concept", settings.doi.concept)]
    own += [(f"doi.earlier.{i}", doi) for i, doi in enumerate(settings.doi.earlier)]
    own += [(f"doi.parts.{i}.doi", part.doi) for i, part in enumerate(settings.doi.parts)]
    papers = [("doi.data_paper", settings.doi.data_paper), ("doi.software", settings.doi.software)]
    for key, doi in (*own, *papers):
        told = key == "dataset.doi" and doi is not None and not is_valid_doi(doi)  # ``check`` says so, with the line
        if doi is not None and DATACITE_DOI.fullmatch(doi) is None and not told:
            expected = "expected a DOI that DataCite takes, such as 10.1234/abc.v1, without https://doi.org/"
            yield _finding("doi_invalid", key, expected, doi)
    given = [doi.lower() for _, doi in own if doi is not None]
    for key, doi in own:
        if doi is not None and given.count(doi.lower()) > 1:
            yield _finding("doi_twice", key, "expected another DOI: concept and versions have one each", doi)
    yield from _parts(settings)
    test, production = settings.doi.test, settings.doi.production
    if production is not None:
        for key, doi in own:
            if doi is not None and not doi.startswith(f"{production.prefix}/"):
                expected = f"expected a DOI under the production system's prefix {production.prefix}"
                yield _finding("doi_prefix", key, expected, doi)
    if test is not None and production is not None and test.prefix == production.prefix:
        expected = "expected another prefix than in production: it tells the two systems apart"
        yield _finding("doi_prefix", "doi.test.prefix", expected, test.prefix)
    for name, system in (("test", test), ("production", production)):
        if system is not None:
            yield from _system(name, system)


def _parts(settings: Settings) -> Iterator[Finding]:
    """Findings about the parts: each by one kind of ids, all by the same, none in two."""
    parts = settings.doi.parts
    if any(bool(p.contributions) == bool(p.instruments) for p in parts):
        yield _finding("doi_part", "doi.parts", "expected contributions or instruments, one of the two, in each", "")
    elif len({bool(p.contributions) for p in parts}) > 1:
        yield _finding("doi_part", "doi.parts", "expected all parts by contributions or all by instruments", "")
    held = [name for p in parts for name in (*p.contributions, *p.instruments)]
    for name in sorted({n for n in held if held.count(n) > 1}):
        yield _finding("doi_part", "doi.parts", "expected it in one part only", name)
    for number, part in enumerate(parts):
        if urllib.parse.urlsplit(part.url).scheme not in ("http", "https"):
            yield _finding("doi_part", f"doi.parts.{number}.url", "expected an http(s) address", part.url)


def _system(name: str, system: DoiSystem) -> Iterator[Finding]:
    at = f"doi.{name}"
    if re.fullmatch(r"10\.[0-9]{4,5}", system.prefix) is None:
        yield _finding("doi_prefix", f"{at}.prefix", "expected a prefix such as 10.5072", system.prefix)
    elif name == "production" and system.prefix in TEST_PREFIXES:
        yield _finding("doi_prefix", f"{at}.prefix", "expected a prefix that is not for tests", system.prefix)
    address = urllib.parse.urlsplit(system.api)
    local = address.hostname in ("127.0.0.1", "localhost", "::1")
    if address.hostname is None or not (address.scheme == "https" or (address.scheme == "http" and local)):
        yield _finding("doi_api", f"{at}.api", "expected an https address: the password is sent to it", system.api)
    elif address.username or address.password:
        yield _finding("doi_api", f"{at}.api", "expected an address without name and password", address.hostname)
    elif name == "test" and address.hostname == PRODUCTION_HOST:
        yield _finding("doi_api", f"{at}.api", "this is the production system", system.api)
    for key, variable in (("user_env", system.user_env), ("password_env", system.password_env)):
        if _VARIABLE.fullmatch(variable) is None:
            expected = "expected the name of an environment variable such as AQQUA_DATACITE_PASSWORD, never a secret"
            yield _finding("doi_secret", f"{at}.{key}", expected, "")


def _finding(rule: str, key: str, expected: str, value: str) -> Finding:
    return Finding(rule, "error", expected, file="settings.yaml", key=key, value=value)
