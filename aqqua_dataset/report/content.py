"""The report in plain words: what each section says, from the facts alone."""

from aqqua_dataset.findings import Finding
from aqqua_dataset.report import plots
from aqqua_dataset.report.blocks import (
    Block,
    Card,
    Code,
    Document,
    Figure,
    Figures,
    Pairs,
    Section,
    Sheet,
    Table,
    Text,
    Tone,
)
from aqqua_dataset.report.facts import Arrival, Credit, Example, Facts, LedgerCounts, Marked, Understood
from aqqua_dataset.report.meaning import meaning
from aqqua_dataset.report.questions import Question, answers, questions
from aqqua_dataset.report.words import images, length, number, quoted, sentence, share

_BADGES: dict[str, tuple[Tone, str]] = {
    "fail": ("fail", "wrong"),
    "suspect": ("suspect", "please check"),
    "note": ("note", "for your information"),
    "error": ("fail", "wrong"),
    "warning": ("suspect", "please check"),
}
_MOST_FINDINGS = 20
_WORDING = {
    "given": "This is the wording that you gave.",
    "pending": "Your own wording is still to come; until then this one is used.",
    "waived": "You asked for no credit line of your own.",
}


def document(facts: Facts) -> Document:
    """The whole report."""
    asked = questions(facts)
    title = f"Check of {facts.title}" if facts.dry_run else facts.title
    subtitle = (
        "A dry run: the delivery was read on your own computer and nothing was sent."
        if facts.dry_run
        else f"Report on the contribution {facts.contribution}. {sentence(facts.description)}"
    )
    sections = (
        Section("summary", "At a glance", _summary(facts, asked)),
        Section("understood", "What we understood, and how", meaning(facts)),
        Section("plots", "Where, when, how deep, what", _plots(facts)),
        Section("images", "Some of the images", _sheet(facts)),
        Section("check", "What to check", _check(facts)),
        Section("held-back", "What was held back", _held_back(facts)),
        Section("credit", "How you will be credited", _credit(facts.credit)),
        Section("questions", "Open questions", _questions(facts, asked)),
    )
    return Document(title, subtitle, sections)


def _summary(facts: Facts, asked: tuple[Question, ...]) -> tuple[Block, ...]:
    counts = facts.arrival
    blocks: list[Block] = []
    if facts.refused:
        blocks.append(Text(f"The delivery was not read: {facts.refused}.", "fail"))
    blocks.append(verdict(facts, asked))
    parts = (
        ("usable", "usable", counts.usable),
        ("held", "held back", counts.held_back),
        ("missing", "missing", counts.missing),
    )
    told = f"{counts.usable:,} usable, {counts.held_back:,} held back, {counts.missing:,} missing"
    rows = (
        ("Usable", f"{counts.usable:,}", "can go into the dataset as they are"),
        ("Held back", f"{counts.held_back:,}", "arrived, but something is missing or wrong; see “What was held back”"),
        ("Missing", f"{counts.missing:,}", "announced or named in your tables, but not in the delivery"),
        ("All", f"{counts.declared:,}", f"= {counts.usable:,} + {counts.held_back:,} + {counts.missing:,}"),
    )
    table = Table("Images of this contribution", ("", "images", "what it means"), rows, frozenset({1}))
    if counts.declared:
        blocks.append(Figure(plots.arrival_bar(parts, told), told, ""))
    return (*blocks, table, *_copies(counts))


