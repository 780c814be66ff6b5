"""Knows how a page is put together: the template, what its policy lets run, how much of each thing it shows.

The template writes the page whole, and it reads without JavaScript; the script adds search, sort, filter, export, the
time zone and the charts. What is too much for a page lies beside it.
"""

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlsplit

import jinja2
from markupsafe import Markup, escape

from fwlens.answer import to_json
from fwlens.diff import REASONS, diff
from fwlens.report import beside, charts, missing, needs, paths, sheets, timeline, words
from fwlens.report.content import LIMITS, Beside, Limits, Night, Report, Sheet
from fwlens.rule import Endpoint, Recommendation, Service

_PLACE: Final = b"/* the plot library */"
_CROWD: Final = 400  # rows and cards from which on a browser should lay out only what is near


def render(night: Night, name: str | None, library: str, shared_script: str, most: int) -> Report:
    """The page with the first of `LIMITS` that make it small enough; `library` stands in it or is `shared_script`."""
    frames, every = _sheets(night), needs.fates(night)
    report = Report(b"")
    for limits in LIMITS:
        report = _rendered(night, limits, name, frames, every, library, shared_script)
        if len(report.page) <= most:
            break
    return Report(report.page.replace(_PLACE, library.encode(), 1), report.beside)


def _rendered(
    night: Night,
    limits: Limits,
    name: str | None,
    frames: Sequence[Sheet],
    every: Sequence[needs.Fate],
    library: str,
    shared_script: str,
) -> Report:
    """The page without the plot library, of which it has the hash only."""
    answer = night.answer
    tables = {sheet.name: replace(sheet, most=limits.rows) for sheet in frames}
    long = [one for one in night.artefacts if len(one.text) > limits.characters]
    cards = answer.recommendations[: limits.cards]
    rules_cut = len(answer.recommendations) > limits.cards or any(_is_cut(one, limits) for one in cards)
    whole = [table for table in tables.values() if table.is_cut or (table.name == "rules" and rules_cut)]
    platforms = dict.fromkeys(one.rule.platform for one in answer.recommendations)
    script = _own("page.js")
    # Nobody who writes into a log knows the rest of the answer, so nobody knows the nonce.
    nonce = hashlib.sha256(to_json(answer)).hexdigest()[:32] if shared_script else ""
    text = _template().render(
        night=night,
        answer=answer,
        limits=limits,
        name_of=name,
        sheets=tables,
        rules_cut=rules_cut,
        long=[one.file_name for one in long],
        counts={state: sum(fate.state == state for fate in every) for state in needs.STATES},
        shown_rules={one.rule.id for one in cards},
        shown_needs={fate.need.id for fate in every[: limits.rows]},
        platforms_of=[(each, [one for one in cards if one.rule.platform == each]) for each in platforms],
        is_crowded=sum(min(table.total, table.most) for table in tables.values()) + len(cards) > _CROWD,
        heard=missing.heard(night),
        gaps=missing.gaps(night),
        changes=diff(answer, night.earlier, night.documented, night.lasting) if night.earlier else None,
        script=Markup(script),  # noqa: S704 - our own file
        style=Markup(_own("page.css")),  # noqa: S704 - our own file
        policy=_policy(script, library, nonce),
        nonce=nonce,
        shared_script=shared_script,
        place=Markup(_PLACE.decode()),  # noqa: S704 - our own word
        **_drawn(night, every),
    )
    lying = [file for table in whole for file in beside.files(table)]
    lying += [Beside(one.file_name, one.text.encode("utf-8", "replace")) for one in long]
    return Report(text.encode("utf-8", "replace"), tuple(lying) if name else ())


