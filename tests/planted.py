"""Personal data planted wherever a delivery or a registry can hold some, each with a word found nowhere else."""

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin

from aqqua_dataset import privacy
from aqqua_dataset.demo.draw import organism, write_files
from aqqua_dataset.demo.ecotaxa import ecotaxa_tsv, net_row
from aqqua_dataset.images import container

FORM_ID = "F-2025-0815"


class Item(NamedTuple):
    """One planted piece.

    Attributes:
        name: what it is.
        word: what a search for it looks for, in small letters.
        text: how it is written.
        column: the column of the delivered table that holds it, if one does.
    """

    name: str
    word: str
    text: str
    column: str = ""


def _cell(name: str, word: str, text: str, column: str = "") -> Item:
    return Item(name, word, text, column or f"object_note_{name.replace(' ', '_').replace('-', '_')}")


#: In cells of the delivered table.
CELLS = (
    _cell("plain address", "qx01a", "ask qx01a.berg@example.org."),
    _cell("mailto link", "qx02a", '<a href="mailto:qx02a@example.org?subject=x">me</a>'),
    _cell("at in brackets", "qx03a", "qx03a (at) example.org"),
    _cell("at and dot in brackets", "qx04a", "qx04a[at]example[dot]org"),
    _cell("at and dot as words", "qx05a", "write qx05a at example dot org"),
    _cell("html escaped", "qx06a", "qx06a&#64;example.org"),
    _cell("html hexadecimal", "qx07a", "qx07a&#x40;example&#x2E;org"),
    _cell("percent encoded", "qx08a", "to=qx08a%40example.org"),
    _cell("quoted printable", "qx09a", "qx09a=40example.org"),
    _cell("json escaped", "qx10a", "qx10a\\u0040example.org"),
    _cell("wide sign", "qx11a", "qx11a\uff20example.org"),
    _cell("name with umlaut", "qx12ä", "qx12ä.müller@example.org"),
    _cell("number to call", "600 9013", "+49 431 600 9013"),
    _cell("phone with prefix", "600-9014", "Tel.: 0431/600-9014"),
    _cell("network address", "192.0.2.215", "from 192.0.2.215"),
    _cell("network address 6", "2001:db8::b216", "host 2001:db8::b216"),
    _cell("windows folder", "qx17a", "C:\\Users\\qx17a\\Desktop\\scan.tif"),
    _cell("unix folder", "qx18a", "/home/qx18a/scans/1.tif"),
    _cell("mac folder", "qx19a", "file:///Users/qx19a/scan.tif"),
    _cell("form named", FORM_ID.lower(), f"see form {FORM_ID}"),
    _cell("log column", "qx20a", "10:01 start; 10:02 qx20a@example.org called; 10:03 stop", "acq_log"),
    _cell("comment line", "qx21a", "# entered by qx21a@example.org", "object_comment"),
    _cell("sample id", "qx22a", "cruise_qx22a@example.org_st5", "sample_id"),
    _cell("object id", "qx23a", "n1_qx23a@example.org_1", "object_id"),
    _cell("label", "qx24a", "Copepoda (qx24a@example.org)", "object_annotation_category"),
    _cell("annotator", "qx25a", "Qx25a Berg", "object_annotation_person_name"),
    _cell("annotator's address", "qx26a", "qx26a@example.org", "object_annotation_person_email"),
    _cell("operator", "qx27a", "Qx27a Berg", "sample_operator"),
    _cell("scan operator", "qx28a", "Qx28a", "sample_scan_operator"),
    _cell("scanned by", "qx29a", "Qx29a", "process_scanned_by"),
    _cell("telephone column", "qx30a", "qx30a extension 12", "acq_telephone"),
    _cell("classifier's author", "qx31a", "forest of qx31a@example.org", "object_classifier"),
    Item("column header", "qx32a", "object_qx32a@example.org", "object_qx32a@example.org"),
    Item("image file name", "qx33a", "qx33a@example.org_1.png", "img_file_name"),
    Item("table file name", "qx34a", "ecotaxa_qx34a@example.org.tsv", "source_table"),
)

#: In image files; the word is that of the bytes.
IMAGES = {
    "jpeg-exif": Item("EXIF of a JPEG", "qx41a", "qx41a"),
    "jpeg-exif-utf16": Item("UTF-16 in EXIF", "qx42a", "qx42a"),
    "jpeg-comment": Item("comment of a JPEG", "qx43a", "qx43a"),
    "jpeg-xmp": Item("XMP of a JPEG", "qx44a", "qx44a"),
    "jpeg-application": Item("application segment of a JPEG", "qx45a", "qx45a"),
    "png-text": Item("tEXt", "qx46a", "qx46a"),
    "png-ztxt": Item("zTXt", "qx47a", "qx47a"),
    "png-itxt": Item("iTXt", "qx48a", "qx48a"),
    "png-exif": Item("eXIf", "qx49a", "qx49a"),
    "png-profile": Item("colour profile of a PNG", "qx50a", "qx50a@example.org"),
    "png-after": Item("bytes after a PNG", "qx51a", "qx51a"),
    "tiff-tags": Item("tags of a TIFF", "qx52a", "qx52a"),
}