def verdict(facts: Facts, asked: tuple[Question, ...]) -> Text:
    """The report in one or two sentences."""
    counts = facts.arrival
    if not counts.declared:
        return Text("No image with metadata was found.", "fail")
    if not facts.objects:
        return Text(f"{images(counts.declared)} announced; none was read yet.", "suspect")
    tone: Tone = "good" if counts.usable == counts.declared else "suspect" if counts.usable else "fail"
    arrived = "All of them arrived" if not counts.missing else f"{counts.received:,} arrived"
    usable = "all can be used" if counts.usable == counts.received else f"{counts.usable:,} can be used"
    if not counts.usable:
        usable = "none can be used yet"
    if not counts.received:
        arrived, usable = "None of them arrived", "none can be used yet"
    doubts = sum(m.severity != "note" for m in facts.flags)
    todo = " and ".join(
        filter(None, (_plural(doubts, "thing to check", "things to check"), _plural(len(asked), "open question")))
    )
    last = f" There {'is' if doubts + len(asked) == 1 else 'are'} {todo}." if todo else " Nothing is open."
    about = f"{images(counts.declared)} of {_plural(facts.objects, 'object') or 'no object'}."
    return Text(f"{about} {arrived}, and {usable}.{last}", tone)


def _plural(count: int, one: str, many: str = "") -> str:
    return "" if not count else f"{count:,} {one if count == 1 else many or one + 's'}"


def _copies(counts: Arrival) -> tuple[Text, ...]:
    found = []
    if counts.repeated:
        found.append(Text(f"{images(counts.repeated)} with the same pixels as another one of this delivery."))
    if counts.ledger is not None and counts.usable:
        found.append(Text(_planned(counts.usable, counts.ledger)))
    return tuple(found)


def _planned(usable: int, counts: LedgerCounts) -> str:
    if counts.permitted == usable:
        return "All usable images are planned for the public release."
    why = f" ({counts.reason.replace('_', ' ')})" if counts.reason and counts.withheld else ""
    return (
        f"Of the {usable:,} usable images {counts.permitted:,} are planned for the public release, {counts.withheld:,} "
        f"are withheld{why}, and {counts.duplicate:,} are copies: an equal image is published, and all who "
        "delivered it are credited."
    )


def _plots(facts: Facts) -> tuple[Block, ...]:
    known = facts.understood
    if known is None:
        return (Text("There is nothing to draw."),)
    figures = [*_maps(known), *_time(known), *_depth(known), *_labels(known)]
    return (Figures(tuple(figures)),) if figures else (Text("There is nothing to draw."),)


def _maps(known: Understood) -> list[Figure]:
    if known.box is None:
        return []
    west, south, east, north = known.box
    regional = plots.is_regional(known.box)
    turned = east - 360 if east > 180 else east
    where = f"{known.positions:,} places, latitude {south:.2f}° to {north:.2f}°, longitude {west:.2f}° to {turned:.2f}°"
    if known.positions == 1:
        where = f"one place, latitude {south:.2f}°, longitude {west:.2f}°"
    alt = f"World map: {where}."
    caption = f"Where: {where}." + (" The frame is enlarged in the next map." if regional else "")
    figures = [Figure(plots.world_map(known.dots, known.box if regional else None, alt), alt, caption)]
    if regional:
        alt = f"The same places enlarged: {where}."
        caption = (
            "The frame enlarged. Coastlines are coarse (1:110 million): close to a coast a dot may seem to lie on land."
        )
        figures.append(Figure(plots.inset(known.dots, known.box, alt), alt, caption))
    return figures


def _time(known: Understood) -> list[Figure]:
    if not known.time_bars or known.first is None or known.last is None:
        return []
    alt = f"Images over time, from {known.first:%Y-%m-%d} to {known.last:%Y-%m-%d}."
    hours = round((known.time_bars[0].end - known.time_bars[0].start) / 3600)
    each = (
        "hour"
        if hours == 1
        else "day"
        if hours == 24
        else "month"
        if hours < 24 * 32
        else "year"
        if hours < 24 * 367
        else "period"
    )
    rows = tuple((plots.moment(b.start, each), f"{b.images:,}") for b in known.time_bars)
    table = Table("Images over time (UTC)", (each, "images"), rows, frozenset({1}))
    return [Figure(plots.time_columns(known.time_bars, alt), alt, f"When: images per {each} (UTC).", table)]


