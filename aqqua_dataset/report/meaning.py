"""The section about what the delivery was understood to mean, and who says so."""

from collections.abc import Sequence

from aqqua_dataset import schema
from aqqua_dataset.harmonise.scale import UNITS
from aqqua_dataset.report.blocks import Block, Pairs, Table, Text
from aqqua_dataset.report.facts import Counted, Facts, PixelSize, Reading, Taxonomy, Understood
from aqqua_dataset.report.words import images, length, number, quoted, sentence, share, unit_in_words

_UNIT_OF_RULE = {rule: unit for unit, (rule, _) in UNITS.items()}


def meaning(facts: Facts) -> tuple[Block, ...]:
    """Each concern with its values, where they came from and who says so."""
    known = facts.understood
    if known is None:
        return (Text("No row was read, so nothing could be understood."),)
    blocks: list[Block] = []
    if known.partial:
        text = f"No image is usable yet. This is how the first {images(known.rows)} were read, as far as they could be."
        blocks.append(Text(text, "suspect"))
    rows = (
        ("Format", _format(facts)),
        ("Instrument", _instrument(facts, known)),
        ("Pixel size", _pixel(known)),
        ("Time", _time(known)),
        ("Time zone", _zone(facts, known)),
        ("Position", _position(known)),
        ("Depth", _depth(facts, known)),
        ("Volume of water", _volume(known)),
        ("Labels", _labels(known.taxonomy, known.rows)),
    )
    blocks.append(Pairs(tuple((term, tuple(filter(None, lines))) for term, lines in rows)))
    if known.taxonomy.unresolved:
        blocks.append(_unresolved(known.taxonomy))
    return tuple(blocks)


def _format(facts: Facts) -> tuple[str, ...]:
    name = schema.enumerations()["source_system"].get(facts.format, facts.format)
    tables = ", ".join(quoted(t.value) for t in facts.tables if t.value)
    more = facts.table_count - len(facts.tables)
    found = f"Rows come from {tables}" + (f" and {more:,} more" if more > 0 else "") + "." if tables else ""
    day = facts.declared.retrieved
    taken = f"Taken over on {day.isoformat()}." if day and not facts.dry_run else ""
    return sentence(name), found, taken


def _instrument(facts: Facts, known: Understood) -> tuple[str, ...]:
    names = schema.enumerations()["instrument_id"]
    lines = []
    for identity, text, count in known.instruments:
        where = "the form" if text and text == facts.declared.instrument else "the delivery"
        if identity:
            lines.append(f"{names.get(identity, identity)}, called {quoted(text)} in {where}: {images(count)}.")
        elif text:
            lines.append(f"{quoted(text)} in {where} is no instrument that is known here: {images(count)}.")
        else:
            lines.append(f"Not named anywhere: {images(count)}.")
    lines.append(_listed("How it saw the water", known.deployments, "deployment_type"))
    platforms = [Counted(quoted(p.value), p.images) for p in known.platforms if p.value]
    return *lines, _listed("Platform", platforms)


def _pixel(known: Understood) -> tuple[str, ...]:
    if not known.pixel_sizes:
        return ("Not understood for any image.",)
    lines = [_one_pixel_size(size) for size in known.pixel_sizes]
    if known.pixel_size_count > len({size.um for size in known.pixel_sizes}):
        lines.append(f"There are {known.pixel_size_count:,} different pixel sizes.")
    if known.image_mm is not None:
        low, half, high = (length(float(f"{value:.2g}")) for value in known.image_mm)
        most = f"{low} to {high}, of half of them at most {half}" if low != high else f"about {half}"
        lines.append(f"With it the longer side of most images measures {most}. Can that be?")
    return tuple(lines)


def _one_pixel_size(size: PixelSize) -> str:
    unit = unit_in_words(_UNIT_OF_RULE.get(size.rule, size.rule))
    says = schema.enumerations()["pixel_size_unit_source"].get(size.unit_source, size.unit_source)
    place = "in the form" if size.column == "form" else f"in {quoted(size.column)}, taken as {unit}"
    value = f"{number(size.um)} µm per pixel: {images(size.images)}"
    return f"{value}. From {quoted(size.text)} {place}. Who says so: {sentence(says)}"


def _time(known: Understood) -> tuple[str, ...]:
    if known.first is None or known.last is None:
        return ("Not understood for any image.",)
    span = f"From {known.first:%Y-%m-%d %H:%M} to {known.last:%Y-%m-%d %H:%M} UTC."
    return span, _listed("Precision", known.time_precision, "datetime_precision"), _example(known.time_example)


