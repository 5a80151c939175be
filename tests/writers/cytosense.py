"""Writes documents as cyz2json does; no public document with images exists, so this is built from its source."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

RUN = "AQQUA test 2025-02-13 14h27"
CHANNELS = ("FWS", "SWS", "Fl Yellow", "FL Red", "Curvature", "FWS L", "FWS R")
PARAMETERS = (
    "length", "total", "maximum", "average", "inertia", "centreOfGravity", "fillFactor", "asymmetry",
    "numberOfCells", "sampleLength", "timeOfArrival", "first", "last", "minimum", "swscov", "variableLength",
)  # fmt: skip


def jpeg(number: int) -> bytes:
    """A small grey picture that differs from one number to the next."""
    pixels = np.random.default_rng(number).integers(0, 255, (24, 24), "uint8")
    made = io.BytesIO()
    Image.fromarray(pixels).save(made, "JPEG", quality=80)
    return made.getvalue()


def instrument() -> dict[str, Any]:
    """Everything that stands before the particles but the file's name."""
    return {
        "name": "Test station",
        "serialNumber": "CS-2020-101",
        "sampleCoreSpeed": 2.2,
        "laserBeamWidth": 5.0,
        "channels": [{"id": n, "description": name} for n, name in enumerate(CHANNELS)],
        "measurementSettings": {
            "CytoSettings": {
                "TabName": "AQQUA test",
                "EmailAddress": "jane@example.org",
                "SamplePompSpeed": 4.06,
                "CytoSettings": {"iif": {"ImageScaleMuPerPixelP": 0.3, "CameraFeatures": {"PixelPitch": 4.8}}},
            }
        },
        "measurementResults": {
            "start": "2025-02-13T14:28:04.646157+01:00",
            "duration": 1200.0,
            "particleCount": 464184,
            "pumpedVolume": 4872.0,
            "analysedVolume": 4859.499457,
            "pressureAbsolute": 212.27728,
        },
    }


def particle(number: int, has_image: bool) -> dict[str, Any]:
    """One particle with its pulse shapes and parameters."""
    measured = {name: number + position / 8 for position, name in enumerate(PARAMETERS)}
    return {
        "particleId": number,
        "hasImage": has_image,
        "pulseShapes": [{"description": c, "values": [0.5, 314.66666, 30.0, 0.083333336]} for c in CHANNELS],
        "parameters": [{"description": c, **measured} for c in CHANNELS],
    }


def image(number: int) -> dict[str, Any]:
    """The image of a particle."""
    return {"particleId": number, "base64": base64.b64encode(jpeg(number)).decode("ascii")}


def document(objects: int) -> dict[str, Any]:
    """A whole document: particles 1, 3, 5, ... have images, the others haven't."""
    particles = [particle(n, n % 2 == 1) for n in range(1, 2 * objects + 1)]
    images = [image(n) for n in range(1, 2 * objects + 1, 2)]
    return {"filename": f"{RUN}.cyz", "instrument": instrument(), "particles": particles, "images": images}


def write(folder: Path, objects: int) -> None:
    """One indented document; written by hand particle by particle, so that large ones are quick."""
    folder.mkdir(parents=True, exist_ok=True)
    head = json.dumps({"filename": f"{RUN}.cyz", "instrument": instrument()}, indent=2).removesuffix("\n}")
    texts = [json.dumps(particle(987654, flag), indent=2).replace("987654", "{}", 1) for flag in (False, True)]
    parts = [t.partition("{}") for t in (texts[0], texts[1])]
    with (folder / f"{RUN}.json").open("w", encoding="utf-8", newline="\r\n") as out:
        out.write(head + ',\n"particles": [')
        for number in range(1, 2 * objects + 1):
            before, _, after = parts[number % 2]
            out.write(("," if number > 1 else "") + "\n" + before + str(number) + after)
        out.write('],\n"images": [')
        for number in range(1, 2 * objects + 1, 2):
            out.write(("," if number > 1 else "") + "\n" + json.dumps(image(number), indent=2))
        out.write("]\n}\n")
