"""The digest in words: plain text that is Markdown as well."""

from collections.abc import Sequence

from aqqua_dataset.nightly.digest import Digest
from aqqua_dataset.nightly.tries import Try

_MOST = 20


def subject(digest: Digest) -> str:
    """The digest in one line."""
    parts = [
        f"{len(digest.validated):,} validated", f"{len(digest.trouble):,} new in trouble",
        f"{sum(map(len, digest.waiting.values())):,} wait for you",
    ]  # fmt: skip
    return f"Night of {digest.day}: {', '.join(parts)}"


def words(digest: Digest) -> str:
    """The digest as text."""
    since = f"Since the last digest ({digest.since})." if digest.since else "This is the first digest."
    sections = [f"# {subject(digest)}\n\n{since}"]
    if not digest.counted:
        sections.append(
            "**The ledger was not counted since something changed.** Look at the last run of `update_collection`."
        )
    sections += [
        _section("New in trouble", [f"{line.contribution}: {line.text}" for line in digest.trouble]),
        _section("Out of trouble", digest.mended),
        _section("Arrived", digest.arrived),
        _section("Validated", [f"{line.contribution}: {line.text}" for line in digest.validated]),
        _section("Failed for reasons outside", [_try(one) for one in digest.failed]),
        _section("Works again", digest.recovered),
        *(_section(f"Waits for you: {heading}", lines) for heading, lines in digest.waiting.items()),
        _messages(digest),
        _numbers(digest),
    ]
    return "\n\n".join(s for s in sections if s) + "\n"


def _section(heading: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    more = len(lines) - _MOST
    shown = [f"* {line}" for line in lines[:_MOST]] + ([f"* and {more:,} more"] if more > 0 else [])
    return "\n".join([f"## {heading}" + (f" ({len(lines):,})" if len(lines) > 1 else ""), "", *shown])


def _try(one: Try) -> str:
    when = "given up" if one.next is None else f"next try {one.next}"
    times = "once" if one.times == 1 else f"{one.times} times"
    return f"{one.what} {one.contribution}: {times} since {one.since}, {when}: {one.message}"


def _messages(digest: Digest) -> str:
    posted = digest.posting
    lines = [f"sent to {person}" for person in posted.sent]
    lines += [f"not sent to {person}, tried again next night: {why}" for person, why in posted.later.items()]
    if posted.held:
        lines.append(f"{len(posted.held):,} are held: more than may be sent in a night without your word")
    return _section("Messages", lines)


def _numbers(digest: Digest) -> str:
    lines = ["## Numbers", "", "| | now | change |", "|---|---:|---:|"]
    for name, (now, before) in digest.numbers.items():
        change = "" if before is None or now == before else f"{now - before:+,}"
        lines.append(f"| {name} | {now:,} | {change} |")
    return "\n".join(lines)
