"""The report of examinations: one HTML page with tables, intervals, failures and what models disagree on."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from html import escape

from gristmill.evaluation.benchmark import Task
from gristmill.evaluation.exam import Sample
from gristmill.evaluation.page import document, table
from gristmill.evaluation.results import Pair, Result, Score

NUM_SHOWN = 8
"""Tasks shown with both models' programs, for each pair."""
_COLOURS = ("--one", "--two", "--three", "--four")


def page(
    results: Sequence[Result], pairs: Sequence[Pair], tasks: Mapping[str, Sequence[Task]]
) -> str:
    """Return the page. `tasks` are those of each benchmark, for their prompts."""
    parts = [
        '<p class="soft">Intervals are 95 %: Wilson for one sample a task, bootstrap over tasks for '
        "the rest. A difference is called real when McNemar's exact test gives p &lt; 0.05.</p>",
        _overview(results),
        *[_benchmark([one for one in results if one.benchmark == key]) for key in _keys(results)],
        _pairs(pairs),
        *[_differences(one, results, tasks.get(one.benchmark, ())) for one in pairs],
        _failures(results, tasks),
    ]
    return document("Evaluation", "\n".join(part for part in parts if part))


def _keys(results: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(one.benchmark for one in results))


def _models(results: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(one.model for one in results))


def shown(score: Score) -> str:
    """Return a score with its interval, in percent."""
    e = score.estimate
    return f"{100 * e.value:.1f} [{100 * e.low:.1f}, {100 * e.high:.1f}]"


def _overview(results: Sequence[Result]) -> str:
    models = _models(results)
    rows = []
    for key in _keys(results):
        some = {one.model: one for one in results if one.benchmark == key}
        first = next(iter(some.values()))
        mains = {model: one.main for model, one in some.items() if one.main is not None}
        best = max((main.estimate.value for main in mains.values()), default=0.0)
        lesser = any(main.estimate.value < best for main in mains.values())
        cells = []
        for model in models:
            main = mains.get(model)
            if main is None:
                cells.append("not run" if model in some else "\u2013")
                continue
            text = shown(main)
            top = main.estimate.value == best and lesser
            cells.append(f"<b>{text}</b>" if top else text)
        num = str(max((main.estimate.num for main in mains.values()), default=0))
        rows.append([f"{escape(first.title)}<br><small>{escape(key)}</small>", num, *cells])
    heads = ["benchmark", "tasks", *[escape(model) for model in models]]
    return "<h2>Scores, percent</h2>" + table(heads, rows)


def _benchmark(some: Sequence[Result]) -> str:
    first = some[0]
    if first.not_run:
        return f"<h2>{escape(first.title)}</h2><p><b>Not run.</b> {escape(first.not_run)}</p>"
    parts = [
        f"<h2>{escape(first.title)}</h2>",
        f'<p class="soft"><small>{escape(first.benchmark)}: {escape(first.protocol)}. Data {first.data}.'
        + (f" Programs were held by {escape(first.sandbox)}." if first.sandbox else "")
        + "</small></p>",
        _bars(some),
    ]
    for one in some:
        if one.hits:
            parts.append(
                f"<p>{escape(one.model)}: {len(one.hits)} tasks were found in its training corpus "
                f"({escape(_some(one.hits))}).</p>"
            )
        if one.unanswered:
            parts.append(f"<p>{escape(one.model)} has no answer to {one.unanswered} tasks.</p>")
    if first.exceptions:
        listed = "; ".join(f"{task}: {why}" for task, why in first.exceptions.items())
        parts.append(f"<p><small>References known not to pass: {escape(listed)}.</small></p>")
    kinds = list(dict.fromkeys(kind for one in some for kind in one.kinds()))
    if kinds:
        rows = [
            [escape(one.model), *[str(one.kinds().get(kind, 0)) for kind in kinds]] for one in some
        ]
        parts.append(table(["failures by kind", *kinds], rows))
    return "\n".join(parts)


def _some(hits: Mapping[str, str]) -> str:
    listed = ", ".join(f"{task} in {where}" for task, where in list(hits.items())[:6])
    return f"{listed} and more" if len(hits) > 6 else listed


def _bars(some: Sequence[Result]) -> str:
    lines = [(one.model, score) for one in some for score in one.scores]
    metrics = list(dict.fromkeys((score.part, score.metric) for _, score in lines))
    ordered = [(m, s) for key in metrics for m, s in lines if (s.part, s.metric) == key]
    models = list(dict.fromkeys(model for model, _ in ordered))
    height = 24 * len(ordered) + 8
    parts = [f'<svg viewBox="0 0 900 {height}" width="100%" role="img">']
    for number, (model, score) in enumerate(ordered):
        e = score.estimate
        y = 24 * number + 4
        label = f"{model}  {score.part or score.metric}"
        width, low, high = (440 * value for value in (e.value, e.low, e.high))
        colour = _COLOURS[models.index(model) % len(_COLOURS)]
        parts.append(
            f'<text x="236" y="{y + 14}" text-anchor="end">{escape(label[:40])}</text>'
            f'<rect x="246" y="{y}" width="{max(width, 1):.1f}" height="17" rx="3" '
            f'style="fill: var({colour}); opacity: {0.55 if score.part else 0.85}"/>'
            f'<path class="whisker" fill="none" d="M{246 + low:.1f} {y + 9}H{246 + high:.1f}'
            f'M{246 + low:.1f} {y + 5}v7M{246 + high:.1f} {y + 5}v7"/>'
            f'<text x="{256 + max(high, width):.1f}" y="{y + 14}">{shown(score)} '
            f'<tspan class="soft">n = {e.num}</tspan></text>'
        )
    return "".join(parts) + "</svg>"


