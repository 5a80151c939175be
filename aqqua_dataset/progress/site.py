"""The pages of the public progress site: static, without scripts, without any request to anybody else."""

from aqqua_dataset import schema
from aqqua_dataset.progress import charts, tables
from aqqua_dataset.progress.drawing import Area, Drawing, Line, Shape, rectangle, svg
from aqqua_dataset.progress.instruments import classes
from aqqua_dataset.progress.numbers import Named, Progress
from aqqua_dataset.registry.models import Registry
from aqqua_dataset.registry.publishing import ProgressPolicy
from aqqua_dataset.release.escape import markup
from aqqua_dataset.release.landing import contact_links
from aqqua_dataset.release.shell import counted, document, link

#: Where the pages and files stand, inside the site.
INDEX, CONTRIBUTIONS, NUMBERS = "index.html", "contributions.html", "progress.json"

_SKIP = '<a class="skip" href="#main">To the content</a>'
_MOST_FALLS = 12


def index_page(registry: Registry, progress: Progress) -> str:
    """The site's first page."""
    sections = (
        ("instruments", "Images by instrument", _instruments(progress)),
        ("growth", "Growth over time", _growth(progress)),
        ("map", "Where they were taken", _map(registry.settings.progress, progress)),
        ("contributions", "Contributions", _states(progress)),
        ("words", "What the words mean", _words(registry)),
        ("files", "Files", _files()),
    )
    contents = " · ".join(f'<a href="#{name}">{title}</a>' for name, title, _ in sections)
    body = f"""{_SKIP}<header><h1>{markup(progress.title)}: how far it is</h1>
<p class="soft">As of {progress.day.isoformat()}. Counted every night from the files themselves.</p>
<nav aria-label="Contents" class="soft">{contents}</nav></header>
<main id="main">
{_headline(progress)}
{"".join(f'<section aria-labelledby="{n}"><h2 id="{n}">{t}</h2>{text}</section>' for n, t, text in sections)}
</main>
{_footer(registry)}"""
    return document(f"{progress.title}: progress", body, style=tables.STYLE)


def contributions_page(registry: Registry, progress: Progress) -> str:
    """All contributions that may be named, by state; no person and no address is on it."""
    sections = []
    for state, counts in progress.states:
        title = _states_in_words()[state]
        listed = [n for n in progress.named if n.state == state]
        rest = counts.contributions - len(listed)
        more = f'<p class="soft">{rest:,} not named here.</p>' if rest else ""
        head = f'<section aria-labelledby="{state}"><h2 id="{state}">{title.capitalize()}</h2>'
        sections.append(f"{head}{_listed(title, listed) if listed else ''}{more}</section>")
    body = f"""{_SKIP}<header><p><a href="{INDEX}">Back to the overview</a></p><h1>Contributions</h1>
<p class="soft">As of {progress.day.isoformat()}. Named is a contribution whose owner has agreed to its
publication; pledges and what has a later day are only counted. {_withdrawn(progress)}</p></header>
<main id="main">{"".join(sections)}</main>
{_footer(registry)}"""
    return document(f"{progress.title}: contributions", body, style=tables.STYLE)


def _states_in_words() -> dict[str, str]:
    return schema.enumerations()["contribution_state"]


def _listed(title: str, listed: list[Named]) -> str:
    rows = [
        f'<tr><th scope="row" class="t">{markup(n.title)}</th><td class="t">{markup("; ".join(n.institutions))}</td>'
        f"<td>{markup(n.instrument.label)}</td>{tables.numbers(n.counts, tables.IMAGES)}</tr>"
        for n in listed
    ]
    head = tables.heads(["Title", "Institutions", "Instrument"], tables.IMAGES)
    return tables.table(f"Contributions: {title}", head, "".join(rows))


def _headline(progress: Progress) -> str:
    counts, places = progress.counts, progress.map
    institutions = sum(len(s.names) for s in places.stars) + places.institutions_without_place
    entries = (
        (counts.images, "images, each picture counted once"),
        (counts.contributions, "contributions"),
        (institutions, "institutions"),
        (counts.pledged, "more images announced"),
        (counts.published, "images published"),
    )
    listed = "".join(f"<li><strong>{number:,}</strong><span>{what}</span></li>" for number, what in entries)
    return f'<ul class="big">{listed}</ul>'


