"""Forms with the spreadsheets that came with them, as proposed contributions, people, institutions and contacts.

One form is one set of permissions; each of its data sets is a contribution with the form's id.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aqqua_dataset.findings import Finding
from aqqua_dataset.intake.contacts import ContactDraft, propose_contacts
from aqqua_dataset.intake.datasets import Dataset, dataset_of
from aqqua_dataset.intake.ecotaxa_list import project_of
from aqqua_dataset.intake.institutions import institution_of
from aqqua_dataset.intake.people import Name, People, name_of, person_values, slug, unused
from aqqua_dataset.intake.proposals import PROPOSALS, Draft, Outcome, Proposing
from aqqua_dataset.intake.sheets import read_sheets
from aqqua_dataset.intake.survey import FilledForm, Uploads, read_survey
from aqqua_dataset.intake.tables import HandedIn
from aqqua_dataset.intake.yaml_text import one_line
from aqqua_dataset.privacy import EMAIL, blot
from aqqua_dataset.registry.credit import Consent
from aqqua_dataset.registry.identifiers import is_valid_doi
from aqqua_dataset.registry.load import load_records
from aqqua_dataset.registry.models import Contribution, Registry
from aqqua_dataset.registry.survey_columns import TABLE, Meanings, load_survey_columns

SOURCE = "form"
_DOI = re.compile(r"\b10\.[0-9]{4,9}/[^\s\"'<>,;)\]]+")
_TITLE = 80  # characters of a description that stand for a title
_TO_DO = "to do: form: wording, signer, SHA-256 of the archived form; positions: whether they may be public"


@dataclass
class FormsRun:
    """One run over an export: the registry, who is known, the export's table, and what was made of it."""

    folder: Path
    registry: Registry
    proposing: Proposing
    people: People
    table: HandedIn
    uploads: Uploads
    standing: dict[str, Contribution]
    sheets: list[HandedIn] = field(default_factory=list)
    drafts: dict[str, Draft] = field(default_factory=dict)
    contacts: dict[str, ContactDraft] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    projects: dict[str, str] = field(default_factory=dict)
    met: set[str] = field(default_factory=set)


def import_forms(folder: Path, registry: Registry, export: Path, uploads: Path | None) -> Outcome:
    """Proposes what forms say; second runs propose what is new or changed.

    Args:
        folder: the registry's folder.
        registry: the registry as it stands.
        export: the survey's CSV export.
        uploads: folder with the files that were uploaded.
    """
    rows, wrong = load_survey_columns(folder, registry.settings)
    if not rows:
        message = "expected a table that says what the export's columns mean; see docs/forms.md"
        return Outcome(findings=[*wrong, Finding("survey_columns_missing", "error", message, file=TABLE)])
    forms, table = read_survey(export, Meanings(rows, registry.settings))
    waiting = load_records(folder / PROPOSALS, "contributions", Contribution)
    run = FormsRun(
        folder, registry, Proposing(folder, SOURCE), People.load(folder), table, Uploads(uploads, forms),
        {**waiting, **registry.contributions},
    )  # fmt: skip
    for form in sorted(forms, key=lambda f: (f.day, int(f.id))):
        _form(run, form)
    for path in sorted(set(run.uploads.files) - run.uploads.claimed):
        table.say("upload_unclaimed", "no form names this file; it isn't read", value=path.name, severity="note")
    outcome = run.proposing.run(run.drafts.values())
    propose_contacts(folder, SOURCE, run.contacts.values(), outcome)
    outcome.counts["rows of the export"] = len(table.rows)
    outcome.counts["rows of spreadsheets"] = sum(len(s.rows) for s in run.sheets)
    told = [f for handed in (table, *run.sheets) for f in handed.findings]
    outcome.findings[:0] = [*wrong, *told, *run.people.doubtful(registry, run.met, export.name)]
    return outcome


def _form(run: FormsRun, form: FilledForm) -> None:
    said, say = form.said, run.table.say
    name, head = name_of(said.get("owner_name", "")), form.columns.get("owner_name", "")
    if name is None:
        message = "expected a given name and a surname; the form isn't taken"
        say("owner_unreadable", message, form.line, head, said.get("owner_name", ""), "error")
        return
    if not name.certain:
        message = f"which is the given name, which the surname? proposed: {name.given} | {name.family}"
        say("name_parts_uncertain", message, form.line, head, name.text, "note")
    email = said.get("owner_email", "")
    if not EMAIL.fullmatch(email):
        say("email_invalid", "expected an e-mail address; no contact is kept", form.line, form.columns["owner_email"])
        email = ""
    owner = _owner(run, form, name, email)
    institution = _institution(run, form, email)
    _person(run, form, owner, name, institution)
    common = _terms(run, form)
    datasets = list(_datasets(run, form))
    if not datasets:
        message = "no data set: expected a description or a readable spreadsheet; nothing but the person is proposed"
        say("form_without_dataset", message, form.line, form.columns.get("dataset_description", ""), severity="error")
    for where, dataset in datasets:
        _contribution(run, form, where, dataset, owner, institution, common)
    _gone(run, form)
    if comments := said.get("comments"):
        message = "read the comments: they may name further people (ask them; nobody is added), formats or masks"
        say("comments_to_read", message, form.line, form.columns["comments"], one_line(blot(comments)), "note")