def _pairs(pairs: Sequence[Pair]) -> str:
    if not pairs:
        return ""
    rows = []
    for one in pairs:
        d = one.difference
        sure = one.p_value < 0.05 if one.p_value is not None else d.low > 0 or d.high < 0
        rows.append(
            [
                escape(one.benchmark),
                f"{escape(one.first)} \u2192 {escape(one.second)}",
                f"{100 * d.value:+.1f}",
                f"[{100 * d.low:+.1f}, {100 * d.high:+.1f}]",
                f"+{len(one.gained)} \u2212{len(one.lost)}",
                "\u2013" if one.p_value is None else f"{one.p_value:.2g}",
                "yes" if sure else "not shown",
            ]
        )
    heads = ["benchmark", "models", "points", "95 % interval", "tasks", "McNemar p", "real?"]
    return "<h2>Model against model, task by task</h2>" + table(heads, rows)


def _differences(found: Pair, results: Sequence[Result], tasks: Sequence[Task]) -> str:
    """Show tasks on which two models disagree, their programs side by side."""
    prompts = {task.name: task for task in tasks}
    sides = [_first(results, model, found.benchmark) for model in (found.first, found.second)]
    chosen = [*found.gained[: NUM_SHOWN // 2], *found.lost[: NUM_SHOWN // 2]]
    if not chosen:
        return ""
    parts = [
        f"<h2>{escape(found.benchmark)}: where {escape(found.first)} and {escape(found.second)} disagree</h2>"
    ]
    for task in chosen:
        left, right = (side.get(task) for side in sides)
        if left is None or right is None:
            continue
        cells = [
            f"{_verdict(one)}<pre>{_marked(one.answer, other.answer)}</pre>"
            for one, other in ((left, right), (right, left))
        ]
        prompt = prompts[task].prompt.prefix[-700:] if task in prompts else ""
        parts.append(
            f'<div class="item"><small>{escape(task)}</small><pre>{escape(prompt)}</pre>'
            f"{table([escape(found.first), escape(found.second)], [cells])}</div>"
        )
    return "\n".join(parts)


def _first(results: Sequence[Result], model: str, benchmark: str) -> dict[str, Sample]:
    for one in results:
        if (one.model, one.benchmark) == (model, benchmark):
            return {sample.task: sample for sample in reversed(one.samples)}
    return {}


def _verdict(one: Sample) -> str:
    if one.verdict.passed:
        return '<span class="right">right</span>'
    return (
        f'<span class="wrong">{escape(one.verdict.kind)}: {escape(one.verdict.reason[:200])}</span>'
    )


def _marked(text: str, other: str) -> str:
    """Return a text's lines, those that the other one lacks marked."""
    mine, theirs = text[:3000].splitlines(), other[:3000].splitlines()
    found = []
    for tag, first, last, _, _ in difflib.SequenceMatcher(None, mine, theirs, False).get_opcodes():
        lines = "\n".join(escape(line) for line in mine[first:last])
        if lines or last > first:
            found.append(lines if tag == "equal" else f"<mark>{lines}</mark>")
    return "\n".join(found) or "<i>nothing</i>"


def _failures(results: Sequence[Result], tasks: Mapping[str, Sequence[Task]]) -> str:
    parts = ["<h2>Some failures</h2>"]
    for one in results:
        failed = [sample for sample in one.samples if not sample.verdict.passed]
        if not failed:
            continue
        references = {task.name: task for task in tasks.get(one.benchmark, ())}
        parts.append(f"<h3>{escape(one.model)}, {escape(one.benchmark)}</h3>")
        for sample in failed[:: max(1, len(failed) // 3)][:3]:
            task = references.get(sample.task)
            target = task.reference[:1200] if task else ""
            prompt = task.prompt.prefix[-500:] if task else ""
            cells = [
                f"{_verdict(sample)}<pre>{_marked(sample.answer, target)}</pre>",
                f"<pre>{escape(target)}</pre>",
            ]
            parts.append(
                f'<div class="item"><small>{escape(sample.task)}</small><pre>{escape(prompt)}</pre>'
                f"{table(['it wrote', 'a right answer'], [cells])}</div>"
            )
    return "\n".join(parts) if len(parts) > 1 else ""