def _instruments(progress: Progress) -> str:
    """Bars on two scales; two radio buttons choose by style alone, without a script."""
    if not progress.instruments:
        return "<p>Nothing was announced or received yet.</p>"
    drawings = "".join(svg(charts.bars(progress.instruments, scale), scale) for scale in charts.SCALES)
    figure = (
        '<figure class="narrow scale"><fieldset><legend>Scale of the bars</legend>'
        '<label><input type="radio" name="scale" checked> linear</label>'
        '<label><input type="radio" name="scale" class="log"> logarithmic</label></fieldset>'
        f"{drawings}<figcaption>Images counted once; the pale bar below is what was announced and hasn't come yet. "
        "On the logarithmic scale each step of the same length is ten times as many.</figcaption></figure>"
    )
    short = tables.instruments(progress, tables.SHORT, "A contribution counts for its commonest instrument")
    long = tables.instruments(progress, tables.LONG, "From announced to published")
    return f'<div class="sides">{figure}{short}</div><details><summary>All numbers</summary>{long}</details>'


def _growth(progress: Progress) -> str:
    figure = f'<figure class="narrow">{svg(charts.growth(progress.history))}</figure>'
    begun = next((d.day for d in progress.history if not d.earlier), None)
    earlier = ""
    if begun is not None and progress.history[0].earlier:
        earlier = (
            f"<p>Until {begun.isoformat()} these are the project's earlier totals: of each instrument the larger of "
            "two counts, with copies and unusable images. Since then images are counted from the files.</p>"
        )
    why = (
        "<p>The number can go down: an owner may withdraw a contribution, an image that is recognised as a copy of "
        f"another counts once, and one that is found unusable doesn't count. {_withdrawn(progress)}</p>"
    )
    falls = "".join(
        f"<li>{f.day.isoformat()}: {f.fewer:,} fewer ({markup('; '.join(f.why))})</li>"
        for f in progress.falls[:_MOST_FALLS]
    )
    listed = f"<h3>When it went down</h3><ul>{falls}</ul>" if falls else "<p>So far it never went down.</p>"
    months = _months(progress)
    words = f"{earlier}{why}{listed}<details><summary>The numbers by month</summary>{months}</details>"
    return f'<div class="sides">{figure}<div>{words}</div></div>'


def _months(progress: Progress) -> str:
    """The growth as numbers: each month's last count, by class."""
    kinds = {kind: name for kind, name in classes().items() if any(kind in d.kinds for d in progress.history)}
    rows = []
    for day in charts.month_ends(progress.history):
        numbers = "".join(f'<td class="n">{n:,}</td>' for n in (day.total, *(day.kinds.get(k, 0) for k in kinds)))
        rows.append(f'<tr><th scope="row">{day.day.isoformat()}</th>{numbers}</tr>')
    head = tables.heads(["Day"], ["all images", *kinds.values()])
    return tables.table("Images at the last count of each month", head, "".join(rows))


def _withdrawn(progress: Progress) -> str:
    if not progress.withdrawn:
        return "So far none was withdrawn."
    verb = "was" if progress.withdrawn == 1 else "were"
    return f"So far {counted(progress.withdrawn, 'contribution')} {verb} withdrawn; nothing else is said of that."


def _map(policy: ProgressPolicy, progress: Progress) -> str:
    places = progress.map
    kinds = [(kind, name) for kind, name in classes().items() if any(c.kind == kind for c in places.cells)]
    left_out = "".join(f"<li>{images:,} {markup(why)}</li>" for why, images in places.left_out)
    left_out = f"<p>Images that are not on the map:</p><ul>{left_out}</ul>" if left_out else ""
    return (
        f"<figure>{svg(charts.world(places, legend=False))}</figure>{_key(progress, kinds)}"
        f"<p>The map shows {counted(places.images, 'image')} in cells, not the places themselves. A cell of "
        f"{counted(policy.cell_deg, 'degree')} is filled for a class of instruments where at least "
        f"{counted(policy.fewest_images, 'image')} of at least {counted(policy.fewest_contributions, 'contribution')} "
        "lie in it, and somebody has looked whether their positions may be public. All others are shown in pale cells "
        f"of {counted(policy.coarse_cell_deg, 'degree')}; what is published, in small ones.</p>{left_out}"
        f"<p>No place is known of {counted(places.pledges_without_place, 'announced contribution')} and "
        f"{counted(places.institutions_without_place, 'institution')}. Equal Earth projection: equal areas keep their "
        f"size. Coastline: Natural Earth, public domain.</p>{_map_in_words(progress, kinds)}"
    )