def _owner(run: FormsRun, form: FilledForm, name: Name, email: str) -> str:
    owner, _ = run.people.meet(name, email or None)
    run.met.add(owner)
    if email:
        listed = {"yes": True, "no": False}.get(form.said.get("mailing_list", ""))
        run.contacts[owner] = ContactDraft(owner, email, listed)
    return owner


def _institution(run: FormsRun, form: FilledForm, email: str) -> str | None:
    text = form.said.get("institution", "")
    if not text:
        message = "expected an institution; the person and the data sets are proposed without one"
        run.table.say("institution_missing", message, form.line, form.columns.get("institution", ""))
        return None
    head, country = form.columns["institution"], form.said.get("country", "")
    found, draft = institution_of(run.people, run.table, form.line, head, text, country, email)
    if draft is not None:
        run.drafts[draft.file] = draft
    return found


def _person(run: FormsRun, form: FilledForm, owner: str, name: Name, institution: str | None) -> None:
    """The owner's record; of one who is known only what the registry hasn't asked yet."""
    file, record = f"people/{owner}.yaml", run.people.known[owner]
    if file in run.drafts:
        other = run.drafts[file].values.get("affiliations", [])
        if institution is not None and other and institution not in other:
            message = f"another institution than on an earlier form of {owner}; it isn't added to the person"
            run.table.say("affiliation_differs", message, form.line, form.columns["institution"], institution, "note")
        return
    _, before = run.proposing.states[SOURCE].known(owner)
    values: dict[str, Any] = {"affiliations": [institution] if institution else []}
    if record.affiliations and "affiliations" not in before:
        values.pop("affiliations")
    if owner in run.people.new or "given" in before:
        values = person_values(owner, name, values)
    if owner in run.people.new or record.consent is Consent.NOT_ASKED or "consent" in before:
        values |= {"consent": Consent.AUTHOR.value, "consent_date": form.day}
    once = frozenset({"consent_date", "affiliations"}) if before else frozenset[str]()
    values = {k: v for k, v in values.items() if v}
    if values:
        where = f"{run.table.file}:{form.line}"
        run.drafts[file] = Draft(file, owner, values, where, ("to do: ORCID iD",), once)


def _terms(run: FormsRun, form: FilledForm) -> dict[str, Any]:
    """What holds for all data sets of a form: permissions, interim terms, attribution."""
    said, say = form.said, run.table.say
    head = form.columns["permission"]
    mandatory = [p.id for p in run.registry.settings.permissions if p.mandatory]
    if missing := [p for p in mandatory if p not in form.permissions]:
        message = f"mandatory permission missing: {', '.join(missing)}; the data can't be taken: ask the owner"
        say("permission_missing", message, form.line, head, ", ".join(form.permissions) or "none given")
    order = [p.id for p in run.registry.settings.permissions]
    given = sorted(form.permissions, key=order.index)
    terms, text = said.get("interim_terms"), said.get("interim_terms_text", "")
    if terms is None:
        message = "expected interim terms; the data sets stay pledges until they are known"
        say("interim_terms_missing", message, form.line, form.columns["interim_terms"])
    elif terms == "other" and not text:
        message = "other terms need their name and text; the data sets stay pledges until they are known"
        say("interim_terms_text_missing", message, form.line, form.columns["interim_terms"], terms)
        terms = None
    return {
        "form_id": f"R-{form.id}",
        "form_date": form.day,
        "permissions": [{"id": p, "date": form.day} for p in given],
        "interim_terms": terms,
        "interim_terms_text": one_line(blot(text)) if terms == "other" else None,
        "attribution": _attribution(run, form),
    }


def _attribution(run: FormsRun, form: FilledForm) -> dict[str, Any]:
    text = " ".join(form.said.get("attribution", "").split())
    head = form.columns.get("attribution", "")
    if not text:
        message = "no attribution yet; it is pending until the owner sends it"
        run.table.say("attribution_pending", message, form.line, head, severity="note")
        return {"state": "pending"}
    clean = blot(text)
    if clean != text:
        run.table.say("personal_in_text", "an address was taken out of the attribution", form.line, head, clean)
    dois = dict.fromkeys(d.rstrip(".") for d in _DOI.findall(clean))
    found = [doi for doi in dois if is_valid_doi(doi)]
    return {"state": "given", "text": clean} | ({"cite_dois": found} if found else {})


