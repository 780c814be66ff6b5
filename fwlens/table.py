"""Knows how answers look as plain text: sentences in at most `WIDTH` columns, tables in as many as there are (None: in
as many as they need), the verdict first."""

import textwrap
from collections.abc import Iterable, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final

import msgspec
import polars as pl

from fwlens import address
from fwlens.answer import Answer, destination
from fwlens.errors import FwlensError
from fwlens.flow import service
from fwlens.ledger import ALLOWED, Ledger, unblocked
from fwlens.proof import Certificate
from fwlens.requirement import Catalog, Requirement
from fwlens.rule import Endpoint, Recommendation, Service, Unsaid
from fwlens.tags import TOO_WIDE, ServiceTags

WIDTH: Final = 100
_MOST: Final = 10


def columns(header: Sequence[str], rows: Iterable[Sequence[object]], width: int | None = WIDTH) -> str:
    """Rows under a header, columns aligned, numbers to the right; the widest columns are cut to the width with `…`."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        return ""
    sizes = [max(len(line[i]) for line in [list(header), *cells]) for i in range(len(header))]
    room = sum(sizes) if width is None else width - 2 * (len(sizes) - 1)
    for left, i in zip(range(len(sizes), 0, -1), sorted(range(len(sizes)), key=lambda i: sizes[i]), strict=True):
        sizes[i] = min(sizes[i], max(room // left, 1))  # what narrow columns leave is for the wide ones
        room -= sizes[i]
    numeric = [all(line[i].replace(",", "").isdigit() for line in cells) for i in range(len(header))]
    lines = []
    for line in [list(header), *cells]:
        parts = []
        for text, size, right in zip(line, sizes, numeric, strict=True):
            shown = text if len(text) <= size else text[: size - 1] + "…"
            parts.append(shown.rjust(size) if right else shown.ljust(size))
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)


def plural(number: int, noun: str) -> str:
    """`1 rule`, `2 rules`, `1,234 log entries`."""
    many = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else many}"


def clock(when: datetime | None) -> str:
    """A time to the minute, UTC."""
    return "-" if when is None else when.strftime("%Y-%m-%d %H:%M")


def recommendations(answer: Answer, width: int | None = WIDTH) -> str:
    """The answer as text: how many flows were blocked and are documented, which rules allow them, and the rest."""
    parts = [_verdict(answer)]
    beyond = answer.certificate.surplus_of
    parts += [_rule(i, one, beyond.get(one.rule.id, 0)) for i, one in enumerate(answer.recommendations, start=1)]
    parts += [
        certificate(answer.certificate),
        _unsaid(answer.unsaid),
        _unexplained(answer, width),
        _refused(answer, width),
        _notes(answer),
    ]
    parts += [_set_aside(answer.ledger, width), _next(answer)]
    return "\n".join(part for part in parts if part)


def _verdict(answer: Answer) -> str:
    blocked = answer.blocked
    if not blocked.flows:
        return f"{unblocked(answer.ledger)}\n"
    needed, unexplained, refused = (answer.verdicts[name] for name in ("needed", "unexplained", "refused"))
    said = len(answer.recommendations)
    fix = f"{plural(said, 'rule')} {'allows' if said == 1 else 'allow'} them" if said else "no rule can hold them"
    if answer.unsaid and said:
        fix += f", but for {plural(len(answer.unsaid), 'conversation')}"
    lines = [
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
    return "\n".join(lines) + "\n"


def _are(number: int, what: str, many: str = "") -> str:
    return f"1 is {what}" if number == 1 else f"{number:,} are {many or what}"


def _wrap(label: str, text: str) -> str:
    """A labelled text; an address that is too long for the indent is moved to the left and never broken."""
    lines = textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f"    {label:<10}",
        subsequent_indent=" " * 14,
        break_on_hyphens=False,
        break_long_words=False,
    )
    if lines and len(lines[0]) > WIDTH:
        lines[:1] = [f"    {label}", lines[0][14:]]
    return "\n".join(line if len(line) <= WIDTH else line.strip().rjust(WIDTH) for line in lines)


def _join(values: Iterable[Endpoint | Service], most: int = 12) -> str:
    return _some(map(str, values), most)


def _some(values: Iterable[str], most: int = 12) -> str:
    texts = list(values)
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def _rule(number: int, one: Recommendation, surplus: int) -> str:
    rule, evidence = one.rule, one.evidence
    lines = [
        f"{number:>2}  {rule.platform}, {rule.layer} rule, {rule.direction}  [{rule.id}]",
        _wrap("from", _join(rule.sources)),
        _wrap("to", _join(rule.destinations)),
        _wrap("over", _join(rule.services)),
        _wrap(
            "seen",
            f"{plural(evidence.flows, 'flow')}, {plural(evidence.events, 'log entry')}, "
            f"{clock(evidence.first_seen)} to {clock(evidence.last_seen)}",
        ),
    ]
    if surplus:
        lines.append(_wrap("surplus", f"{plural(surplus, 'combination')} of source, destination and service not seen"))
    lines += [
        _wrap("needed by", f"{citation.id} ({citation.basis}): {citation.purpose} {citation.url}")
        for citation in one.citations
    ]
    lines += [_wrap("doubt", doubt) for doubt in one.doubts]
    return "\n".join(lines) + "\n"


def _unsaid(unsaid: Sequence[Unsaid]) -> str:
    """Per reason where the conversations went."""
    if not unsaid:
        return ""
    reasons: dict[str, list[str]] = {}
    for one in unsaid:
        far = one.flow.src_ip if one.flow.direction == "inbound" else one.flow.destination
        reasons.setdefault(one.why, []).append(f"{far} {one.flow.service}")
    lines = [f"Needed, and not in a rule ({plural(len(unsaid), 'conversation')})"]
    for why, ends in reasons.items():
        lines += [_wrap("why", f"{why[0].upper()}{why[1:]}."), _wrap("", _some(dict.fromkeys(ends)))]
    return "\n".join(lines) + "\n"


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


def _notes(answer: Answer) -> str:
    lines = [_wrap("note", f"{note.text} {note.page.url}") for note in answer.notes]
    return "\n".join(lines) + "\n" if lines else ""


def certificate(found: Certificate, *, checked: bool = False) -> str:
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
    lines = [f"Certificate: {', '.join(marks)}; {rules}; surplus {found.surplus:,}."]
    lines += [_wrap("claim", alone)] if claimed and holds else []
    return "\n".join([*lines, *(_wrap("fault", fault) for fault in found.faults)]) + "\n"


def curve(steps: Sequence[tuple[int, int]], *, as_json: bool) -> bytes:
    """Rules against surplus, a line for each choice of `--at-most`."""
    if as_json:
        return msgspec.json.encode([{"rules": rules, "surplus": surplus} for rules, surplus in steps]) + b"\n"
    said = "Surplus: combinations of source, destination and service that are allowed and were not seen.\n"
    return (columns(("rules", "surplus"), steps) + said).encode()


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
            where = f"\n{' ' * 15}(first: {place})"
        lines.append(line + where)
    return "\n".join(lines) + "\n"


def _next(answer: Answer) -> str:
    if answer.recommendations:
        return "Next: check the doubts, then keep the whole answer with --format json -o FILE.\n"
    if answer.unexplained.height:
        return "Next: no document asks for these flows; --catalog FILE adds needs of your own.\n"
    return ""


def catalog(known: Catalog, width: int | None = WIDTH) -> str:
    """The catalogue as a table: id, who says it, level, the first way, profiles."""
    rows = []
    for one in known.requirements:
        way = one.ways[0]
        to = f"{'from ' if one.direction == 'inbound' else ''}{_join(way.peers, 2)} {_join(way.over, 3)}"
        rows.append((one.id, one.basis, one.level, to, ", ".join(one.when) or "all"))
    return columns(("need", "layer", "level", "to", "profiles"), rows, width)


def requirement(one: Requirement, known: Catalog) -> str:
    """Everything known about one entry."""
    side = "from" if one.direction == "inbound" else "to"
    lines = [f"{one.id}  ({one.basis}, {one.level}, {one.direction})", _wrap("for", one.purpose)]
    lines += [_wrap(side, f"{_join(way.peers, 99)} over {_join(way.over, 99)}") for way in one.ways]
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
    lines += [_wrap(name, text) for name, text in facts.items() if text]
    lines += [_wrap("warning", text) for text in one.warns]
    about = (note for note in known.notes if any(fnmatchcase(one.id, pattern) for pattern in note.about))
    lines += [_wrap("note", f"{note.text} {note.page.url}") for note in about]
    for page in (one.page, *one.also):
        dated = f", dated {page.dated}" if page.dated else ""
        lines.append(_wrap("page", f"{page.title} (read {page.read_on}{dated}) {page.url}"))
    return "\n".join(lines) + "\n"


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
    said = f"Service-tag file of the {known.cloud} cloud, change number {known.change_number}.\n"
    if not rows:
        return f"{text} belongs to no service tag.\n{said}"
    return columns(("tag", "addresses", "usable with", ""), rows, width) + said