def _depth(known: Understood) -> list[Figure]:
    if not known.depth_bars or known.depth is None:
        return []
    alt = f"Images over depth, from {number(known.depth[0])} m to {number(known.depth[1])} m below the surface."
    rows = tuple((f"{number(b.start)} to {number(b.end)} m", f"{b.images:,}") for b in known.depth_bars)
    table = Table("Images over depth", ("depth", "images"), rows, frozenset({1}))
    caption = "How deep: images by depth; for nets and bins the middle of the range."
    return [Figure(plots.depth_bars(known.depth_bars, alt), alt, caption, table)]


def _labels(known: Understood) -> list[Figure]:
    taxonomy = known.taxonomy
    if not taxonomy.most:
        return []
    shown = (
        f"the {len(taxonomy.most)} commonest of {taxonomy.labels:,}" if taxonomy.labels > len(taxonomy.most) else "all"
    )
    alt = f"Images per label, {shown}."
    rows = tuple((quoted(x.text), f"{x.images:,}", x.taxon or "not understood") for x in taxonomy.most)
    table = Table(f"Images per label, {shown}", ("label", "images", "understood as"), rows, frozenset({1}))
    caption = f"What: images per label as delivered, {shown}. Pale bars: labels not understood yet."
    return [Figure(plots.label_bars(taxonomy.most, alt), alt, caption, table)]


def _sheet(facts: Facts) -> tuple[Block, ...]:
    if not facts.thumbnails:
        return (Text("No image could be read."),)
    labelled = any(t.label for t in facts.thumbnails)
    words = tuple(
        ", ".join(
            filter(
                None,
                (
                    t.label or ("no label" if labelled else ""),
                    "" if t.width_mm is None else f"{length(t.width_mm)} wide",
                ),
            )
        )
        for t in facts.thumbnails
    )
    text = (
        f"{len(facts.thumbnails)} of the images, chosen evenly over the delivery and its labels. "
        "Do the pictures, the labels and the sizes belong together?"
    )
    return Text(text), Sheet(facts.thumbnails, words)


def _check(facts: Facts) -> tuple[Block, ...]:
    whole = facts.understood.rows if facts.understood else 0
    cards = [_flag_card(mark, whole) for mark in facts.flags]
    notes = [_finding_card(finding) for finding in facts.findings[:_MOST_FINDINGS]]
    blocks: list[Block] = (
        [Text("Doubtful values are kept; nothing here takes an image out. The worst comes first.")] if cards else []
    )
    blocks += cards or [Text("No value was doubtful.", "good")]
    if notes:
        blocks += [Text("About files and tables:"), *notes]
    if len(facts.findings) > _MOST_FINDINGS:
        blocks.append(Text(f"… and {len(facts.findings) - _MOST_FINDINGS:,} more remarks about files."))
    return tuple(blocks)


def _flag_card(mark: Marked, whole: int) -> Card:
    tone, badge = _BADGES[mark.severity]
    lines = [f"{images(mark.images)} ({share(mark.images, whole)})."]
    if not mark.action.startswith("None"):
        lines.append(f"What to do: {sentence(mark.action)}")
    else:
        lines.append("There is nothing to do.")
    return Card(sentence(mark.meaning), tone, badge, tuple(lines), _examples(mark), mark.name)


def _finding_card(finding: Finding) -> Card:
    tone, badge = _BADGES[finding.severity]
    place = quoted(finding.file) + (f", line {finding.line}" if finding.line else "") if finding.file else ""
    found = f"Found: {quoted(finding.value, 200)}." if finding.value and finding.value not in finding.message else ""
    lines = tuple(filter(None, (f"{finding.count:,} times." if finding.count > 1 else "", found)))
    examples = (f"{'First: ' if finding.count > 1 else ''}{place}",) if place else ()
    return Card(sentence(finding.message), tone, badge, lines, examples, finding.rule)


