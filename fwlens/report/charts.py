"""Knows the charts of a page, each a pure function from what is to be shown to a plotly figure.

Colours are names (`meta.role`) that the page's style gives a value in light and dark. Plotly reads a small markup in
every text, links among it, so every text that is not ours is escaped here.
"""

import html
from collections.abc import Mapping, Sequence
from typing import Any, Final

import plotly.graph_objects as go  # type: ignore[import-untyped]

from fwlens.report.needs import LETTERS, PageFates
from fwlens.report.paths import NO_RULE, NOT_TOLD, Paths
from fwlens.report.timeline import VERDICTS, Timeline
from fwlens.report.words import anchor, plain

_PATTERNS: Final = {"needed": "", "unexplained": "/", "refused": "x"}
_LABEL: Final = 34
_BARS: Final = 6  # room for so many bars at least
_WHOLE: Final = 6  # entries up to which each has a line of its own
SQUARES: Final = 30
"""How many needs of a page are drawn at most, but for those that were seen: the others are a number."""
_LAYOUT: Final[dict[str, Any]] = {
    "template": "none",
    "font": {"family": "inherit", "size": 13},
    "hoverlabel": {"align": "left"},
    "dragmode": False,
}


def text(value: str, longest: int = 120) -> str:
    """A text for a chart: nothing in it is markup, and it is cut with an ellipsis."""
    shown = plain(value)
    return html.escape(shown if len(shown) <= longest else f"{shown[: longest - 1]}…")


def timeline(found: Timeline) -> go.Figure:
    """Stacked bars of log entries by verdict; each verdict has a pattern of its own besides its colour."""
    begins = [bar.begin.strftime("%Y-%m-%dT%H:%M:%SZ") for bar in found.bars]
    traces = [
        go.Bar(
            x=begins,
            y=[bar.entries[i] for bar in found.bars],
            name=name,
            width=found.length.total_seconds() * 1000 * 0.86,
            offset=0,
            marker={"pattern": {"shape": _PATTERNS[name], "size": 6, "solidity": 0.35}},
            meta={"role": name},
            hovertemplate="%{y:,} " + name + "<br>%{x|%Y-%m-%d %H:%M}<extra></extra>",
        )
        for i, name in enumerate(VERDICTS)
    ]
    return go.Figure(traces).update_layout(
        **_LAYOUT,
        barmode="stack",
        height=280,
        margin={"l": 56, "r": 8, "t": 8, "b": 40},
        legend={"orientation": "h", "traceorder": "normal", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={"type": "date", "fixedrange": True} | _few(found),
        yaxis={"title": {"text": "log entries"}, "fixedrange": True, "rangemode": "tozero"}
        | ({"dtick": 1} if found.highest < _WHOLE else {}),
    )


def _few(found: Timeline) -> dict[str, Any]:
    """Where bars are few, room beside them: one alone is a bar and not a wall."""
    room = (_BARS - len(found.bars)) / 2
    if not found.bars or room <= 0:
        return {}
    ends = found.bars[0].begin - found.length * room, found.bars[-1].begin + found.length * (room + 1)
    return {"range": [end.strftime("%Y-%m-%dT%H:%M:%SZ") for end in ends]}


def paths(found: Paths, told: Mapping[str, str]) -> go.Figure:
    """Blocked flows from machines through needs to the rules that fix them; `told` says what a need or rule is."""
    columns = [list(dict.fromkeys(getattr(path, side) for path in found.paths)) for side in ("machine", "need", "rule")]
    places = {
        (i, name): n for n, (i, name) in enumerate((i, name) for i, names in enumerate(columns) for name in names)
    }
    links: dict[tuple[int, int], int] = {}
    for path in found.paths:
        ends = (places[0, path.machine], places[1, path.need], places[2, path.rule])
        for link in (ends[:2], ends[1:]):
            links[link[0], link[1]] = links.get((link[0], link[1]), 0) + path.flows
    order = sorted(links)
    roles = ["source", "need", "rule"]
    apart = {NO_RULE: "left", NOT_TOLD: "unclear"}
    sankey = go.Sankey(
        arrangement="fixed",
        valueformat=",d",
        node={
            "label": [text(name, _LABEL) for _, name in places],
            "customdata": [text(f"{name}: {told[name]}" if name in told else name) for _, name in places],
            "hovertemplate": "%{customdata}<br>%{value} flows<extra></extra>",
            "pad": 12,
            "thickness": 14,
            "line": {"width": 0},
        },
        link={
            "source": [source for source, _ in order],
            "target": [target for _, target in order],
            "value": [links[link] for link in order],
            "hovertemplate": "%{source.customdata} → %{target.customdata}<br>%{value} flows<extra></extra>",
        },
        meta={"roles": [apart.get(name, roles[i]) for i, name in places]},
    )
    highest = max((len(column) for column in columns), default=1)
    margin = {"l": 4, "r": 4, "t": 8, "b": 8}
    return go.Figure(sankey).update_layout(**_LAYOUT, height=max(180, 60 + 34 * highest), margin=margin)


def matrix(pages: Sequence[PageFates]) -> go.Figure:
    """A row for each page, a square for each need that it states; the letter says what the colour says."""
    seen = max((sum(bool(fate.blocked or fate.working) for fate in page.fates) for page in pages), default=0)
    widest = min(max(SQUARES, seen), max((len(page.fates) for page in pages), default=0))
    states = {
        state: n for n, state in enumerate(("blocked", "blocked in part", "working", "not blocked", "never seen"))
    }
    rows, letters, hovers, ids = [], [], [], []
    for page in reversed(pages):
        fates = page.fates[:widest]
        empty = [""] * (widest - len(fates))
        rows.append([states[fate.state] for fate in fates] + [None] * len(empty))
        letters.append([LETTERS[fate.state] for fate in fates] + empty)
        hovers.append([f"{text(fate.need.id)}: {fate.state}" for fate in fates] + empty)
        ids.append([anchor("need", fate.need.id) for fate in fates] + empty)
    heatmap = go.Heatmap(
        z=rows,
        text=letters,
        customdata=ids,
        hovertext=hovers,
        texttemplate="%{text}",
        textfont={"size": 10},
        hovertemplate="%{hovertext}<extra></extra>",
        hoverongaps=False,
        zmin=0,
        zmax=len(states) - 1,
        xgap=2,
        ygap=2,
        showscale=False,
        meta={"roles": ["needed", "part", "working", "quiet", "quiet"]},
    )
    labels = [text(page.page.title, 46) for page in reversed(pages)]
    more = [
        {"x": widest - 0.4, "y": n, "text": f"+{len(page.fates) - widest}", "showarrow": False, "xanchor": "left"}
        for n, page in enumerate(reversed(pages))
        if len(page.fates) > widest
    ]
    return go.Figure(heatmap).update_layout(
        **_LAYOUT,
        height=40 + 26 * len(pages),
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        annotations=more,
        xaxis={"visible": False, "fixedrange": True, "range": [-0.5, widest + 1.5]},
        yaxis={
            "tickvals": list(range(len(pages))),
            "ticktext": labels,
            "automargin": True,
            "fixedrange": True,
            "showgrid": False,
            "zeroline": False,
        },
    )
