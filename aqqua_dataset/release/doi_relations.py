"""How the dataset's DOI stands to others: all versions, the version before, parts, paper, software, metadata file."""

from aqqua_dataset.registry.models import Settings
from aqqua_dataset.registry.publishing import DoiPart

Related = dict[str, str]

#: Relation -> what stands at its other end (DataCite 4.5, ``resourceTypeGeneral``).
_KINDS = {
    "IsVersionOf": "Dataset", "HasVersion": "Dataset", "IsNewVersionOf": "Dataset", "HasPart": "Dataset",
    "IsPartOf": "Dataset", "IsDescribedBy": "DataPaper", "IsCompiledBy": "Software",
}  # fmt: skip


def to_doi(relation: str, doi: str) -> Related:
    """A relation to something with a DOI."""
    return {
        "relatedIdentifier": doi.lower(), "relatedIdentifierType": "DOI", "relationType": relation,
        "resourceTypeGeneral": _KINDS[relation],
    }  # fmt: skip


def of_version(settings: Settings) -> list[Related]:
    """What the settings say of the present major version's DOI."""
    told = settings.doi
    found = [("IsVersionOf", told.concept), *(("IsNewVersionOf", doi) for doi in told.earlier[:1])]
    found += [("IsDescribedBy", told.data_paper), ("IsCompiledBy", told.software)]
    found += [("HasPart", part.doi) for part in told.parts]
    return [to_doi(relation, doi) for relation, doi in found if doi]


def of_concept(settings: Settings) -> list[Related]:
    """What the settings say of the DOI of all versions."""
    return [to_doi("HasVersion", doi) for doi in (settings.dataset.doi, *settings.doi.earlier) if doi]


def of_part(settings: Settings, part: DoiPart) -> list[Related]:
    """What the settings say of a part's DOI."""
    return [to_doi("IsPartOf", settings.dataset.doi)] if settings.dataset.doi and part.doi else []


def croissant_file(settings: Settings, version: str) -> Related:
    """The file that describes a version to machines (MLCommons Croissant 1.1)."""
    return {
        "relatedIdentifier": f"{settings.dataset.url.rstrip('/')}/v{version}/croissant.json",
        "relatedIdentifierType": "URL", "relationType": "HasMetadata", "relatedMetadataScheme": "Croissant",
        "schemeUri": "http://mlcommons.org/croissant/1.1", "schemeType": "JSON-LD",
    }  # fmt: skip