def _held_back(facts: Facts) -> tuple[Block, ...]:
    counts = facts.arrival
    if not facts.reasons:
        return (Text("Nothing was held back.", "good"),)
    text = (
        f"{images(counts.held_back)} held back, {counts.missing:,} missing. They return by themselves when the answer "
        "or the file arrives. An image may have several reasons and is then counted at each of them."
    )
    cards = []
    for mark in facts.reasons:
        lines = [f"{images(mark.images)} ({share(mark.images, counts.declared)})."]
        todo = mark.action.removeprefix("None").lstrip(": ")
        lines.append(f"What to do: {sentence(todo)}" if todo == mark.action else f"There is nothing to do: {todo}.")
        title = f"{mark.name.replace('_', ' ').capitalize()}. Expected: {mark.meaning}"
        cards.append(Card(sentence(title), "fail", "held back", tuple(lines), _examples(mark), mark.name))
    return Text(text), *cards


def _examples(mark: Marked) -> tuple[str, ...]:
    return tuple(_example(e) for e in mark.examples)


def _example(example: Example) -> str:
    place = [example.table and quoted(example.table), example.line and f"line {example.line:,}"]
    found = (
        f"{example.column}: {quoted(example.value)}"
        if example.value and example.column
        else example.value and quoted(example.value)
    )
    empty = f"{example.column} is empty" if example.column and not example.value else ""
    who = f"object {quoted(example.object_id, 60)}" if example.object_id else ""
    more = f"{images(example.images)} like this" if example.images > 1 else ""
    return "; ".join(filter(None, (", ".join(str(p) for p in place if p), who, found or empty, more)))


def _credit(credit: Credit | None) -> tuple[Block, ...]:
    if credit is None:
        return (Text("A dry run without a form knows nothing about credit; the form asks for it."),)
    named = tuple(f"{name} ({place})" for name, place in credit.named)
    if credit.unnamed:
        named += (f"{credit.unnamed} more who asked not to be named, or whom the registry doesn't know yet",)
    given = tuple(f"{title}, given on {day.isoformat()}" for title, day in credit.permissions)
    missing = tuple(f"Missing: {title}" for title in credit.missing)
    rows = (
        ("Credit line", (credit.line, _WORDING[credit.state])),
        ("Named as", named or ("nobody by name",)),
        ("Institutions", credit.institutions),
        ("Copyright", (credit.copyright,)),
        ("Acknowledgement", (credit.acknowledgement,)),
        ("Funding", (credit.funding,)),
        ("Please cite", (credit.cite_dois,)),
        ("Licence", (f"{credit.licence} ({credit.licence_url})",)),
        ("Until then", (credit.interim_terms,)),
        ("Public from", (f"{credit.available_from.isoformat()}, not earlier",)),
        ("Permissions", (*given, *missing) or ("none was given yet",)),
    )
    kept = tuple((term, lines) for term, told in rows if (lines := tuple(filter(None, told))))
    blocks: tuple[Block, ...] = (Pairs(kept),)
    if credit.revoked:
        return (Text("The permission was withdrawn: nothing of this contribution is published.", "fail"), *blocks)
    return blocks


def _questions(facts: Facts, asked: tuple[Question, ...]) -> tuple[Block, ...]:
    if not asked:
        return (Text("There are none. Thank you!", "good"),)
    rows = tuple(
        (question.text, tuple(filter(None, (question.why, *_answer(question, facts.dry_run))))) for question in asked
    )
    blocks: list[Block] = [Pairs(rows)]
    if lines := answers(asked):
        told = (
            "All answers in one text file, say form.yaml: put your own in place of the words in capitals, of choices "
            "separated by | keep one, leave out what you don't know, and check again with --form form.yaml:"
            if facts.dry_run
            else "All answers as lines of the form. Put your own in place of the words in capitals, and of choices "
            "separated by | keep one:"
        )
        blocks += [Text(told), Code(lines)]
    return tuple(blocks)


def _answer(question: Question, dry_run: bool) -> tuple[str, ...]:
    if not question.line:
        return ("Please say so when you send the data." if dry_run else "Please answer whoever sent you this report.",)
    lines = " and ".join(quoted(line, 200) for line in question.line.split("\n"))
    return (f"Answer in the form, under {question.key}: {lines}",)