#: In the registry, in places that aren't published.
REGISTRY = (
    Item("comment in a registry file", "qx61a", "# phoned qx61a@example.org"),
    Item("history note", "qx62a", "agreed by phone with qx62a@example.org"),
    Item("contact", "qx63a", "qx63a@example.org"),
    Item("bare form id in a document", FORM_ID.lower(), FORM_ID),
)


def pixels(number: int) -> Image.Image:
    """A small grey picture."""
    return Image.fromarray(organism(np.random.default_rng(number), 50, 40))


def image_file(kind: str, number: int) -> tuple[str, bytes]:
    """Ending and bytes of an image that holds an item of ``IMAGES``."""
    text, picture, stream = IMAGES[kind].text, pixels(number), io.BytesIO()
    exif, info = Image.Exif(), PngImagePlugin.PngInfo()
    match kind:
        case "jpeg-exif":
            exif[0x013B] = text  # Artist
            picture.save(stream, "JPEG", exif=exif)
        case "jpeg-exif-utf16":
            exif[0x9C9D] = text.encode("utf-16-le")  # XPAuthor
            picture.save(stream, "JPEG", exif=exif)
        case "jpeg-comment":
            picture.save(stream, "JPEG", comment=text.encode())
        case "jpeg-xmp":
            xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><dc:creator>{text}</dc:creator></x:xmpmeta>'
            picture.save(stream, "JPEG", xmp=xmp.encode())
        case "jpeg-application":
            picture.save(stream, "JPEG")
            segment = b"\xff\xe5" + struct.pack(">H", len(text) + 2) + text.encode()
            return "jpg", stream.getvalue()[:2] + segment + stream.getvalue()[2:]
        case "tiff-tags":
            tags = TiffImagePlugin.ImageFileDirectory_v2()
            tags[315], tags[270] = text, text  # Artist, ImageDescription
            picture.save(stream, "TIFF", tiffinfo=tags)
            return "tif", stream.getvalue()
        case "png-text":
            info.add_text("Author", text)
        case "png-ztxt":
            info.add_text("Author", text, zip=True)
        case "png-itxt":
            info.add_itxt("Author", text, zip=True)
        case "png-exif":
            exif[0x013B] = text
    if kind.startswith("jpeg"):
        return "jpg", stream.getvalue()
    picture.save(stream, "PNG", pnginfo=info, exif=exif, icc_profile=_profile(text) if kind == "png-profile" else None)
    return "png", stream.getvalue() + (text.encode() if kind == "png-after" else b"")


def _profile(text: str) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + text.encode()


def deliver(folder: Path) -> None:
    """Writes a delivery that holds every item of ``CELLS`` and ``IMAGES``."""
    files = {f"{kind}.{ending}": data for kind, (ending, data) in images()}
    rows = [net_row("n1", i, name) for i, name in enumerate(files)]
    named, hidden = Path(next(i.text for i in CELLS if i.column == "img_file_name")), io.BytesIO()
    pixels(99).save(hidden, "PNG")
    row = net_row("n1", 98, str(named), **{i.column: i.text for i in CELLS if i.column not in ("source_table", "")})
    table = next(i.text for i in CELLS if i.column == "source_table")
    text = ecotaxa_tsv([*rows, row], bom=True, encoding="utf-8")
    write_files(folder, {table: text, str(named): hidden.getvalue(), **files})


def images() -> Iterator[tuple[str, tuple[str, bytes]]]:
    """Every kind of ``IMAGES`` with its file."""
    return ((kind, image_file(kind, number)) for number, kind in enumerate(IMAGES))


def switch_the_filter_off(patch: pytest.MonkeyPatch) -> None:
    """Lets everything personal through: in tables, in names of columns, in image files."""
    patch.setattr(privacy.Blotter, "frame", lambda self, rows, keep=(): rows)
    patch.setattr(privacy.Blotter, "without_persons", lambda self, rows, keep=(): rows)
    for name in ("scan_png", "scan_jpeg"):
        scan = getattr(container, name)
        patch.setattr(container, name, lambda data, scan=scan: scan(data)._replace(stored=data))
    patch.setattr(container, "encode_png", _with_tags)


def _with_tags(image: Image.Image) -> bytes:
    stream, info = io.BytesIO(), PngImagePlugin.PngInfo()
    for key, value in getattr(image, "tag_v2", {}).items():
        info.add_text(str(key), str(value))
    image.save(stream, "PNG", pnginfo=info)
    return stream.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
