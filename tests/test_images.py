"""One image: decoded, verified, fingerprinted, stored without personal metadata, refused by name."""

import hashlib
import io
import struct
import tarfile
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from aqqua_dataset.images import container
from aqqua_dataset.images.inspect import BadImage, decode_sheet, inspect_crop, inspect_file, inspect_raw
from aqqua_dataset.images.shards import ShardWriter

RNG = np.random.default_rng(7)
GREY = RNG.integers(0, 256, (40, 30), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (40, 30, 3), dtype=np.uint8)
EMAIL = "jane.doe@example.org"


def encoded(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_clean_png_and_jpeg_keep_their_bytes(pixels: np.ndarray, kind: str) -> None:
    data = encoded(pixels, kind)
    packed = inspect_file(data)
    assert packed.data == data
    assert packed.image_sha256 == packed.delivered_sha256 == hashlib.sha256(data).hexdigest()
    assert (packed.width_px, packed.height_px, packed.bit_depth) == (30, 40, 8)
    assert packed.channels == (1 if pixels is GREY else 3)


def test_personal_metadata_is_cut_out_of_png_without_touching_pixels() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", EMAIL)
    info.add_itxt("Comment", EMAIL)
    exif = Image.Exif()
    exif[0x013B] = EMAIL
    data = encoded(GREY, "PNG", pnginfo=info, exif=exif)
    assert EMAIL.encode() in data
    packed = inspect_file(data)
    assert EMAIL.encode() not in packed.data
    assert packed.delivered_sha256 == hashlib.sha256(data).hexdigest() != packed.image_sha256
    assert (decoded(packed.data) == GREY).all()
    picture = [c for c in chunks(data) if c[0] == b"IDAT"]
    assert [c for c in chunks(packed.data) if c[0] == b"IDAT"] == picture


def chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    position, found = 8, []
    while position < len(png):
        (length,) = struct.unpack_from(">I", png, position)
        found.append((png[position + 4 : position + 8], png[position + 8 : position + 8 + length]))
        position += 12 + length
    return found


@pytest.mark.parametrize("progressive", [False, True])
def test_personal_metadata_is_cut_out_of_jpeg_without_touching_pixels(progressive: bool) -> None:
    exif = Image.Exif()
    exif[0x013B] = EMAIL
    data = encoded(COLOUR, "JPEG", exif=exif, comment=EMAIL.encode(), progressive=progressive)
    assert data.count(EMAIL.encode()) == 2
    packed = inspect_file(data + EMAIL.encode())  # bytes after the end of the picture go too
    assert EMAIL.encode() not in packed.data
    assert (decoded(packed.data) == decoded(data)).all()


def test_grey_is_grey_in_every_container() -> None:
    as_colour = np.repeat(GREY[..., None], 3, axis=2)
    palette = io.BytesIO()
    Image.fromarray(GREY).convert("P").save(palette, "PNG")
    hashes = {
        inspect_file(encoded(GREY, "PNG")).pixel_hash,
        inspect_file(encoded(as_colour, "PNG")).pixel_hash,
        inspect_file(palette.getvalue()).pixel_hash,
        inspect_file(encoded(GREY, "TIFF")).pixel_hash,
        inspect_file(encoded(GREY, "BMP")).pixel_hash,
        inspect_file(encoded(GREY, "GIF")).pixel_hash,
        inspect_raw(GREY.tobytes(), 30, 40).pixel_hash,
    }
    assert len(hashes) == 1


def test_shape_is_part_of_the_pixel_hash() -> None:
    assert inspect_raw(GREY.tobytes(), 30, 40).pixel_hash != inspect_raw(GREY.tobytes(), 40, 30).pixel_hash


def test_sixteen_bit_stays_sixteen_bit() -> None:
    deep = RNG.integers(0, 65_536, (20, 10), dtype=np.uint16)
    for kind in ("PNG", "TIFF"):
        packed = inspect_file(encoded(deep, kind))
        assert packed.bit_depth == 16
        assert (decoded(packed.data) == deep).all()


@given(st.integers(1, 60), st.integers(1, 60), st.binary(min_size=3600, max_size=3600))
def test_raw_pixels_come_back_equal(width: int, height: int, data: bytes) -> None:
    raw = data[: width * height]
    if np.frombuffer(raw, np.uint8).std() < 0.5:
        with pytest.raises(BadImage, match="every pixel"):
            inspect_raw(raw, width, height)
        return
    packed = inspect_raw(raw, width, height)
    assert decoded(packed.data).tobytes() == raw
    assert packed.delivered_sha256 == hashlib.sha256(raw).hexdigest()


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header speaks of more pixels than fit in memory."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b"\0" * 1000)
    png = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", header), (b"IDAT", body), (b"IEND", b"")):
        png += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return png


def two_frames(kind: str) -> bytes:
    stream = io.BytesIO()
    pictures = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    pictures[0].save(stream, kind, save_all=True, append_images=pictures[1:])
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "image_empty"),
        (b"this is no image", "image_format_unsupported"),
        (encoded(GREY, "PNG")[:-400], "image_unreadable"),
        (encoded(GREY, "JPEG")[:300], "image_unreadable"),
        (bomb(100_000, 100_000), "image_too_large"),
        (bomb(9_000, 9_000), "image_unreadable"),
        (two_frames("GIF"), "image_multiframe"),
        (two_frames("TIFF"), "image_multiframe"),
        (two_frames("PNG"), "image_multiframe"),
        (encoded(np.full((5, 5), 9, np.uint8), "PNG"), "image_constant"),
        (encoded(GREY, "WEBP"), "image_format_unsupported"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(data: bytes, reason: str) -> None:
    with pytest.raises(BadImage) as refused:
        inspect_file(data)
    assert refused.value.reason == reason


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "BMP"])
def test_no_cut_or_flipped_byte_ever_raises_anything_else(kind: str) -> None:
    whole = encoded(COLOUR if kind == "JPEG" else GREY, kind)
    for position in range(0, len(whole), max(1, len(whole) // 150)):
        flipped = whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :]
        for damaged in (whole[:position], flipped):
            try:
                inspect_file(damaged)
            except BadImage as refused:
                assert refused.reason.startswith("image_")


def test_raw_bytes_that_do_not_fill_the_picture_are_truncated() -> None:
    with pytest.raises(BadImage) as refused:
        inspect_raw(b"\1\2\3", 2, 2)
    assert refused.value.reason == "image_truncated"


def test_stripping_twice_changes_nothing() -> None:
    png, jpeg = encoded(COLOUR, "PNG"), encoded(COLOUR, "JPEG", comment=b"hello")
    assert container.scan_png(container.scan_png(png).stored).stored == container.scan_png(png).stored
    assert container.scan_jpeg(container.scan_jpeg(jpeg).stored).stored == container.scan_jpeg(jpeg).stored


@given(st.lists(st.binary(min_size=1, max_size=2000), max_size=8))
def test_shards_are_plain_tar_with_true_offsets(images: list[bytes]) -> None:
    stream = io.BytesIO()
    writer = ShardWriter(stream)
    offsets = [writer.add(f"image-{i}", "png", data) for i, data in enumerate(images)]
    assert writer.finish() == len(stream.getvalue())
    stream.seek(0)
    with tarfile.open(fileobj=stream) as archive:
        members = archive.getmembers()
        assert [m.name for m in members] == [f"image-{i}.png" for i in range(len(images))]
        assert [m.offset_data for m in members] == offsets
        for member, data in zip(members, images, strict=True):
            assert archive.extractfile(member).read() == data  # type: ignore[union-attr]
            assert (member.mtime, member.uid, member.gid, member.mode) == (0, 0, 0, 0o444)


@pytest.mark.parametrize("compression", [None, "lzw", "deflate"])
def test_colour_with_16_bit_keeps_every_bit(compression: str | None) -> None:
    pixels = RNG.integers(0, 1024, (20, 30, 3), dtype=np.uint16) * 64
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, photometric="rgb", compression=compression, metadata=None)
    packed = inspect_file(stream.getvalue())
    assert (packed.image_format, packed.channels, packed.bit_depth) == ("png", 3, 16)
    assert packed.delivered_sha256 == hashlib.sha256(stream.getvalue()).hexdigest()
    assert (imagecodecs.png_decode(packed.data) == pixels).all()


