"""The release as an RO-Crate: all required checks of roc-validator, without a network."""

import json
import shutil
from pathlib import Path
from typing import Any

from third_party import BEHIND, run_with

ROCRATE = """
import importlib.resources, io
import urllib3
from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
cache, out, folder = sys.argv[1:4]

class Packaged(HTTPAdapter):
    '''The context of RO-Crate 1.3 as the package rocrate has it.'''

    def send(self, request, **_):
        context = (importlib.resources.files("rocrate") / "data/ro-crate.jsonld").read_bytes()
        head = {"Content-Type": "application/ld+json"}
        return self.build_response(request, urllib3.HTTPResponse(io.BytesIO(context), head, 200, preload_content=False))

session = CachedSession(cache, backend="sqlite", allowable_codes=(200, 302, 404), expire_after=-1)
session.mount("https://", Packaged())
session.get("https://w3id.org/ro/crate/1.3/context")
session.close()
from rocrate_validator.cli.main import cli
sys.argv[1:] = ["-y", "validate", "--offline", "--cache-path", cache, "-p", "ro-crate-1.3", "-l", "required",
                "-f", "json", "-o", out, folder]
try:
    cli()
except SystemExit:
    pass
"""


def validated(folder: Path, scratch: Path) -> dict[str, Any]:
    run_with("card-readers", BEHIND + ROCRATE, scratch / "cache", scratch / "out.json", folder)
    found: dict[str, Any] = json.loads((scratch / "out.json").read_text(encoding="utf-8"))
    return found


def test_the_crate_passes_all_required_checks(public: Path, tmp_path: Path) -> None:
    found = validated(public, tmp_path)
    assert (found["passed"], found["issues"]) == (True, [])
    assert found["statistics"]["total_checks"] > 50


def test_a_crate_that_names_a_missing_file_fails(public: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(public, tmp_path / "copy"))
    (copy / "ledger.csv").unlink()
    found = validated(copy, tmp_path)
    assert not found["passed"]
    assert "ledger.csv" in json.dumps(found["issues"])


def test_the_crate_is_small_and_names_no_address(public: Path) -> None:
    crate = json.loads((public / "ro-crate-metadata.json").read_text(encoding="utf-8"))
    ids = [e["@id"] for e in crate["@graph"]]
    assert len(ids) == len(set(ids)) < 60
    assert {p["@id"] for e in crate["@graph"] if e["@id"] == "./" for p in e["hasPart"]} <= set(ids)
    assert "email" not in json.dumps(crate)
    assert all((public / i).exists() for i in ids if not i.startswith(("#", "http", "./")))
