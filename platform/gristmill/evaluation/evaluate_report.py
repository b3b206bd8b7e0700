"""The report of an evaluation: scores with their intervals, comparisons, and what the models wrote."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from gristmill.evaluation.page import document, table
from gristmill.evaluation.scores import Comparison, Outcome, ScoreRow

_TITLES = {
    ("infilling", "exact_match"): "Single-line infilling, exact match",
    ("infilling", "edit_similarity"): "Single-line infilling, edit similarity",
    ("fim_bits", "bits_per_byte"): "Filling random spans, bits per byte",
    ("loss", "bits_per_byte"): "Left to right, bits per byte",
    ("humaneval", "pass@1"): "HumanEval, pass@1",
}
_COLOURS = ("--one", "--two", "--three", "--four")
NUM_SHOWN = 6
"""Infilling items shown with every model's answer."""


def page(
    recipe: str,
    rows: Sequence[ScoreRow],
    comparisons: Sequence[Comparison],
    outcomes: Sequence[Outcome],
) -> str:
    """Return the report as one HTML page."""
    parts = [
        '<p class="soft">Intervals are 95 %: Wilson for shares, bootstrap over files or items for the '
        "rest. Exact match and pass@1: more is better; bits per byte: less is better.</p>",
        _score_sections(rows),
        _compared(comparisons),
        _infilling_examples(outcomes),
        _humaneval_examples(outcomes),
    ]
    return document(f"Evaluation of {recipe}", "\n".join(part for part in parts if part))


def _score_sections(rows: Sequence[ScoreRow]) -> str:
    parts = []
    for key in dict.fromkeys((row.benchmark, row.metric) for row in rows):
        chosen = [row for row in rows if (row.benchmark, row.metric) == key]
        parts.append(f"<h2>{escape(_TITLES.get(key, ' '.join(key)))}</h2>")
        if chosen[0].protocol:
            parts.append(f'<p class="soft"><small>{escape(chosen[0].protocol)}</small></p>')
        missing = [row for row in chosen if row.value is None]
        if missing:
            parts.append(f"<p><b>Not run.</b> {escape(missing[0].reason)}</p>")
            continue
        parts.append(_bars(chosen))
        if chosen[0].sandbox:
            parts.append(
                f"<p><small>Programs were held by {escape(chosen[0].sandbox)}.</small></p>"
            )
    return "\n".join(parts)


def _bars(rows: Sequence[ScoreRow]) -> str:
    share = rows[0].metric != "bits_per_byte"
    top = max(row.high or 0.0 for row in rows)
    scale = 520 / (top * 1.05 if top > 0 else 1.0)
    height = 30 * len(rows) + 8
    parts = [f'<svg viewBox="0 0 900 {height}" width="100%" role="img">']
    for number, row in enumerate(rows):
        assert row.value is not None and row.low is not None and row.high is not None
        y = 30 * number + 4
        colour = _COLOURS[number % len(_COLOURS)]
        width, low, high = row.value * scale, row.low * scale, row.high * scale
        parts.append(
            f'<text x="96" y="{y + 16}" text-anchor="end">{escape(row.model)}</text>'
            f'<rect x="106" y="{y}" width="{max(width, 1):.1f}" height="22" rx="3" '
            f'style="fill: var({colour}); opacity: .8"/>'
            f'<path class="whisker" fill="none" d="M{106 + low:.1f} {y + 11}H{106 + high:.1f}'
            f'M{106 + low:.1f} {y + 7}v8M{106 + high:.1f} {y + 7}v8"/>'
            f'<text x="{118 + max(high, width):.1f}" y="{y + 16}">{_shown(row.value, share)} '
            f'<tspan class="soft">[{_shown(row.low, share)}, {_shown(row.high, share)}], '
            f"n = {row.num}</tspan></text>"
        )
    return "".join(parts) + "</svg>"


def _shown(value: float, share: bool) -> str:
    return f"{100 * value:.1f} %" if share else f"{value:.3f}"


def _compared(comparisons: Sequence[Comparison]) -> str:
    if not comparisons:
        return ""
    lines = []
    for item in comparisons:
        share = not item.metric.startswith("bits")
        signed = [
            ("+" if x > 0 else "") + _shown(x, share)
            for x in (item.difference, item.low, item.high)
        ]
        apart = item.low > 0 or item.high < 0
        sure = apart if item.p_value is None else item.p_value < 0.05
        lines.append(
            [
                f"{escape(item.benchmark)}, {escape(item.metric)}",
                f"{escape(item.first)} \u2192 {escape(item.second)}",
                f"{signed[0]}",
                f"[{signed[1]}, {signed[2]}]",
                "\u2013" if item.p_value is None else f"{item.p_value:.2g}",
                "yes" if sure else "not shown",
            ]
        )
    heads = ["measure", "models", "difference", "95 % interval", "McNemar p", "real?"]
    return "<h2>Model against model, item by item</h2>" + table(heads, lines)


def _infilling_examples(outcomes: Sequence[Outcome]) -> str:
    by_task: dict[str, list[Outcome]] = {}
    for item in outcomes:
        if item.benchmark == "infilling":
            by_task.setdefault(item.task, []).append(item)
    if not by_task:
        return ""
    # first the lines that the models disagree on, then the others, each in the order they were asked
    split = [group for group in by_task.values() if len({item.passed for item in group}) > 1]
    same = [group for group in by_task.values() if len({item.passed for item in group}) == 1]
    half = NUM_SHOWN // 2
    chosen = [*split[:half], *same[: NUM_SHOWN - len(split[:half])]]
    parts = ["<h2>Lines that were asked for</h2>"]
    for group in chosen:
        first = group[0]
        before, _, after = first.prompt.partition("\u2588")
        left = "\n".join(before.split("\n")[-6:])
        right = "\n".join(after.split("\n")[:4])
        answers = [
            [
                escape(item.model),
                f"<code>{escape(item.prediction.strip()) or '<i>nothing</i>'}</code>",
                '<span class="right">right</span>'
                if item.passed
                else f'<span class="wrong">{100 * item.similarity:.0f} % alike</span>',
            ]
            for item in group
        ]
        parts.append(
            f'<div class="item"><small>{escape(first.task)}</small>'
            f"<pre>{escape(left)}<mark>{escape(first.target)}</mark>{escape(right)}</pre>"
            f"{table(['model', 'wrote', ''], answers)}</div>"
        )
    return "\n".join(parts)


def _humaneval_examples(outcomes: Sequence[Outcome]) -> str:
    found = [item for item in outcomes if item.benchmark == "humaneval"]
    if not found:
        return ""
    passed = [item.task for item in found if item.passed]
    task = passed[0] if passed else found[0].task
    parts = ["<h2>A HumanEval task</h2>"]
    for item in found:
        if item.task != task:
            continue
        verdict = (
            '<span class="right">passed</span>'
            if item.passed
            else f'<span class="wrong">failed: {escape(item.reason)}</span>'
        )
        if len(parts) == 1:
            parts.append(f"<pre>{escape(item.prompt)}</pre>")
        text = escape(item.prediction[:1500]) or "<i>nothing</i>"
        parts.append(f"<p><b>{escape(item.model)}</b>, {verdict}</p><pre>{text}</pre>")
    return "\n".join(parts)
