"""The report's pictures: bars that bend to a phone as HTML, an import graph as inline SVG.

No file, no script, no font. Colours are the page's (`var(--c0)`), so that they follow it into the dark.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape

NUM_COLOURS = 8
_GRAPH_WIDTH = 900
_MOST_HIGH = 210.0


def bars(rows: Sequence[tuple[str, float, str]], *, colour: int = 0) -> str:
    """Return horizontal bars: (label, value, what is written behind the bar)."""
    most = max((value for _, value, _ in rows), default=0) or 1
    parts = [
        f'<div class="bar" style="--w:{max(0.3, value / most * 100):.1f}%;--c:var(--c{colour})">'
        f"<span>{escape(label)}</span><i></i><em>{escape(note)}</em></div>"
        for label, value, note in rows
    ]
    return f'<div class="bars">{"".join(parts)}</div>' if parts else ""


def columns(rows: Sequence[tuple[str, float]], *, colour: int = 0) -> str:
    """Return upright bars with a label below each: a histogram."""
    most = max((value for _, value in rows), default=0) or 1
    parts = [
        f'<div><em>{value:,.0f}</em><i style="--h:{value / most * 100:.1f}%;--c:var(--c{colour})">'
        f"</i><span>{escape(label)}</span></div>"
        for label, value in rows
    ]
    return f'<div class="columns">{"".join(parts)}</div>' if parts else ""


def stacked(parts: Sequence[tuple[str, float]]) -> str:
    """Return one bar divided by shares, with a legend."""
    total = sum(value for _, value in parts) or 1
    pieces, legend = [], []
    for number, (label, value) in enumerate(parts):
        share, colour = value / total, f"var(--c{number % NUM_COLOURS})"
        pieces.append(f'<i style="width:{share * 100:.2f}%;--c:{colour}"></i>')
        legend.append(
            f'<span><i style="--c:{colour}"></i>{escape(label)} <em>{share:.1%}</em></span>'
        )
    return (
        f'<div class="stacked">{"".join(pieces)}</div><div class="legend">{"".join(legend)}</div>'
    )


def import_graph(order: Sequence[str], edges: Sequence[tuple[str, str]], *, limit: int = 70) -> str:
    """Return a repository's files in document order on a line, an arc an import.

    Arcs above lead back to a file that came before (what the order is for), arcs below lead ahead.
    """
    files = list(order)[:limit]
    place = {path: number for number, path in enumerate(files)}
    step = (_GRAPH_WIDTH - 40) / max(len(files) - 1, 1)
    back: list[tuple[float, float]] = []
    ahead: list[tuple[float, float]] = []
    for importer, imported in edges:
        if importer in place and imported in place and importer != imported:
            a, b = 20 + place[importer] * step, 20 + place[imported] * step
            (back if b < a else ahead).append((a, b))
    above, below = _height(back), _height(ahead)
    shapes = [
        f'<path d="M{a:.1f} {above:.1f} A{abs(a - b) / 2:.1f} {min(abs(a - b) / 2, _MOST_HIGH):.1f} '
        f'0 0 0 {b:.1f} {above:.1f}" stroke="var(--c{colour})"/>'
        for arcs, colour in ((back, 0), (ahead, 4))
        for a, b in arcs
    ]
    degrees = _degrees(files, edges)
    dots = [
        f'<circle cx="{20 + number * step:.1f}" cy="{above:.1f}" '
        f'r="{2.2 + 1.5 * math.log1p(degrees[path]):.1f}">'
        f"<title>{escape(path)}: imported by {degrees[path]}</title></circle>"
        for path, number in place.items()
    ]
    return (
        f'<div class="wide"><svg class="graph" viewBox="0 0 {_GRAPH_WIDTH} {above + below:.0f}" '
        f'role="img"><g fill="none" stroke-opacity=".4">{"".join(shapes)}</g>{"".join(dots)}</svg></div>'
    )


def _height(arcs: Sequence[tuple[float, float]]) -> float:
    """Return the room that arcs need on their side of the line."""
    return 16 + min(_MOST_HIGH, max((abs(a - b) / 2 for a, b in arcs), default=0.0))


def _degrees(files: Sequence[str], edges: Sequence[tuple[str, str]]) -> Mapping[str, int]:
    found = dict.fromkeys(files, 0)
    for importer, imported in edges:
        if imported in found and importer != imported:
            found[imported] += 1
    return found
