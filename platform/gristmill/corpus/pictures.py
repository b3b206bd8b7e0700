"""The report's pictures as inline SVG: bars, the funnel, an import graph. No file, no script, no font."""

import math
from collections.abc import Mapping, Sequence
from html import escape

INK, SOFT, LINE = "#1f2933", "#7b8794", "#d9e2ec"
FILL = ("#2f6f8f", "#d08c3f", "#5b8c5a", "#8a5a83", "#b5544d", "#4f6d7a", "#a3a847", "#7a6f9b")


def bars(rows: Sequence[tuple[str, float, str]], *, width: int = 640, colour: str = FILL[0]) -> str:
    """Return horizontal bars: (label, value, what is written behind the bar)."""
    if not rows:
        return ""
    step, left, right = 24, 215, 165
    most = max(value for _, value, _ in rows) or 1
    parts = []
    for i, (label, value, note) in enumerate(rows):
        y = i * step
        length = max(1.0, value / most * (width - left - right))
        parts.append(
            f'<text x="{left - 8}" y="{y + 16}" text-anchor="end" fill="{INK}">{escape(label)}</text>'
            f'<rect x="{left}" y="{y + 4}" width="{length:.1f}" height="16" rx="3" fill="{colour}"/>'
            f'<text x="{left + length + 6:.1f}" y="{y + 16}" fill="{SOFT}">{escape(note)}</text>'
        )
    return _svg(width, len(rows) * step + 4, "".join(parts))


def columns(rows: Sequence[tuple[str, float]], *, width: int = 640, height: int = 190) -> str:
    """Return upright bars with a label below each: a histogram."""
    if not rows:
        return ""
    most = max(value for _, value in rows) or 1
    step = width / len(rows)
    parts = []
    for i, (label, value) in enumerate(rows):
        tall = value / most * (height - 50)
        x = i * step
        parts.append(
            f'<rect x="{x + 3:.1f}" y="{height - 28 - tall:.1f}" width="{step - 6:.1f}" '
            f'height="{tall:.1f}" rx="3" fill="{FILL[0]}"/>'
            f'<text x="{x + step / 2:.1f}" y="{height - 10}" text-anchor="middle" fill="{SOFT}" '
            f'font-size="11">{escape(label)}</text>'
            f'<text x="{x + step / 2:.1f}" y="{height - 33 - tall:.1f}" text-anchor="middle" '
            f'fill="{INK}" font-size="11">{value:,.0f}</text>'
        )
    return _svg(width, height, "".join(parts))


def stacked(parts: Sequence[tuple[str, float]], *, width: int = 640) -> str:
    """Return one bar divided by shares, with a legend."""
    total = sum(value for _, value in parts) or 1
    x, y, shapes = 0.0, 52, []
    column = 0
    for i, (label, value) in enumerate(parts):
        colour = FILL[i % len(FILL)]
        length = value / total * width
        shapes.append(f'<rect x="{x:.1f}" y="0" width="{length:.1f}" height="28" fill="{colour}"/>')
        shapes.append(
            f'<rect x="{column * 215}" y="{y - 10}" width="10" height="10" rx="2" fill="{colour}"/>'
            f'<text x="{column * 215 + 16}" y="{y}" fill="{INK}">{escape(label)} '
            f"{value / total:.1%}</text>"
        )
        x += length
        column += 1
        if column == 3:
            column, y = 0, y + 20
    return _svg(width, y + 12, "".join(shapes))


def import_graph(
    order: Sequence[str], edges: Sequence[tuple[str, str]], *, width: int = 640, limit: int = 70
) -> str:
    """Return a repository's files in document order on a line, an arc an import.

    Arcs above lead back to a file that came before (what the order is for), arcs below lead ahead.
    """
    files = list(order)[:limit]
    place = {path: i for i, path in enumerate(files)}
    step = (width - 40) / max(len(files) - 1, 1)
    middle = min(220.0, width * 0.32)
    shapes = []
    for importer, imported in edges:
        if importer not in place or imported not in place or importer == imported:
            continue
        a, b = 20 + place[importer] * step, 20 + place[imported] * step
        back = place[imported] < place[importer]
        high = min(abs(a - b) / 2, middle - 14)
        sweep = 0 if back else 1
        colour = FILL[0] if back else FILL[4]
        shapes.append(
            f'<path d="M{a:.1f} {middle:.1f} A{abs(a - b) / 2:.1f} {high:.1f} 0 0 {sweep} '
            f'{b:.1f} {middle:.1f}" fill="none" stroke="{colour}" stroke-opacity=".38"/>'
        )
    depth = _degrees(files, edges)
    for path, i in place.items():
        size = 2.2 + 1.5 * math.log1p(depth.get(path, 0))
        shapes.append(
            f'<circle cx="{20 + i * step:.1f}" cy="{middle:.1f}" r="{size:.1f}" fill="{INK}">'
            f"<title>{escape(path)}: imported by {depth.get(path, 0)}</title></circle>"
        )
    return _svg(width, int(middle * 1.6), "".join(shapes))


def _degrees(files: Sequence[str], edges: Sequence[tuple[str, str]]) -> Mapping[str, int]:
    found = dict.fromkeys(files, 0)
    for _, imported in edges:
        if imported in found:
            found[imported] += 1
    return found


def _svg(width: int, height: int, body: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="100%" role="img" font-size="12.5" '
        f'font-family="system-ui, sans-serif">{body}</svg>'
    )
