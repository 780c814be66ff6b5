"""Knows how answers look as plain text, the verdict first: in as many columns as there are (None: as many as it takes),
sentences in at most `WIDTH`."""

import textwrap
from collections.abc import Iterable, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final

import msgspec
import polars as pl

from fwlens import address
from fwlens.answer import Answer, destination
from fwlens.errors import FwlensError, plain
from fwlens.flow import service
from fwlens.ledger import ALLOWED, Ledger, unblocked
from fwlens.proof import Certificate
from fwlens.requirement import Catalog, Requirement
from fwlens.rule import Endpoint, Recommendation, Service, Unsaid
from fwlens.tags import TOO_WIDE, ServiceTags

Line = str | tuple[str, str]
"""A sentence, or a label with what it is about."""

WIDTH: Final = 100
_NARROWEST: Final = 40  # below that, sentences behind a label would be a word a line
_MOST: Final = 10


def columns(header: Sequence[str], rows: Iterable[Sequence[object]], width: int | None = WIDTH) -> str:
    """Rows under a header, columns aligned, numbers to the right; the widest columns are cut to the width with `…`.

    What cannot be printed is replaced: cells are words of logs and servers.
    """
    head, *cells = [[_cell(value) for value in row] for row in (header, *rows)]
    if not cells:
        return ""
    sizes = [max(len(line[i]) for line in [head, *cells]) for i in range(len(header))]
    room = sum(sizes) if width is None else width - 2 * (len(sizes) - 1)
    for left, i in zip(range(len(sizes), 0, -1), sorted(range(len(sizes)), key=lambda i: sizes[i]), strict=True):
        sizes[i] = min(sizes[i], max(room // left, 1))  # what narrow columns leave is for the wide ones
        room -= sizes[i]
    numeric = [all(line[i].replace(",", "").isdigit() for line in cells) for i in range(len(header))]
    lines = []
    for line in [head, *cells]:
        parts = []
        for text, size, right in zip(line, sizes, numeric, strict=True):
            shown = text if len(text) <= size else text[: size - 1] + "…"
            parts.append(shown.rjust(size) if right else shown.ljust(size))
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else plain(str(value))


def plural(number: int, noun: str) -> str:
    """`1 rule`, `2 rules`, `1,234 log entries`."""
    many = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else many}"


def clock(when: datetime | None) -> str:
    """A time to the minute, UTC."""
    return "-" if when is None else when.strftime("%Y-%m-%d %H:%M")


def recommendations(answer: Answer, width: int | None = WIDTH) -> str:
    """The answer as text: how many flows were blocked and are documented, which rules allow them, and the rest."""
    beyond = answer.certificate.surplus_of
    rules = [_rule(i, one, beyond.get(one.rule.id, 0)) for i, one in enumerate(answer.recommendations, start=1)]
    parts = [_laid(lines, width) for lines in (_verdict(answer), *rules)]
    parts += [
        certificate(answer.certificate, width),
        _laid(_unsaid(answer.unsaid), width),
        _unexplained(answer, width),
        _refused(answer, width),
        _laid((("note", f"{note.text} {note.page.url}") for note in answer.notes), width),
        _set_aside(answer.ledger, width),
        _laid(_next(answer), width),
    ]
    return "\n".join(part for part in parts if part)


def _verdict(answer: Answer) -> list[Line]:
    blocked = answer.blocked
    if not blocked.flows:
        return [unblocked(answer.ledger)]
    needed, unexplained, refused = (answer.verdicts[name] for name in ("needed", "unexplained", "refused"))
    said = len(answer.recommendations)
    fix = f"{plural(said, 'rule')} {'allows' if said == 1 else 'allow'} them" if said else "no rule can hold them"
    if answer.unsaid and said:
        fix += f", but for {plural(len(answer.unsaid), 'conversation')}"
    lines: list[Line] = [
        f"{plural(blocked.flows, 'blocked flow')} ({plural(blocked.events, 'log entry')}), "
        f"{clock(answer.first_seen)} to {clock(answer.last_seen)} UTC.",
        f"{_are(needed.flows, 'a documented need', 'documented needs')}; {fix}."
        if needed.flows
        else "None of them is a documented need.",
        f"{_are(unexplained.flows, 'not documented')}, {_are(refused.flows, 'refused')}.",
    ]
    if "working" in answer.verdicts:
        working, surplus = answer.verdicts["working"], answer.verdicts["surplus"]
        lines.append(f"Allowed: {working.flows:,} documented needs work, {surplus.flows:,} flows are not documented.")
    return lines


def _are(number: int, what: str, many: str = "") -> str:
    return f"1 is {what}" if number == 1 else f"{number:,} are {many or what}"


def _laid(lines: Iterable[Line], width: int | None) -> str:
    """Sentences and labelled texts, each from a new line on, in no more columns than there are."""
    wide = min(max(width or WIDTH, _NARROWEST), WIDTH)
    return "".join(f"{_wrapped(line, wide)}\n" for line in lines)


def _wrapped(line: Line, wide: int) -> str:
    """A line in so many columns; an address that is too long for the indent is moved to the left and never broken."""
    label, text = ("", line) if isinstance(line, str) else (f"    {line[0]:<10}", line[1])
    lines = textwrap.wrap(
        text,
        wide,
        initial_indent=label,
        subsequent_indent=" " * len(label),
        break_on_hyphens=False,
        break_long_words=False,
    )
    if label and lines and len(lines[0]) > wide:
        lines[:1] = [label.rstrip(), lines[0][len(label) :]]
    return "\n".join(line if len(line) <= wide else line.strip().rjust(wide) for line in lines)


def _join(values: Iterable[Endpoint | Service], most: int = 12) -> str:
    return _some(map(str, values), most)


def _some(values: Iterable[str], most: int = 12) -> str:
    texts = list(values)
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def _rule(number: int, one: Recommendation, surplus: int) -> list[Line]:
    rule, evidence = one.rule, one.evidence
    lines: list[Line] = [
        f"{number:>2}  {rule.platform}, {rule.layer} rule, {rule.direction}  [{rule.id}]",
        ("from", _join(rule.sources)),
        ("to", _join(rule.destinations)),
        ("over", _join(rule.services)),
        (
            "seen",
            f"{plural(evidence.flows, 'flow')}, {plural(evidence.events, 'log entry')}, "
            f"{clock(evidence.first_seen)} to {clock(evidence.last_seen)}",
        ),
    ]
    if surplus:
        lines.append(("surplus", f"{plural(surplus, 'combination')} of source, destination and service not seen"))
    lines += [
        ("needed by", f"{citation.id} ({citation.basis}): {citation.purpose} {citation.url}")
        for citation in one.citations
    ]
    return lines + [("doubt", doubt) for doubt in one.doubts]


def _unsaid(unsaid: Sequence[Unsaid]) -> list[Line]:
    """Per reason where the conversations went."""
    if not unsaid:
        return []
    reasons: dict[str, list[str]] = {}
    for one in unsaid:
        far = one.flow.src_ip if one.flow.direction == "inbound" else one.flow.destination
        reasons.setdefault(one.why, []).append(f"{far} {one.flow.service}")
    lines: list[Line] = [f"Needed, and not in a rule ({plural(len(unsaid), 'conversation')})"]
    for why, ends in reasons.items():
        lines += [("why", f"{why[0].upper()}{why[1:]}."), ("", _some(dict.fromkeys(ends)))]
    return lines


def listed(
    title: str, header: Sequence[str], rows: Sequence[Sequence[object]], width: int | None, total: int = 0
) -> str:
    """Rows under a title with their number, as many as fit on a screen; nothing for none."""
    if not rows:
        return ""
    total = total or len(rows)
    shown = f"{title} ({_MOST} of {total:,}, the most frequent)" if total > _MOST else f"{title} ({total:,})"
    return f"{shown}\n{columns(header, rows[:_MOST], width)}"


def _flows(frame: pl.DataFrame, last: pl.Expr) -> list[tuple[object, ...]]:
    """The most frequent flows; the last column of those that would look alike says what makes them differ."""
    name, device = pl.col("dst_fqdn"), pl.col("device").str.split("/").list.last()
    details = {
        "at {}": pl.when(name.is_not_null()).then(pl.col("dst_ip")),
        "{}": pl.col("direction").cast(pl.String),
        "denied by {}": pl.coalesce("rule", pl.col("cause").cast(pl.String)),
        "seen at {}": pl.coalesce(device, pl.col("plane").cast(pl.String)),
    }
    shown = frame.head(_MOST).with_columns(
        to=destination(), over=service(pl.col("protocol"), pl.col("dst_port")), last=last
    )
    key = ("src_ip", "to", "over", "last")
    apart = [
        pl.when(detail.n_unique().over(key) > 1).then(pl.format(words, detail)) for words, detail in details.items()
    ]
    told = pl.concat_str(pl.col("last"), *apart, separator=", ", ignore_nulls=True)
    return shown.select("src_ip", "to", "over", "events", pl.when(told != "").then(told)).rows()


def _unexplained(answer: Answer, width: int | None) -> str:
    rows = answer.unexplained
    first = pl.col("near").list.first()
    near = pl.format("{}: {}", first.struct.field("requirement"), first.struct.field("why"))
    header = ("from", "to", "over", "entries", "nearest need")
    return listed("Not documented, no rule", header, _flows(rows, near), width, rows.height)


def _refused(answer: Answer, width: int | None) -> str:
    rows = answer.refused
    header = ("from", "to", "over", "entries", "refused because of")
    cause = pl.col("cause").cast(pl.String)
    why = pl.when(cause == "deny rule").then(pl.format("rule {}", "rule")).otherwise(cause)
    return listed("Refused, never a rule", header, _flows(rows, why), width, rows.height)


def certificate(found: Certificate, width: int | None = WIDTH, *, checked: bool = False) -> str:
    """The certificate in a line, and its faults, if any, in full; of an answer that was `checked` also what it claims
    beyond what the check proves."""
    if not found.rules and not found.faults:
        return ""
    marks = [name if holds else f"NOT {name}" for name, holds in (
        ("complete", found.complete), ("sound", found.sound), ("irredundant", found.irredundant))]  # fmt: skip
    claimed, bound = checked and found.proven < found.lower_bound, found.lower_bound
    needed = f"at least {bound} {'is' if bound == 1 else 'are'} needed"
    fewest = ("the fewest possible" if found.rules == bound else needed) + (" by its claim" if claimed else "")
    holds = found.complete and found.sound  # else it is no set of which there could be a smaller one
    rules = f"{plural(found.rules, 'rule')}{f', {fewest}' if holds else ''}"
    alone = f"The answer claims that {needed}; this check proves {found.proven} by itself and cannot refute the rest."
    lines: list[Line] = [f"Certificate: {', '.join(marks)}; {rules}; surplus {found.surplus:,}."]
    lines += [("claim", alone)] if claimed and holds else []
    return _laid([*lines, *(("fault", fault) for fault in found.faults)], width)


def curve(steps: Sequence[tuple[int, int]], width: int | None = WIDTH, *, as_json: bool) -> bytes:
    """Rules against surplus, a line for each choice of `--at-most`."""
    if as_json:
        return msgspec.json.encode([{"rules": rules, "surplus": surplus} for rules, surplus in steps]) + b"\n"
    said = "Surplus: combinations of source, destination and service that are allowed and were not seen."
    return (columns(("rules", "surplus"), steps) + _laid([said], width)).encode()


def _set_aside(ledger: Ledger, width: int | None) -> str:
    lines = [
        f"Read {plural(ledger.rows_read, 'row')} of {plural(len(ledger.inputs), 'file')}: "
        f"{ledger.rows_used:,} used, {ledger.rows_set_aside:,} set aside."
    ]
    for entry in ledger.set_aside:
        line = f"    {entry.rows:>9,}  {entry.reason}"
        where = "" if entry.reason == ALLOWED else f" (first: {entry.first})"
        if width and len(line + where) > width:
            room = max(width - 24, 12)
            place = entry.first if len(entry.first) <= room else f"…{entry.first[1 - room :]}"
            line = textwrap.fill(line, max(width, _NARROWEST), subsequent_indent=" " * 15)
            where = where and f"\n{' ' * 15}(first: {place})"
        lines.append(line + where)
    return "\n".join(lines) + "\n"


def _next(answer: Answer) -> list[Line]:
    if answer.recommendations:
        return ["Next: check the doubts, then keep the whole answer with --format json -o FILE."]
    if answer.unexplained.height:
        return ["Next: no document asks for these flows; --catalog FILE adds needs of your own."]
    return []


def catalog(known: Catalog, width: int | None = WIDTH) -> str:
    """The catalogue as a table: id, who says it, level, the first way, profiles."""
    rows = []
    for one in known.requirements:
        way = one.ways[0]
        to = f"{'from ' if one.direction == 'inbound' else ''}{_join(way.peers, 2)} {_join(way.over, 3)}"
        rows.append((one.id, one.basis, one.level, to, ", ".join(one.when) or "all"))
    return columns(("need", "layer", "level", "to", "profiles"), rows, width)


def requirement(one: Requirement, known: Catalog, width: int | None = WIDTH) -> str:
    """Everything known about one entry."""
    side = "from" if one.direction == "inbound" else "to"
    lines: list[Line] = [f"{one.id}  ({one.basis}, {one.level}, {one.direction})", ("for", one.purpose)]
    lines += [(side, f"{_join(way.peers, 99)} over {_join(way.over, 99)}") for way in one.ways]
    facts = {
        "ports": "inferred: the page states none" if one.inferred else "",
        "narrow": "a rule names what was seen, never the whole pattern" if one.narrow else "",
        "profiles": ", ".join(one.when),
        "clouds": ", ".join(one.cloud),
        "depends": _join(one.depends_on),
        "newer": ", ".join(one.superseded_by),
        "conflict": ", ".join(one.conflicts_with),
        "within": ", ".join(one.within),
        "rows": ", ".join(one.rows),
    }
    lines += [(name, text) for name, text in facts.items() if text]
    lines += [("warning", text) for text in one.warns]
    about = (note for note in known.notes if any(fnmatchcase(one.id, pattern) for pattern in note.about))
    lines += [("note", f"{note.text} {note.page.url}") for note in about]
    for page in (one.page, *one.also):
        dated = f", dated {page.dated}" if page.dated else ""
        lines.append(("page", f"{page.title} (read {page.read_on}{dated}) {page.url}"))
    return _laid(lines, width)


def flows_as_text(rows: pl.DataFrame, ledger: Ledger, width: int | None = WIDTH) -> bytes:
    """Flows as a table, most log entries first; MATCHED rows show their verdict and requirement too."""
    shown = service(pl.col("protocol"), pl.col("dst_port"))
    extra = ["verdict", "requirement"] if "verdict" in rows.columns else ["cause", "rule"]
    picked = rows.sort("events", "src_ip", descending=[True, False], maintain_order=True).select(
        "action", "src_ip", destination(), shown.alias("service"), "events", *extra
    )
    header = ("action", "from", "to", "over", "entries", *extra)
    told = columns(header, picked.rows(), width) + ("\n" if rows.height else "")
    return (told + _set_aside(ledger, width)).encode()


def tags(text: str, known: ServiceTags, width: int | None = WIDTH) -> str:
    """The service tags of an address, the most specific first. Raises FwlensError for what is no address."""
    number = address.parse(pl.Series([text]))["number"]
    if number.null_count():
        raise FwlensError(f"{text!r} is no IPv4 or IPv6 address.")
    rows = [
        (
            tag,
            int(width),
            "/".join(known.features.get(tag, ())),
            "too wide to explain a flow" if tag.startswith(TOO_WIDE) else "",
        )
        for _, tag, width in known.of(number).iter_rows()
    ]
    said = f"Service-tag file of the {plain(known.cloud)} cloud, change number {known.change_number}.\n"
    if not rows:
        return f"{text} belongs to no service tag.\n{said}"
    return columns(("tag", "addresses", "usable with", ""), rows, width) + said
