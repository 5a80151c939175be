"""The fast decoders against Pillow: equal pixels on all that is accepted, refusal of all that Pillow refuses."""

import io
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
from PIL import Image

from aqqua_dataset.images import container
from aqqua_dataset.images.decode import BadImage, Pixels, decode, decode_by_reference
from aqqua_dataset.images.fingerprint import near_hashes
from aqqua_dataset.images.inspect import inspect_file

RNG = np.random.default_rng(11)
NOISE = RNG.integers(0, 256, (47, 61, 4), dtype=np.uint8)
SMOOTH = cv2.GaussianBlur(NOISE, (0, 0), 3)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def generated() -> dict[str, bytes]:
    """One file of every mode and way of storing that Pillow and libpng write."""
    files = {}
    for name, pixels in (("noise", NOISE), ("smooth", SMOOTH)):
        rgba = Image.fromarray(pixels, "RGBA")
        for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
            made = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257) if mode == "I;16" else rgba.convert(mode)
            files[f"{name}-{mode}.png"] = saved(made, "PNG")
        for filter_ in (8, 16, 32, 64, 128, 248):
            for kind, value in (("grey", pixels[..., 0]), ("rgb", pixels[..., :3])):
                data = imagecodecs.png_encode(np.ascontiguousarray(value), filter=filter_)
                files[f"{name}-{kind}-filter{filter_}.png"] = bytes(data)
        files[f"{name}-trns.png"] = saved(rgba.convert("L"), "PNG", transparency=7)
        files[f"{name}-icc.png"] = saved(rgba.convert("RGB"), "PNG", icc_profile=b"x" * 200)
        for mode in ("L", "RGB", "CMYK"):
            for options in (
                {},
                {"progressive": True},
                {"subsampling": 0},
                {"quality": 100},
                {"restart_marker_rows": 1},
            ):
                key = "-".join([name, mode, *options])
                files[f"{key}.jpg"] = saved(rgba.convert(mode), "JPEG", **options)
    return files


def outcome(data: bytes, way: object) -> Pixels | str:
    try:
        return way(data).pixels  # type: ignore[operator]
    except BadImage as bad:
        return bad.reason


def assert_equal(data: bytes, name: str) -> bool:
    found, expected = outcome(data, decode), outcome(data, decode_by_reference)
    if isinstance(found, str) or isinstance(expected, str):
        assert isinstance(found, str), f"{name}: accepted although Pillow says {expected}"
        return False
    assert found.dtype == expected.dtype, name
    assert np.array_equal(found, expected), name
    return True


@pytest.mark.parametrize("name", generated())
def test_every_mode_looks_as_in_pillow(name: str) -> None:
    assert assert_equal(generated()[name], name)


def test_real_images_look_as_in_pillow(real_data: Path) -> None:
    kinds = (".png", ".jpg", ".jpeg", ".tif", ".gif", ".bmp")
    files = [p for p in sorted(real_data.rglob("*")) if p.suffix.lower() in kinds]
    assert sum(assert_equal(p.read_bytes(), str(p)) for p in files) >= 250