def _drawn(night: Night, every: Sequence[needs.Fate]) -> dict[str, object]:
    """What the charts show, as values for the page and as figures for the plot library."""
    pages, bars, found = needs.by_page(every), timeline.bars(night), paths.paths(night)
    figures = {}
    if bars.bars:
        figures["timeline"] = charts.timeline(bars)
    if found.paths:
        told = {fate.need.id: fate.need.purpose for fate in every}
        told |= {
            one.rule.id: words.and_more(map(str, one.rule.destinations), 3) for one in night.answer.recommendations
        }
        figures["paths"] = charts.paths(found, told)
    if pages:
        figures["matrix"] = charts.matrix(pages)
    as_json = {key: json.loads(figure.to_json()) for key, figure in figures.items()}
    return {"pages": pages, "bars": bars, "paths": found, "charts": _json(as_json)}


def _sheets(night: Night) -> tuple[Sheet, ...]:
    answer = night.answer
    return (
        sheets.rules(answer.recommendations),
        sheets.unsaid(answer.unsaid),
        needs.sheet(needs.fates(night)),
        sheets.affected(night),
        sheets.unexplained(night),
        sheets.refused(night),
        sheets.inputs(answer.ledger),
        sheets.set_aside(answer.ledger),
    )


def _is_cut(one: Recommendation, limits: Limits) -> bool:
    lists = (one.rule.sources, one.rule.destinations, one.citations, one.doubts)
    return any(len(each) > limits.items for each in lists)


def _policy(script: str, library: str, nonce: str) -> str:
    """What the page may do: run its own two scripts, and load nothing from anywhere.

    The plot library writes styles of its own. A shared script is let in by a nonce, as `'self'` means nothing for a
    file; the nonce is a digest of what the page tells, which nobody who writes into a log can know.
    """
    allowed = [f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in (script, library)]
    scripts = f"{allowed[0]} 'nonce-{nonce}'" if nonce else " ".join(allowed)
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data:; connect-src 'none'; "
        "form-action 'none'; base-uri 'none'"
    )


def _json(value: object) -> Markup:
    """A value as JSON that can stand in a script element: nothing in it ends the element or a line."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return Markup(text)  # noqa: S704 - escaped above


@lru_cache
def _own(file: str) -> str:
    return files("fwlens.report").joinpath(file).read_text("utf-8")


def _finalize(value: Any) -> Any:
    """Every value on its way into the page: endpoints in their notation, texts without what cannot be seen."""
    if isinstance(value, Markup) or value is None:
        return value
    if isinstance(value, str | Endpoint | Service):
        return words.plain(str(value))
    return value


def link(url: str) -> str:
    """An address that may be a link, else nothing: https, a host, and not a character that has no place in one."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    plain = re.fullmatch(r"[!-~]{1,500}", url) and not set(url) & set("\"'<>`\\{}|^")
    return url if plain and parts.scheme == "https" and parts.hostname and not parts.username else ""


def resource(text: str) -> str:
    """The id of an Azure resource with places where a line may end, after its slashes; any other text as it is."""
    if not re.fullmatch(r"/subscriptions/[\w./-]{1,400}", text, re.ASCII):
        return text
    return Markup("/<wbr>").join(text.split("/"))


def _iso(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _first(values: Iterable[object], most: int) -> list[object]:
    return list(values)[:most]


@lru_cache
def _template() -> jinja2.Template:
    house = jinja2.Environment(
        loader=jinja2.FunctionLoader(_own),
        autoescape=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    house.filters |= {
        "link": link,
        "resource": resource,
        "clock": words.clock,
        "iso": _iso,
        "top": _first,
        "count": lambda number: f"{number:,}",
        "raw": lambda text: Markup(escape(text)),  # noqa: S704 - escaped here
    }
    house.globals |= {
        "anchor": words.anchor,
        "plural": words.plural,
        "and_more": words.and_more,
        "verdict": words.verdict,
        "certificate": words.certificate,
        "platforms": words.PLATFORMS,
        "layers": words.LAYERS,
        "bases": words.BASES,
        "logs": words.logs,
        "reasons": REASONS,
        "verdicts": timeline.VERDICTS,
        "squares": charts.SQUARES,
    }
    return house.get_template("page.html")