def _datasets(run: FormsRun, form: FilledForm) -> Iterator[tuple[str, Dataset]]:
    """The data sets of a form with the place each comes from: rows of its spreadsheets, else its description."""
    for place, name in enumerate(form.uploads, start=1):
        path = run.uploads.find(form, place)
        if path is None:
            message = f"the file of upload {place} isn't among the uploads (or isn't the only one of that name)"
            run.table.say("upload_missing", message, form.line, form.columns["uploads"], name, "error")
            continue
        for sheet in read_sheets(path, path.name):
            run.sheets.append(sheet)
            seen: dict[str, int] = {}
            for line, row in sheet.rows:
                if (same := seen.setdefault(repr(sorted(row.items())), line)) != line:
                    sheet.say("row_repeated", f"the same as row {same}; taken once", line, severity="note")
                elif (found := dataset_of(sheet, line, row, run.registry.settings)) is not None:
                    yield f"{sheet.file}:{line}", found
    if form.uploads:
        return
    text, head = form.said.get("dataset_description", ""), form.columns.get("dataset_description", "")
    title = form.said.get("dataset_title") or (text if len(text) <= _TITLE else text[:_TITLE].rpartition(" ")[0])
    row = {"dataset": title or text[:_TITLE], "description": text}
    if row["dataset"]:
        table = HandedIn(run.table.file)
        found = dataset_of(table, form.line, {k: v for k, v in row.items() if v}, run.registry.settings)
        run.table.findings += [replace(f, key=head) for f in table.findings]
        if found is not None:
            yield f"{run.table.file}:{form.line}", found


def _contribution(
    run: FormsRun, form: FilledForm, where: str, dataset: Dataset, owner: str, institution: str | None,
    common: Mapping[str, Any],
) -> None:  # fmt: skip
    """One data set as a proposed contribution, over the pledge of its project where there is one."""
    project = dataset.values.get("source", {}).get("dataset_id")
    if project is not None and (other := run.projects.setdefault(project, where)) != where:
        message = f"project {project} stands in {other} too, which is taken; this row isn't"
        run.table.say("project_twice", message, form.line, "", f"{where}: {dataset.title}", "error")
        return
    key = unused(f"{form.id}/{project or slug(dataset.title, 'dataset')}", run.keys)
    run.keys.add(key)
    file, before = run.proposing.states[SOURCE].known(key)
    standing = _standing(run, file, project)
    if standing is not None and standing.form_id not in (None, common["form_id"]):
        message = f"project {project} is {standing.id}, which has the form {standing.form_id}; decide which one holds"
        run.table.say("project_in_two_forms", message, form.line, "", dataset.title, "error")
        return
    ours = standing is None or "id" in before
    taken = {*run.standing, *(Path(f).stem for f in run.drafts)}
    name = Path(file).stem if file else standing.id if standing else unused(slug(dataset.title, "dataset"), taken)
    values = {**dataset.values, **common, "owners": [owner], "institutions": [institution] if institution else None}
    source = dict(values.pop("source", {}))
    if source and ours:
        source = {"format": "ecotaxa" if project else "auto", "location": name, **source}
    if source:
        values["source"] = source
    complete = bool(common["permissions"] and common["interim_terms"])
    last = max((form.day, *(e.date for e in standing.history))) if standing and not ours else form.day
    values["history"] = [{"date": last, "state": "agreed" if complete else "pledged"}]
    if standing is not None and not ours and owner not in standing.owners:
        message = f"the form's owner isn't among those of {standing.id}: {', '.join(standing.owners)}; ask them"
        run.table.say("owner_differs", message, form.line, form.columns["owner_name"], owner)
    record = {"id": name, **values} if ours else values
    ordered = {k: record[k] for k in Contribution.model_fields if record.get(k) not in (None, [], {})}
    remarks = [_TO_DO, *dataset.remarks]
    if comments := form.said.get("comments"):
        remarks.append(f"comments of the form: {one_line(blot(comments))}")
    draft = Draft(f"contributions/{name}.yaml", key, ordered, where, tuple(remarks))
    run.drafts[draft.file] = draft


def _standing(run: FormsRun, file: str | None, project: str | None) -> Contribution | None:
    """The contribution that a data set is already: as it became earlier, or by its project's number."""
    if file is not None:
        return run.standing.get(Path(file).stem)
    return next((c for c in run.standing.values() if project is not None and project_of(c) == project), None)


def _gone(run: FormsRun, form: FilledForm) -> None:
    """Data sets that an earlier version of the form had."""
    for key, file in sorted(run.proposing.states[SOURCE].files.items()):
        if key.startswith(f"{form.id}/") and key not in run.keys:
            message = f"the form no longer has the data set of {file}; the file is left as it is"
            run.table.say("dataset_gone", message, form.line, value=key.partition("/")[2])