@pytest.mark.parametrize("name", ["smooth-L.png", "smooth-RGB.png", "noise-L.jpg", "smooth-RGB.jpg"])
def test_what_pillow_refuses_is_refused(name: str) -> None:
    whole = generated()[name]
    for position in range(2, len(whole), max(1, len(whole) // 400)):
        for damaged in (whole[:position], whole[:position] + bytes([whole[position] ^ 0x41]) + whole[position + 1 :]):
            assert_equal(damaged, f"{name} at {position}")


def test_damage_behind_right_checksums_is_judged_as_by_pillow() -> None:
    """Damage in the compressed pixels of a PNG whose chunk checksums say nothing of it."""
    packed = zlib.compress(b"".join(b"\1" + bytes(row) for row in SMOOTH[..., 0]), 6)
    refused = 0
    for position in range(len(packed)):
        for damaged in (
            packed[:position],
            packed[:position] + bytes([packed[position] ^ 0x11]) + packed[position + 1 :],
        ):
            refused += not assert_equal(png(damaged), f"at {position}")
    assert refused > len(packed)


def png(packed: bytes, width: int = 61, height: int = 47, depth: int = 8, colour: int = 0) -> bytes:
    header = b"".join([width.to_bytes(4), height.to_bytes(4), bytes([depth, colour, 0, 0, 0])])
    return container.PNG_SIGNATURE + b"".join(
        len(d).to_bytes(4) + k + d + zlib.crc32(k + d).to_bytes(4)
        for k, d in ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    )


def test_what_is_stricter_than_pillow() -> None:
    good = png(zlib.compress(b"".join(b"\0" + bytes(row) for row in NOISE[..., 0])))
    wrong = good[:-13] + bytes([good[-13] ^ 1]) + good[-12:]
    with Image.open(io.BytesIO(wrong)) as image:
        image.load()
    with pytest.raises(BadImage, match="wrong checksum of chunk IDAT"):
        decode(wrong)
    jpeg = saved(Image.fromarray(NOISE[..., 0]), "JPEG")
    seen = 0
    for position in range(len(jpeg) // 2, len(jpeg) - 2):
        damaged = jpeg[:position] + bytes([jpeg[position] ^ 0x41]) + jpeg[position + 1 :]
        if isinstance(outcome(damaged, decode_by_reference), str):
            continue
        found = outcome(damaged, decode)
        seen += isinstance(found, str) and found == "image_unreadable"
    assert seen > 5, "coded data that leave the picture too early or too late"


def test_harmless_defects_are_mended() -> None:
    whole = generated()["smooth-L.png"]
    for defect in (whole[:-12], whole + b"trailing", whole + whole):
        assert inspect_file(defect).data == whole
    jpeg = generated()["smooth-L.jpg"]
    assert inspect_file(jpeg + b"PK\3\4 another file").data == jpeg


def tiff(width: int, height: int) -> bytes:
    stream = io.BytesIO(saved(Image.fromarray(NOISE[..., 0]), "TIFF"))
    data = bytearray(stream.getvalue())
    for tag, value in ((256, width), (257, height)):
        at = data.find(tag.to_bytes(2, "little") + b"\x04\0\1\0\0\0")
        data[at + 8 : at + 12] = value.to_bytes(4, "little")
    return bytes(data)


def jpeg_of(width: int, height: int) -> bytes:
    data = bytearray(generated()["smooth-L.jpg"])
    at = data.find(b"\xff\xc0")
    data[at + 5 : at + 9] = height.to_bytes(2) + width.to_bytes(2)
    return bytes(data)


HOSTILE = {
    "png-100000": (png(zlib.compress(bytes(1000)), 100_000, 100_000), "image_too_large"),
    "png-lying": (png(zlib.compress(bytes(1000)), 9_000, 9_000), "image_unreadable"),
    "png-bomb": (png(zlib.compress(bytes(20_001 * 20_000)), 20_000, 20_000), "image_too_large"),
    "png-bomb-allowed": (png(zlib.compress(bytes(9_001 * 9_000)), 9_000, 9_000), "image_constant"),
    "png-too-much-data": (png(zlib.compress(bytes(200_000_000)), 61, 47), "image_constant"),
    "png-deep": (png(zlib.compress(bytes(40_000)), 100, 100, 16, 6), "image_unreadable"),
    "jpeg-65500": (jpeg_of(65_500, 65_500), "image_too_large"),
    "jpeg-lying": (jpeg_of(9_900, 9_900), "image_unreadable"),
    "jpeg-scans": (b"\xff\xd8" + b"\xff\xda\0\2\1" * 200, "image_unreadable"),
    "tiff-100000": (tiff(100_000, 100_000), "image_too_large"),
    "tiff-lying": (tiff(9_000, 9_000), "image_unreadable"),
    "bmp-100000": (b"BM" + bytes(8) + b"\x36\0\0\0\x28\0\0\0" + (100_000).to_bytes(4, "little") * 2
                   + b"\1\0\x08\0" + bytes(24), "image_too_large"),
    "zip": (b"PK\3\4" + bytes(100), "image_format_unsupported"),
    "html": (b"<html><script>", "image_format_unsupported"),
    "signature-only": (container.PNG_SIGNATURE, "image_unreadable"),
}  # fmt: skip

PROBE = """
import resource, sys, time
from pathlib import Path
from aqqua_dataset.images.inspect import BadImage, inspect_file
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
data = Path(sys.argv[1]).read_bytes()
start = time.perf_counter()
try:
    inspect_file(data)
    print("accepted")
except BadImage as bad:
    print(bad.reason)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_are_refused_by_name_in_bounded_memory(name: str, tmp_path: Path) -> None:
    data, reason = HOSTILE[name]
    (tmp_path / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(tmp_path / name)], capture_output=True, text=True, timeout=60, check=True
    )
    found, megabytes = done.stdout.split()
    assert found == reason
    # 81 million pixels that are really there are 81 MB twice; nothing else needs more than its own bytes
    assert int(megabytes) < (400 if "allowed" in name else 60)
    assert "Traceback" not in done.stderr


def distance(first: str, second: str) -> int:
    return (int(first, 16) ^ int(second, 16)).bit_count()


def drawing(turn: float) -> np.ndarray:
    """A dark, uneven object on a bright background."""
    picture = np.full((120, 150), 240, np.uint8)
    cv2.ellipse(picture, (75, 60), (44, 20), turn, 0, 360, 90, -1)
    cv2.ellipse(picture, (60, 52), (9, 14), -turn, 0, 360, 30, -1)
    cv2.line(picture, (75, 60), (120, 95), 60, 3)
    return picture


def near(pixels: np.ndarray, kind: str = "PNG", **options: object) -> str:
    return near_hashes([inspect_file(saved(Image.fromarray(pixels), kind, **options)).thumbnail])[0]


def test_near_duplicates_are_near_and_others_are_not() -> None:
    picture = drawing(20)
    wanted = near(picture)
    assert distance(wanted, near(255 - picture)) == 0
    assert distance(wanted, near(np.pad(picture, 30, constant_values=240))) == 0
    assert distance(wanted, near(picture, "JPEG", quality=75)) <= 31
    assert distance(wanted, near(cv2.resize(picture, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA))) <= 40
    assert distance(wanted, near((picture // 2 + 60).astype(np.uint8))) <= 31
    assert distance(wanted, near(drawing(70))) > 60


def test_fingerprints_do_not_depend_on_their_company() -> None:
    thumbnails = [inspect_file(saved(Image.fromarray(drawing(t)), "PNG")).thumbnail for t in range(0, 180, 9)]
    assert near_hashes(thumbnails) == [near_hashes([t])[0] for t in thumbnails]
    assert near_hashes([]) == []


@pytest.mark.parametrize(("picture", "polarity"), [(drawing(5), "dark_on_light"), (255 - drawing(5), "light_on_dark")])
def test_grey_values(picture: np.ndarray, polarity: str) -> None:
    packed = inspect_file(saved(Image.fromarray(picture), "PNG"))
    assert packed.polarity == polarity
    assert packed.grey_mean == pytest.approx(picture.mean(), abs=1e-4)
    assert packed.grey_std == pytest.approx(picture.std(), abs=1e-4)


def test_grey_values_of_sixteen_bit_are_spread_from_the_bits_in_use() -> None:
    shallow, deep = drawing(5), drawing(5).astype(np.uint16) * 16
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = inspect_file(saved(Image.fromarray(deep), "PNG"))
    assert found.grey_std == pytest.approx(float(shallow.std()), rel=0.01)
    assert distance(near(shallow), near_hashes([found.thumbnail])[0]) <= 4


def test_colours_of_one_brightness_are_not_constant() -> None:
    picture = np.zeros((20, 20, 3), np.uint8)
    picture[:, :10], picture[:, 10:] = (100, 0, 0), (0, 51, 0)  # luma 29.9 both
    assert inspect_file(saved(Image.fromarray(picture), "PNG")).grey_std < 0.5
