"""Whether two pictures show the same organism in the same moment, pixel by pixel: what a near hash only proposes.

Both objects are cut out, drawn bright on black and at one size of at most ``_SIDE`` pixels; of the eight ways to turn
and mirror one the best is taken and aligned to the other (affine, by enhanced correlation, Evangelidis and Psarakis
2008). Three measures then decide together, since small round organisms are alike in outline: the correlation of the
whole, that of the fine structure alone, and the difference that is left. Thresholds were set on the real
pictures (docs/duplicates.md), so that their false positive rate isn't known yet; what lies between is for a person.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from aqqua_dataset.images import normalise
from aqqua_dataset.images.decode import Pixels
from aqqua_dataset.images.kernels import edge_medians

Verdict = Literal["same", "unsure", "different"]
_Image = npt.NDArray[np.float32]

#: Longer side of the pictures compared, and of those that choose the orientation (px).
_SIDE, _COARSE = 64, 24
#: Object: what differs from the background by a share of the largest difference, and by so many grey levels. Two
#: shares, since faint fringes may come and go with re-encoding.
_OBJECT_SHARES, _OBJECT_LEVELS = (0.2, 0.4), 10
#: Shorter side of an object (px) below which nothing is called the same.
_LEAST = 12
#: Aspects of two objects may differ by this factor, the measures below need this much.
_ASPECT = 1.25
_MAYBE, _DIFFERENT = 0.7, 0.9
SAME = {"correlation": 0.99, "residual": 0.85, "rmse": 10.0}
_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 1e-4)


class Comparison(NamedTuple):
    """What two pictures have in common.

    Attributes:
        verdict: same, unsure (for a person) or different.
        correlation: of the aligned objects, -1 to 1.
        residual: correlation of their fine structure (what a blur of 1.5 px takes away), -1 to 1.
        rmse: root mean square difference left after gain and offset, in 255ths of the object's contrast.
        scale: size of the second object relative to the first.
        turned: how the second was turned to fit: degrees counter-clockwise, after "mirrored" where it was.
        inverted: whether one is dark on bright and the other bright on dark.
    """

    verdict: Verdict
    correlation: float
    residual: float
    rmse: float
    scale: float
    turned: str
    inverted: bool


class Cutout(NamedTuple):
    """An object bright on black (0 to 255) with and without its faint fringe, and whether it was dark on bright."""

    pixels: tuple[_Image, ...]
    dark: bool


def compare(first: Pixels, second: Pixels) -> Comparison:
    """Compares two decoded pictures, in one to three milliseconds whatever their size."""
    return compare_cutouts(prepare(first), prepare(second))


def compare_pairs(pairs: Iterable[tuple[Pixels, Pixels]]) -> Iterator[Comparison]:
    """Compares many; a picture that comes again right after, on the same side, is cut out once."""
    last: list[tuple[Pixels, Cutout | None] | None] = [None, None]
    for pair in pairs:
        for side, pixels in enumerate(pair):
            known = last[side]
            if known is None or known[0] is not pixels:
                last[side] = (pixels, prepare(pixels))
        yield compare_cutouts(*(kept[1] for kept in last if kept is not None))


def prepare(pixels: Pixels) -> Cutout | None:
    """The object of a picture; None where nothing stands out or too little is left of it."""
    seen = normalise.without_frame(normalise.grey8(pixels))
    if min(seen.shape) < _LEAST:
        return None
    lower, upper = edge_medians(seen)
    dark = lower - int(seen.min()) >= int(seen.max()) - upper
    away = lower - np.minimum(seen, lower) if dark else np.maximum(seen, upper) - upper
    # Smoothed, so that specks don't count as the object's edge.
    smooth = cv2.blur(away, (3, 3))
    found = []
    for share in _OBJECT_SHARES:
        least = max(_OBJECT_LEVELS, share * float(smooth.max()))
        x, y, width, height = cv2.boundingRect(cv2.threshold(smooth, least, 255, cv2.THRESH_BINARY)[1])
        if min(width, height) >= _LEAST:
            found.append(away[y : y + height, x : x + width].astype(np.float32))
    return Cutout(tuple(found), dark) if found else None


def compare_cutouts(first: Cutout | None, second: Cutout | None) -> Comparison:
    """Compares two prepared pictures; a missing object is never more than unsure."""
    if first is None or second is None:
        return Comparison("unsure", 0.0, 0.0, 255.0, 1.0, "0", False)
    inverted = first.dark != second.dark
    cuts = [(cut, _best(cut, other)) for cut, other in zip(first.pixels, second.pixels, strict=False)]
    cut, (coarse, turned, oriented) = max(cuts, key=lambda found: found[1][0])
    shape = _fitted(cut.shape, _SIDE)
    scale = round((oriented.size / cut.size) ** 0.5, 4)
    if coarse < _MAYBE:
        return Comparison("different", coarse, 0.0, 255.0, scale, turned, inverted)
    one = _drawn(cut, shape)
    other = _aligned(one, _drawn(oriented, shape))
    correlation, residual = _correlation(one, other), _correlation(_fine(one), _fine(other))
    rmse = _difference(one, correlation)
    return Comparison(_verdict(correlation, residual, rmse), correlation, residual, rmse, scale, turned, inverted)


def _verdict(correlation: float, residual: float, rmse: float) -> Verdict:
    if correlation >= SAME["correlation"] and residual >= SAME["residual"] and rmse <= SAME["rmse"]:
        return "same"
    return "unsure" if correlation >= _DIFFERENT else "different"


def _best(first: _Image, second: _Image) -> tuple[float, str, _Image]:
    """Coarse correlation, name and picture of the way to turn and mirror the second that fits the first best."""
    small = _drawn(first, _fitted(first.shape, _COARSE))
    best = (-1.0, "0", second)
    for mirrored in (False, True):
        for quarter in range(4):
            seen = np.rot90(second[:, ::-1] if mirrored else second, quarter)
            aspect = (seen.shape[0] / seen.shape[1]) / (first.shape[0] / first.shape[1])
            if 1 / _ASPECT <= aspect <= _ASPECT:
                found = _correlation(small, _drawn(seen, small.shape))
                if found > best[0]:
                    best = (found, f"mirrored {90 * quarter}" if mirrored else str(90 * quarter), seen)
    return best


def _fitted(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    factor = min(1.0, side / max(shape))
    return max(4, round(shape[0] * factor)), max(4, round(shape[1] * factor))


def _drawn(pixels: _Image, shape: tuple[int, ...]) -> _Image:
    shrinks = pixels.shape[0] > shape[0]
    drawn = cv2.resize(
        np.ascontiguousarray(pixels), shape[1::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    return np.asarray(drawn, np.float32)


def _aligned(one: _Image, other: _Image) -> _Image:
    """The other moved, stretched and turned by a little to fit; as it was where that leads nowhere."""
    warp = np.eye(2, 3, dtype=np.float32)
    try:
        cv2.findTransformECC(one, other, warp, cv2.MOTION_AFFINE, _STEPS, np.ones(one.shape, np.uint8), 3)
    except cv2.error:  # no convergence
        return other
    moved = cv2.warpAffine(
        other, warp, one.shape[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    fitted = np.asarray(moved, np.float32)
    return fitted if _correlation(one, fitted) > _correlation(one, other) else other


def _fine(pixels: _Image) -> _Image:
    return pixels - np.asarray(cv2.GaussianBlur(pixels, (0, 0), 1.5), np.float32)


def _correlation(one: _Image, other: _Image) -> float:
    a, b = one - one.mean(), other - other.mean()
    spread = float(np.sqrt(float((a * a).sum()) * float((b * b).sum())))
    return round(float((a * b).sum()) / spread, 6) if spread else 0.0


def _difference(one: _Image, correlation: float) -> float:
    """What a straight line from the other's grey to this one's leaves over, from the correlation (r squared)."""
    contrast = float(one.max() - one.min()) or 1.0
    left: Any = float(one.std()) * max(0.0, 1.0 - correlation**2) ** 0.5
    return round(255 * float(left) / contrast, 4)
