"""The corpus report: one HTML page that says what came in, what stayed, what went and why.

Self-contained and a function of the artifact's tables alone, so that it is the same bytes whoever
makes it. Texts of samples are escaped: they are other people's files.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pyarrow as pa

from gristmill.corpus import pictures, report_findings
from gristmill.corpus.findings import Findings
from gristmill.corpus.report_page import page
from gristmill.corpus.summary import Summary

PAPER_KEPT_SHARE = 0.328
"""What the paper's rule filter kept of its crawl, by volume (section 2.1)."""

REASONS = {
    "language": "of no wanted language",
    "empty": "empty",
    "binary": "binary",
    "encoding": "broken encoding",
    "too_large": "too large",
    "licence": "licence not wanted",
    "vendored": "copied in from another project",
    "minified": "squeezed",
    "generated": "made by a tool",
    "test": "a test",
    "documentation": "documentation",
    "mean_line": "long lines on average",
    "max_line": "a very long line",
    "alphabetic": "too few letters",
    "xml": "XML in disguise",
    "html": "HTML that shows little text",
    "data_size": "JSON or YAML of the wrong size",
    "syntax": "broken syntax",
    "readability": "hard to read by a signal",
    "modularity": "badly cut by a signal",
    "model_score": "surprises the model too much or too little",
    "contaminated": "holds a benchmark's text",
    "exact_duplicate": "same text as another",
    "near_duplicate": "nearly the same as another",
    "repository_duplicate": "its repository is a near copy",
    "held_out_copy": "near copy of a held-out file",
    "held_out_surplus": "beyond the held-out limit",
    "repository_cap": "beyond the repository's limit",
    "repeated_path": "its path is there already",
    "unreadable": "cannot be read",
    "truncated": "the archive ends or is damaged",
    "unsafe_path": "its name leads out of the archive",
    "link": "a link",
    "device": "neither file nor folder",
    "encrypted": "encrypted",
    "archive_bomb": "grows out of proportion",
    "lfs_pointer": "only points at a file elsewhere",
    "submodule": "a repository of its own",
    "parser_crashed": "broke the process that read it",
    "parser_timeout": "took too long to read",
}


@dataclass(frozen=True)
class Sample:
    """A file shown on the page."""

    title: str
    rule: str
    """What decided."""
    note: str
    text: str


@dataclass(frozen=True)
class Graph:
    """A repository's order and imports, for the picture."""

    repository: str
    order: Sequence[str]
    edges: Sequence[tuple[str, str]]


def render(
    name: str,
    plan: pa.Table,
    repositories: pa.Table,
    summary: Summary,
    findings: Findings,
    graphs: Sequence[Graph],
    kept: Sequence[Sample],
    dropped: Sequence[Sample],
) -> str:
    """Return the page."""
    rows = plan.select(["language", "licence", "num_bytes", "reason", "split"]).to_pylist()
    sections = [
        ("Where the files went", _funnel(rows)),
        ("Against the paper", _paper(summary)),
        ("Languages", _languages(rows)),
        ("Licences", _licences(rows)),
        ("Sizes of the files that stayed", _sizes(rows)),
        ("Copies", report_findings.copies(findings)),
        ("Redactions", report_findings.redactions(findings)),
        ("Benchmarks", report_findings.benchmarks(findings)),
        ("Orders", report_findings.orders(findings)),
        *((f"Imports of {graph.repository}", _graph(graph)) for graph in graphs),
        ("Some that stayed", _samples(kept)),
        ("Some that went, and why", _samples(dropped)),
        ("Repositories", _repositories(repositories)),
    ]
    return page(f"Corpus {name}", _figures(summary), sections)


def _figures(summary: Summary) -> str:
    counts = summary.counts
    figures = (
        (f"{counts['repositories']:,}", "repositories"),
        (f"{counts['files_kept']:,}", f"files of {counts['files']:,}"),
        (_bytes(counts["bytes_kept"]), f"text of {_bytes(counts['bytes_read'])} read"),
        (f"{counts['documents']:,}", "documents"),
        (f"{counts['files_held_out']:,}", "files held out"),
        (f"{counts['edges']:,}", "import edges"),
        (f"{summary.metrics['edges_broken_share']:.1%}", "of them point ahead in the order"),
        (f"{summary.metrics['imports_visible_share']:.0%}", "of what files import is in sight"),
    )
    cells = "".join(
        f"<div><b>{escape(value)}</b><span>{escape(label)}</span></div>" for value, label in figures
    )
    return f'<div class="figures">{cells}</div>'


