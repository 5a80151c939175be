"""The real instrument files beside the checkout as deliveries: format, folder, and how each is read."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class RealDelivery:
    """One folder of real files.

    Attributes:
        name: short name for the test's report.
        format: the reader it is for.
        folder: path below the real files.
        source: further settings of the contribution's source.
    """

    name: str
    format: str
    folder: str
    source: dict[str, Any] = field(default_factory=dict)

    def copy(self, real_data: Path, target: Path) -> None:
        """Copies the delivery to where it may be damaged."""
        shutil.copytree(real_data / self.folder, target)


REAL = [
    RealDelivery("flowcam-meso", "flowcam", "flowcam/nerc_ceh"),
    RealDelivery("cytosense-cyz", "cytosense", "cytosense/cyzfile_api"),
    RealDelivery("ecotaxa-import", "ecotaxa", "ecotaxa/ecotaxa_back/import_test"),
    RealDelivery("ecotaxa-doi", "ecotaxa", "ecotaxa/ecotaxa_back/ref_exports/doi"),
    RealDelivery("ifcb-old", "ifcb", "ifcb/pyifcb/data"),
    RealDelivery("ifcb-new", "ifcb", "ifcb/classipyr"),
    RealDelivery("pi10", "pi10", "plankton_imager/cefas"),
    RealDelivery("uvp6-bundle", "uvp", "ecotaxa/ecotaxa_back/import_uvp6_zip_in_dir"),
    RealDelivery("zooscan", "zooscan", "zooscan/zooprocess_lib/project"),
    RealDelivery("vpr", "vpr", "vpr/iml2018051/IML2018051/rois/vpr0/d286"),
    RealDelivery("ecopart", "uvp", "uvp/ecopart_qa/ref_export/tsv_det_multi"),
    RealDelivery("spc-settings", "spc", "spc/spcconvert"),
    RealDelivery("planktivore", "spc", "planktivore/mbari_aidata"),
    RealDelivery("uvp6-bundle", "uvp", "ecotaxa/ecotaxa_back/import_uvp6_zip_in_dir"),
    RealDelivery("zooscan", "zooscan", "zooscan/zooprocess_lib/project/work"),
]
