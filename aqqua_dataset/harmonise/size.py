"""How large the object is in its image, as the delivery measured it: area and box in pixels of the delivered image."""

from aqqua_dataset.harmonise.work import Work

_FIELDS = {"object_area": "object_area_px2", "object_width": "object_width_px", "object_height": "object_height_px"}


def interpret(work: Work) -> None:
    """Sets object_area_px2, object_width_px and object_height_px; what is no number above zero is null."""
    for name, field in _FIELDS.items():
        value = work.constant(float("nan"))
        for candidate in work.candidates(name):
            number, _ = work.number(work.delivered(candidate))
            value = value.fillna(number.where(number > 0))
        work.columns[field] = value
