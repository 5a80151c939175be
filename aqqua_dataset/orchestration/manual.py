"""The manual inside the UI: every asset names the page of ``docs/`` that explains it, and holds its text."""

import os
from pathlib import Path

import dagster as dg

_DOCS = Path(__file__).parents[2] / "docs"

#: Page of each asset; whatever isn't named here is explained on the data manager's home page.
PAGES = {
    "registry": "forms.md",
    "raw_delivery": "transfers.md",
    "raw_rows": "formats.md",
    "core_rows": "quality.md",
    "packed_images": "images.md",
    "quality": "quality.md",
    "distribution": "quality.md",
    "near_duplicates": "duplicates.md",
    "duplicates_page": "duplicates.md",
    "duplicates": "duplicates.md",
    "nightly_digest": "nightly.md",
    "progress_site": "progress.md",
    "release": "release.md",
}
HOME_PAGE = "data-manager.md"


def with_manual(spec: dg.AssetSpec) -> dg.AssetSpec:
    """The asset with a link to its page and the page itself, so that it can be read without leaving the UI.

    The link leads to ``AQQUA_DOCS_URL``, where the docs are on a web server; otherwise the page's name is said.
    """
    page = PAGES.get(spec.key.to_user_string(), HOME_PAGE)
    file, base = _DOCS / page, os.environ.get("AQQUA_DOCS_URL", "").rstrip("/")
    link = f"[{page}]({base}/{page})" if base else f"`docs/{page}`"
    # Installed without the checkout, there are no docs beside the package.
    text = {"manual": dg.MetadataValue.md(file.read_text(encoding="utf-8"))} if file.is_file() else {}
    return spec.replace_attributes(description=f"{spec.description}\n\nManual: {link}").merge_attributes(metadata=text)