def _key(progress: Progress, kinds: list[tuple[str, str]]) -> str:
    swatch = (rectangle(0, 0, 14, 14),)
    drawn: list[tuple[str, tuple[Shape, ...]]] = [(name, (Area(kind, swatch),)) for kind, name in kinds]
    if progress.map.pledges:
        drawn.append(("pledged, middle of the region", (Line("pledge", charts.cross(7, 7)),)))
    if progress.map.stars:
        drawn.append(("institution", charts.star(7, 7.5, 6.5)))
    entries = (f"<li>{svg(Drawing(14, 14, '', shapes))}{markup(name)}</li>" for name, shapes in drawn)
    return f'<ul class="key">{"".join(entries)}</ul>'


def _map_in_words(progress: Progress, kinds: list[tuple[str, str]]) -> str:
    rows = []
    for kind, name in kinds:
        coarse = [c.coarse for c in progress.map.cells if c.kind == kind]
        cells = f'<td class="n">{len(coarse) - sum(coarse):,}</td><td class="n">{sum(coarse):,}</td>'
        rows.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
    table = tables.table("Cells with images", tables.heads(["Class"], ["small cells", "coarse cells"]), "".join(rows))
    homes = "".join(f"<li>{markup('; '.join(star.names))}</li>" for star in progress.map.stars)
    homes = f"<p>Institutions on the map:</p><ul>{homes}</ul>" if homes else ""
    return f"<details><summary>The map in words</summary>{table}{homes}</details>"


def _states(progress: Progress) -> str:
    columns = tables.LONG
    rows = "".join(tables.row(_states_in_words()[state], counts, columns) for state, counts in progress.states)
    caption = "Contributions and their images by state"
    table = tables.table(caption, tables.heads(["State"], columns), rows, tables.row("All", progress.counts, columns))
    return (
        f'{table}<p>{_withdrawn(progress)} <a href="{CONTRIBUTIONS}">The contributions that may be named: '
        f"{len(progress.named):,}</a>, with their institutions.</p>"
    )


def _words(registry: Registry) -> str:
    told = (
        ("announced", "what owners have told us of and what hasn't arrived"),
        ("received", "images whose files are here"),
        ("usable", "received images that can be opened and have instrument, scale, time, place and depth"),
        ("copies", "usable images that another one stands for; all owners keep the credit"),
        ("counted once", "usable images without copies: the number on top of this page"),
        ("published", f"images in the public release, from {registry.settings.release_date.isoformat()} on"),
    )  # fmt: skip
    rows = "".join(f'<tr><th scope="row">{word}</th><td>{markup(meaning)}</td></tr>' for word, meaning in told)
    return f'<table class="facts" aria-labelledby="words">{rows}</table>'


def _files() -> str:
    drawings = (
        ("bars", "images by instrument"), ("bars-log", "the same on a logarithmic scale"),
        ("growth", "growth over time"), ("map", "the map"),
    )  # fmt: skip
    pictures = "".join(
        f'<li>{what}: <a href="{name}.svg">{name}.svg</a>, <a href="{name}.png">{name}.png</a></li>'
        for name, what in drawings
    )
    monthly = '<a href="assets/data/filelist.json">assets/data/filelist.json</a>'
    return (
        f'<ul><li>all numbers, for machines: <a href="{NUMBERS}">{NUMBERS}</a></li>{pictures}'
        f"<li>a table for every month, and their list: {monthly}</li></ul>"
    )


def _footer(registry: Registry) -> str:
    links = " · ".join(link(address, text) for address, text in contact_links(registry))
    return f'<footer><p class="soft">{markup(registry.settings.dataset.publisher)} · {links}</p></footer>'