def test_damaged_16_bit_colour_is_refused_by_name() -> None:
    stream = io.BytesIO()
    tifffile.imwrite(stream, COLOUR.astype(np.uint16) * 256, photometric="rgb", metadata=None)
    with pytest.raises(BadImage) as refused:
        inspect_file(stream.getvalue()[:-100])
    assert refused.value.reason == "image_unreadable"


@pytest.mark.parametrize("pixels", [GREY, COLOUR, GREY.astype(np.uint16) * 256], ids=["grey", "colour", "deep"])
def test_a_rectangle_is_cut_out_of_a_sheet(pixels: np.ndarray) -> None:
    sheet = decode_sheet(encoded(pixels, "TIFF", compression="tiff_lzw"))
    packed = inspect_crop(sheet, 3, 5, 7, 11)
    expected = pixels[5:16, 3:10]
    assert (decoded(packed.data) == expected).all()
    assert packed.delivered_sha256 == hashlib.sha256(expected.tobytes()).hexdigest()
    assert (packed.width_px, packed.height_px, packed.bit_depth) == (7, 11, pixels.dtype.itemsize * 8)


def test_grey_stored_as_colour_is_cut_out_as_grey() -> None:
    sheet = decode_sheet(encoded(np.dstack([GREY] * 3), "TIFF"))
    packed = inspect_crop(sheet, 0, 0, 30, 40)
    assert packed.channels == 1
    assert packed.pixel_hash == inspect_file(encoded(GREY, "PNG")).pixel_hash


@pytest.mark.parametrize("place", [(-1, 0, 5, 5), (0, 0, 31, 5), (0, 36, 5, 5), (0, 0, 0, 5), (30, 0, 1, 1)])
def test_a_rectangle_outside_the_sheet_is_refused(place: tuple[int, int, int, int]) -> None:
    with pytest.raises(BadImage) as refused:
        inspect_crop(decode_sheet(encoded(GREY, "PNG")), *place)
    assert refused.value.reason == "image_rectangle_outside"


def test_a_whole_camera_frame_is_refused_before_it_is_decoded() -> None:
    data = encoded(np.zeros((2048, 2048), np.uint8), "PNG")
    with pytest.raises(BadImage) as refused:
        inspect_file(data[:200])  # the pixels aren't even there
    assert refused.value.reason == "image_full_frame"
    assert inspect_file(encoded(RNG.integers(0, 2, (2047, 2048), dtype=np.uint8), "PNG")).width_px == 2048