def _zone(facts: Facts, known: Understood) -> tuple[str, ...]:
    zone = f"The form says {facts.declared.time_zone}." if facts.declared.time_zone else "The form names no time zone."
    return _listed("Who says so", known.time_zone, "timezone_source"), zone


def _position(known: Understood) -> tuple[str, ...]:
    if known.box is None:
        return ("Not understood for any image.",)
    west, south, east, north = known.box
    turned = east - 360 if east > 180 else east
    places = f"{known.positions:,} different places" if known.positions > 1 else "One place"
    edges = f"latitude {south:.3f}° to {north:.3f}°, longitude {west:.3f}° to {turned:.3f}°"
    if known.positions == 1:
        edges = f"latitude {south:.3f}°, longitude {west:.3f}°"
    lines = [f"{places}, {edges} (north and east are positive)."]
    lines.append(_listed("Notation", known.notation, "coordinate_format"))
    lines.append(_example(known.position_example))
    lines.append(_listed("Where it came from", known.position_source, "coordinate_source"))
    return *lines, _listed("Water", known.water, "water_type")


def _depth(facts: Facts, known: Understood) -> tuple[str, ...]:
    if known.depth is None:
        return ("Not understood for any image.",)
    low, high = (number(value) for value in known.depth)
    lines = [f"{low} to {high} m below the surface." if low != high else f"{low} m below the surface."]
    lines += [_listed("Kind", known.depth_kind, "depth_kind"), _example(known.depth_example)]
    if known.depth_example is None:
        lines.append("It is stated in the form.")
    if facts.declared.elevation_m is not None and known.altitude is not None:
        lower, upper = (number(value) for value in known.altitude)
        lines.append(
            f"The water's surface lies {number(facts.declared.elevation_m)} m above sea level: "
            f"altitudes of {lower} to {upper} m."
        )
    return tuple(lines)


def _volume(known: Understood) -> tuple[str, ...]:
    if not known.volumes:
        return ("None was delivered. The images can be used without it, but no abundance can be computed.",)
    return tuple(
        f"{sentence(name).removesuffix('.')}: {number(low)} to {number(high)} L ({images(count)})." if low != high
        else f"{sentence(name).removesuffix('.')}: {number(low)} L ({images(count)})."
        for name, count, low, high in known.volumes
    )  # fmt: skip


def _labels(taxonomy: Taxonomy, rows: int) -> tuple[str, ...]:
    if not taxonomy.labelled:
        return ("The images have no labels; that is fine.",)
    matched = "None of them was understood yet. All labels are kept as delivered."
    if taxonomy.matched_labels:
        matched = (
            f"{taxonomy.matched_labels:,} of them understood: {images(taxonomy.matched_images)} "
            f"({share(taxonomy.matched_images, taxonomy.labelled)} of the labelled). All labels are kept as delivered."
        )
    return (
        f"{images(taxonomy.labelled)} ({share(taxonomy.labelled, rows)}) with a label; "
        f"{taxonomy.labels:,} different label{'' if taxonomy.labels == 1 else 's'}.",
        matched,
        _listed("Status", taxonomy.status, "label_status"),
    )


def _unresolved(taxonomy: Taxonomy) -> Table:
    left = taxonomy.labels - taxonomy.matched_labels
    shown = "" if left <= len(taxonomy.unresolved) else f", the {len(taxonomy.unresolved)} commonest of {left:,}"
    rows = tuple((quoted(label.text), f"{label.images:,}") for label in taxonomy.unresolved)
    return Table(f"Labels not understood yet{shown}", ("label", "images"), rows, frozenset({1}))


def _listed(term: str, counts: Sequence[Counted], enumeration: str = "") -> str:
    """``Term: first (3 images), second (2 images).``; without counts where there is only one value."""
    words = schema.enumerations().get(enumeration, {})
    told = [words.get(c.value, c.value) or "not known" for c in counts]
    if not told:
        return ""
    if len(told) == 1:
        return f"{term}: {told[0]}."
    return f"{term}: " + ", ".join(f"{text} ({images(c.images)})" for text, c in zip(told, counts, strict=True)) + "."


def _example(reading: Reading | None) -> str:
    return f"For example {quoted(reading.delivered)} was read as {reading.read}." if reading else ""