def _funnel(rows: Sequence[Mapping[str, Any]]) -> str:
    files: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for row in rows:
        key = row["reason"] or "stayed"
        files[key] += 1
        sizes[key] += row["num_bytes"]
    order = sorted(files, key=lambda key: (key != "stayed", -files[key], key))
    table = [
        (REASONS.get(key, key), float(files[key]), f"{files[key]:,} files, {_bytes(sizes[key])}")
        for key in order
    ]
    return pictures.bars(table)


def _paper(summary: Summary) -> str:
    share = summary.metrics["rule_kept_share"]
    ours = ("this corpus", share, f"{share:.1%} of the volume")
    paper = ("the paper's crawl", PAPER_KEPT_SHARE, f"{PAPER_KEPT_SHARE:.1%} of the volume")
    note = (
        "What the paper's rule filters keep of text in a wanted language. Its crawl was of GitHub as "
        "it is, data files and pages among the code; released packages are cleaner to begin with."
    )
    return pictures.bars([ours, paper], colour=1) + f"<p>{note}</p>"


def _languages(rows: Sequence[Mapping[str, Any]]) -> str:
    sizes: Counter[str] = Counter()
    files: Counter[str] = Counter()
    for row in rows:
        if row["split"]:
            sizes[row["language"]] += row["num_bytes"]
            files[row["language"]] += 1
    order = sorted(sizes, key=lambda key: (-sizes[key], key))[:16]
    return pictures.bars(
        [(key, float(sizes[key]), f"{_bytes(sizes[key])}, {files[key]:,} files") for key in order],
        colour=2,
    )


def _licences(rows: Sequence[Mapping[str, Any]]) -> str:
    sizes: Counter[str] = Counter()
    for row in rows:
        if row["split"]:
            sizes[row["licence"]] += row["num_bytes"]
    order = sorted(sizes, key=lambda key: (-sizes[key], key))
    shown = [(key if len(key) < 19 else key[:17] + "..", float(sizes[key])) for key in order[:7]]
    rest = sum(sizes[key] for key in order[7:])
    return pictures.stacked([*shown, *([("others", float(rest))] if rest else [])])


def _sizes(rows: Sequence[Mapping[str, Any]]) -> str:
    limits = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024)
    counts = [0] * len(limits)
    for row in rows:
        if row["split"]:
            at = next((i for i, k in enumerate(limits) if row["num_bytes"] <= k * 1024), -1)
            counts[at] += 1
    labels = [f"to {k} KiB" for k in limits]
    return pictures.columns([(a, float(b)) for a, b in zip(labels, counts, strict=True)])


def _repositories(repositories: pa.Table) -> str:
    head = ("repository", "revision", "licence", "files", "stayed", "text", "documents", "edges")
    lines = ["<tr>" + "".join(f"<th>{name}</th>" for name in head) + "</tr>"]
    for row in repositories.to_pylist():
        cells = (
            row["repository"],
            row["revision"][:14],
            row["licence"],
            f"{row['num_files']:,}",
            f"{row['num_kept']:,}",
            _bytes(row["bytes_kept"]),
            f"{row['num_documents']:,}",
            f"{row['num_edges']:,}",
        )
        lines.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
        if len(lines) > 500:
            lines.append(f"<tr><td>and {repositories.num_rows - 500:,} more</td></tr>")
            break
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'


def _graph(graph: Graph) -> str:
    note = (
        "Files from left to right as a document has them; an arc joins a file to one it imports. "
        "Arcs above lead back, to what the model has read already; arcs below lead ahead. "
        "A larger dot is imported by more."
    )
    return pictures.import_graph(graph.order, graph.edges) + f"<p>{note}</p>"


def _samples(samples: Sequence[Sample]) -> str:
    return "".join(
        f"<details><summary><b>{escape(item.title)}</b> <mark>{escape(item.rule)}</mark> "
        f"{escape(item.note)}</summary>"
        f"<pre>{escape(item.text)}</pre></details>"
        for item in samples
    )


def choose_samples(
    plan: pa.Table, texts: Mapping[tuple[str, str], str], each: int = 2
) -> tuple[list[Sample], list[Sample]]:
    """Return some kept and some dropped files, a few of each reason, by the plan's order."""
    kept: list[Sample] = []
    seen: dict[str, int] = defaultdict(int)
    dropped: list[Sample] = []
    for row in plan.to_pylist():
        text = texts.get((row["repository"], row["path"]))
        key = row["reason"] or f"kept {row['language']}"
        if not text or seen[key] >= each:
            continue
        seen[key] += 1
        title = f"{row['repository']}: {row['path']}"
        if row["reason"]:
            note = f"{REASONS.get(row['reason'], row['reason'])}: {row['detail']}"
            dropped.append(Sample(title, row["reason"], note, text[:600]))
        else:
            kept.append(Sample(title, row["language"], f"in {row['split']}", text[:1200]))
    dropped.sort(key=lambda item: (item.rule, item.note))
    return kept, dropped


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
