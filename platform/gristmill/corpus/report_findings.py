"""The report's sections on copies, redactions, benchmarks and orders, from what `findings` found."""

from collections import Counter
from collections.abc import Sequence
from html import escape

from gristmill.corpus import pictures
from gristmill.corpus.findings import WAYS, Findings, Ordered
from gristmill.corpus.order import Order
from gristmill.corpus.windows import Visibility

_SIZES = ((2, "2"), (3, "3"), (5, "4 to 5"), (10, "6 to 10"), (1 << 62, "more"))
_WAYS: dict[Order, str] = {
    "scc": "scc: cycles first (the default)",
    "paper": "paper: fewest imports unplaced",
    "path": "path: by name",
    "random": "random",
}


def copies(findings: Findings) -> str:
    """Return the section on clusters of copies."""
    if not findings.num_clusters:
        return "<p>No file is a copy of another, or dedup was off.</p>"
    sizes: Counter[str] = Counter()
    for num_files, number in findings.cluster_sizes.items():
        sizes[next(label for most, label in _SIZES if num_files <= most)] += number
    rows = [(label, float(sizes[label])) for _, label in _SIZES]
    note = (
        f"{findings.num_clusters:,} clusters of copies, by the number of their files. One file of each "
        "stays, chosen by licence, then size, then name. The largest:"
    )
    parts = []
    for cluster in findings.clusters:
        stays = escape(cluster.survivor) or "none: all are copies of a file elsewhere"
        gone = "".join(
            f"<li>{escape(name)} <em>{likeness:.0%} alike</em></li>"
            for name, likeness in cluster.others
        )
        rest = cluster.num_files - len(cluster.others) - bool(cluster.survivor)
        more = f"<li><em>and {rest:,} more</em></li>" if rest > 0 else ""
        parts.append(
            f"<details><summary><b>{cluster.num_files:,} files</b> {stays}</summary>"
            f"<ul>{gone}{more}</ul></details>"
        )
    return f"{pictures.columns(rows, colour=3)}<p>{note}</p>{''.join(parts)}"


def redactions(findings: Findings) -> str:
    """Return the section on what was taken out of texts."""
    if not findings.redacted:
        return "<p>Nothing was taken out of any text that stayed, or redaction was off.</p>"
    rows = [
        (f"{row.kind}: {row.rule}" if row.kind != row.rule else row.kind, float(row.num_spans),
         f"{row.num_spans:,} in {row.num_files:,} files")
        for row in findings.redacted
    ]  # fmt: skip
    note = (
        "By kind and rule, in files that stayed. A word stands in the place of each value; where it "
        "was is in the table <code>redactions</code>, what it was is not."
    )
    return f"{pictures.bars(rows, colour=4)}<p>{note}</p>"


def benchmarks(findings: Findings) -> str:
    """Return the section on what hit what."""
    if not findings.num_hits:
        return "<p>No file holds a benchmark's text, or no benchmark was named.</p>"
    order = sorted(findings.num_hits, key=lambda name: (-findings.num_hits[name], name))
    rows = [
        (name, float(findings.num_hits[name]), f"{findings.num_hits[name]:,}") for name in order
    ]
    lines = "".join(
        f"<tr><td>{escape(hit.file)}</td><td>{escape(hit.task)}</td>"
        f"<td><code>{escape(hit.words[:120])}</code></td></tr>"
        for hit in findings.hits
    )
    head = "<tr><th>file</th><th>holds words of</th><th>these</th></tr>"
    note = (
        "Tasks hit, by benchmark; a file that holds ten words in a row of one, or the whole of a "
        "shorter one, goes. A file's first hit:"
    )
    table = f'<div class="wide"><table>{head}{lines}</table></div>'
    return f"{pictures.bars(rows, colour=5)}<p>{note}</p>{table}"


def orders(findings: Findings) -> str:
    """Return the section on the ways to order files."""
    rows = findings.orders
    if not rows:
        return "<p>No repository has imports enough to tell orders apart.</p>"
    num_edges = sum(row.num_edges for row in rows)
    broken = {way: sum(row.num_broken[way] for row in rows) / max(num_edges, 1) for way in WAYS}
    seen = {way: sum((row.seen[way] for row in rows), Visibility()).share for way in WAYS}
    ahead = [(_WAYS[way], broken[way], f"{broken[way]:.1%}") for way in WAYS]
    sight = [(_WAYS[way], seen[way], f"{seen[way]:.1%}") for way in WAYS]
    return (
        "<h3>Imports that point ahead, to what the model has not read yet: fewer is better</h3>"
        f"{pictures.bars(ahead, colour=4)}"
        "<h3>Share of its imported text that a file has in sight inside the window: more is better</h3>"
        f"{pictures.bars(sight, colour=2)}"
        f"<p>Over {num_edges:,} imports of the {len(rows)} repositories below, those with the most. "
        "Share that points ahead, by repository:</p>"
        f"{_by_repository(rows)}"
    )


def _by_repository(rows: Sequence[Ordered]) -> str:
    head = "".join(f"<th>{name}</th>" for name in ("repository", "files", "imports", *WAYS))
    lines = [f"<tr>{head}</tr>"]
    for row in rows:
        least = min(row.num_broken.values())
        cells = [f"<td>{escape(row.repository)}</td><td>{row.num_files:,}</td>"]
        cells.append(f"<td>{row.num_edges:,}</td>")
        for way in WAYS:
            share = f"{row.num_broken[way] / max(row.num_edges, 1):.1%}"
            cells.append(f"<td>{f'<b>{share}</b>' if row.num_broken[way] == least else share}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'
