"""Knows the charts of a page, each a pure function from what is to be shown to a plotly figure.

Colours are names (`meta.role`) that the page's style gives a value in light and dark. Plotly reads a small markup in
every text, links among it, so every text that is not ours is escaped here.
"""

import html
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import plotly.graph_objects as go  # type: ignore[import-untyped]

from fwlens.report.needs import LETTERS, PageFates
from fwlens.report.paths import NO_RULE, NOT_TOLD, Paths
from fwlens.report.timeline import VERDICTS, Timeline
from fwlens.report.words import anchor, plain
from fwlens.requirement import Page

_PATTERNS: Final = {"needed": "", "unexplained": "/", "refused": "x"}
_LABEL: Final = 34
_ROOM: Final = 46  # characters beside the matrix
_END: Final = 18  # of an address, where a title does not tell pages apart
_PAD: Final = 20  # pixels between the nodes of the flow chart: a name fits beside the thinnest
_THICK: Final = 14
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
    """Blocked flows from machines through needs to the rules that fix them; `told` says what a need or rule is.

    Machines and rules are named beside the chart, where no flow runs through a name.
    """
    columns = _columns(found)
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
    high = 26 + 34 * max(map(len, columns), default=1)
    middles = [middle for column in columns for middle in _middles(list(column.values()), high, columns)]
    sankey = go.Sankey(
        arrangement="fixed",
        valueformat=",d",
        node={
            "x": [(0.001, 0.5, 0.999)[i] for i, _ in places],
            "y": middles,
            "customdata": [text(f"{name}: {told[name]}" if name in told else name) for _, name in places],
            "hovertemplate": "%{customdata}<br>%{value} flows<extra></extra>",
            "pad": _PAD,
            "thickness": _THICK,
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
    names = [_beside(i, name, middle) for (i, name), middle in zip(places, middles, strict=True)]
    sides = [16 + 7.5 * max((min(len(name), _LABEL) for name in columns[i]), default=0) for i in (0, 2)]
    margin = {"l": sides[0], "r": sides[1], "t": 8, "b": 8}
    return go.Figure(sankey).update_layout(**_LAYOUT, height=high + 16, margin=margin, annotations=names)


def _columns(found: Paths) -> tuple[dict[str, int], ...]:
    """Machines, needs and rules with their flows, from above: the most frequent first, and rules near their needs."""
    totals = [dict[str, int]() for _ in range(3)]
    for path in found.paths:
        for total, name in zip(totals, (path.machine, path.need, path.rule), strict=True):
            total[name] = total.get(name, 0) + path.flows
    machines, needs, rules = (dict(sorted(total.items(), key=lambda one: (-one[1], one[0]))) for total in totals)
    at = {name: n for n, name in enumerate(needs)}
    lean = dict.fromkeys(rules, 0)
    for path in found.paths:
        lean[path.rule] += at[path.need] * path.flows
    apart = (NO_RULE, NOT_TOLD)
    near = sorted(rules, key=lambda name: (name in apart, lean[name] / rules[name], name))
    return machines, needs, {name: rules[name] for name in near}


def _middles(flows: Sequence[int], high: float, columns: Sequence[Mapping[str, int]]) -> Iterator[float]:
    """How far below the top the middle of each node lies. Plotly makes nodes as tall as the longest column allows."""
    scale = (high - _PAD * (max(map(len, columns)) - 1)) / max(sum(flows), 1)
    room = (high - scale * sum(flows)) / len(flows)
    top = room / 2
    for each in flows:
        yield min(max((top + scale * each / 2) / high, 0.001), 0.999)
        top += scale * each + room


def _beside(column: int, name: str, middle: float) -> dict[str, Any]:
    """The name of a node: a machine's at its left, all others at the right."""
    shift = _THICK / 2 + 4
    return {
        "name": "over" if column == 1 else "beside",
        "text": text(name, _LABEL),
        "x": (0, 0.5, 1)[column],
        "xanchor": "left" if column else "right",
        "xshift": shift if column else -shift,
        "xref": "paper",
        "y": 1 - middle,
        "yref": "paper",
        "yanchor": "middle",
        "borderpad": 1,
        "font": {"size": 12},
        "showarrow": False,
    }


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
    labels = [text(label, _ROOM) for label in reversed(_labels([page.page for page in pages]))]
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


def _labels(pages: Sequence[Page]) -> list[str]:
    """What each page is called beside the matrix: its title, and its address where that does not tell it apart."""
    short = [_shortened(page.title, _ROOM) for page in pages]
    often = Counter(short)
    return [label if often[label] == 1 else _with_address(page) for label, page in zip(short, pages, strict=True)]


def _with_address(page: Page) -> str:
    address = page.url.removeprefix("https://")
    end = address if len(address) <= _END else f"…{address[1 - _END :]}"
    return f"{_shortened(page.title, _ROOM - 2 - len(end))}, {end}"


def _shortened(title: str, longest: int) -> str:
    """A title cut in its middle, between words where it has some: titles that begin alike end differently."""
    if len(title) <= longest:
        return title
    end = title[-(longest * 2 // 5) :]
    tail = end.partition(" ")[2] or end
    head = title[: longest - 3 - len(tail) + 1]
    return f"{head.rpartition(' ')[0] or head[:-1]} … {tail}"
