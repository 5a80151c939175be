"""The compiled loops over grey pixels against the same in plain numpy and OpenCV."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aqqua_dataset.images import content, kernels

pictures = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=80))


@given(pictures)
@settings(deadline=None)
def test_sums_and_background(pixels: np.ndarray) -> None:
    border = np.concatenate((pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]))
    wide = pixels.astype(object)
    assert kernels.sums(pixels) == (wide.sum(), (wide * wide).sum())
    ordered = np.sort(border)
    assert kernels.edge_medians(pixels) == (ordered[border.size // 2 - 1], ordered[border.size // 2])


def test_sums_of_a_large_white_picture_do_not_overflow() -> None:
    assert kernels.sums(np.full((3_000, 5_000), 255, np.uint8)) == (15_000_000 * 255, 15_000_000 * 65_025)


@given(pictures, st.integers(0, 255), st.integers(1, 255))
@settings(deadline=None)
def test_the_box_holds_all_that_differs_and_no_more(pixels: np.ndarray, background: int, trim: int) -> None:
    away = np.abs(pixels.astype(int) - background) >= trim
    rows, columns = np.flatnonzero(away.any(axis=1)), np.flatnonzero(away.any(axis=0))
    expected = (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1) if away.any() else (0, 0, 0, 0)
    assert kernels.object_box(pixels, background, trim) == expected


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=80)))
@settings(deadline=None)
def test_halving_takes_means(pixels: np.ndarray) -> None:
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    four = pixels[: 2 * height, : 2 * width].reshape(height, 2, width, 2).astype(int).sum(axis=(1, 3))
    assert (kernels.halved(pixels) == (four + 2) // 4).all()


@given(pictures, st.integers(1, 32), st.integers(1, 32))
@settings(deadline=None)
def test_scaling_is_bilinear(pixels: np.ndarray, height: int, width: int) -> None:
    out = np.full((40, 40), 7, np.uint8)
    kernels.scaled(pixels, height, width, out, 3, 5)
    expected = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
    assert np.abs(out[3 : 3 + height, 5 : 5 + width].astype(int) - expected).max() <= 1
    out[3 : 3 + height, 5 : 5 + width] = 7
    assert (out == 7).all()


@pytest.mark.parametrize("turned", [False, True])
def test_a_thumbnail_is_the_object_alone_in_the_middle(turned: bool) -> None:
    pixels = np.full((500, 300), 200, np.uint8)
    pixels[100:164, 50:82] = 100  # 64 x 32 after one halving of the whole: 32 x 16
    square = kernels.thumbnail(pixels.T.copy() if turned else pixels, 200, 24, 32, 256)
    expected = np.zeros((32, 32), np.uint8)
    expected[:, 8:24] = 100
    assert (square == (expected.T if turned else expected)).all()


@given(hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20)))
@settings(deadline=None)
def test_grey_values_of_sixteen_bit(pixels: np.ndarray) -> None:
    top = (1 << max(1, int(pixels.max()).bit_length())) - 1
    found = content.greys(pixels)
    assert found.mean == pytest.approx(pixels.mean() * 255 / top, abs=1e-4)
    assert found.std == pytest.approx(pixels.std() * 255 / top, abs=1e-4)
    assert np.abs(found.pixels - pixels.astype(float) * 255 / top).max() <= 0.5 + 1e-6


def test_a_constant_corner_has_no_footer_hash() -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (90, 90)).astype(np.uint8)
    assert content.footer_hash(pixels) is not None
    pixels[-31:, :40] = 9
    assert content.footer_hash(pixels) is None
    assert content.footer_hash(np.dstack([pixels] * 3)) is None
    pixels[-1, 39] = 8
    assert content.footer_hash(pixels) is not None
