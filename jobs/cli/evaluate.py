"""`gristmill evaluate`: put benchmarks to a model folder, an endpoint or a file of samples."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from gristmill.errors import GristmillError, RecipeError, SandboxError
from gristmill.evaluation import exam_report, results
from gristmill.evaluation.benchmark import Benchmark, Task, find, registry
from gristmill.evaluation.exam import Exam
from gristmill.evaluation.sandbox import Sandbox, open_sandbox
from gristmill.evaluation.sandbox.backends import Name
from gristmill.evaluation.sources import Endpoint, References, Samples, Source
from gristmill.evaluation.task_hits import Known, search
from gristmill.progress import LineProgress, Progress
from gristmill.storage import Storage
from jobs.cli.app import JsonOption, app, say, say_json, terminal

BenchmarkOption = Annotated[
    list[str] | None,
    typer.Option("--benchmark", "-b", metavar="NAME[@RULES]", help="Which; may be given again."),
]


SourcesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL|URL|SAMPLES.jsonl|references...", help="One, or several to compare."
    ),
]
SamplesOption = Annotated[int, typer.Option("--samples", "-n", min=1, help="Of each task.")]
TemperatureOption = Annotated[
    float | None, typer.Option(help="Default: greedy for one sample, 0.2 for more.")
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="The first so many tasks.")]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="Folder of benchmark data of your own.")
]
OutOption = Annotated[
    Path, typer.Option("--out", help="Where answers, verdicts and the report go.")
]
ModelOption = Annotated[
    str, typer.Option("--model", help="An endpoint's model; default: its first.")
]
FimOption = Annotated[str, typer.Option("--fim", help="Write this family's FIM tokens.")]
AtOnceOption = Annotated[int, typer.Option("--at-once", min=1, help="Requests to an endpoint.")]
SandboxOption = Annotated[str, typer.Option(help="bubblewrap, namespaces or gvisor.")]
NewestOption = Annotated[
    str, typer.Option(help="Newest date in the model's corpus: dated tasks are parted.")
]
CorpusOption = Annotated[
    Path | None,
    typer.Option("--corpus", help="The model's corpus: tasks that it holds are scored apart."),
]
PackagesOption = Annotated[
    Path | None, typer.Option("--packages", help="Folder of Python packages shown to programs.")
]
SeedOption = Annotated[int, typer.Option(help="Of sampling.")]


@app.command("evaluate")
def evaluate_command(
    sources: SourcesArgument = None,
    benchmark: BenchmarkOption = None,
    samples: SamplesOption = 1,
    temperature: TemperatureOption = None,
    limit: LimitOption = None,
    data: DataOption = None,
    out: OutOption = Path("evaluation"),
    model: ModelOption = "",
    fim: FimOption = "",
    at_once: AtOnceOption = 16,
    sandbox: SandboxOption = "",
    newest: NewestOption = "",
    seed: SeedOption = 0,
    corpus: CorpusOption = None,
    packages: PackagesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask, judge and report; goes on where it was interrupted. Without arguments: what there is."""
    if not sources or not benchmark:
        _list(as_json)
        return
    chosen = [find(name) for name in benchmark]
    opened = [_source(text, model, fim, at_once) for text in sources]
    tasks = {one.key: _tasks(one, data, limit, samples, temperature) for one in chosen}
    lacking = {one.key: one.missing() for one in chosen}
    run = [one for one in chosen if not lacking[one.key]]
    needs = [one for one in run if one.scored_by == "execution"]
    box = _sandbox(sandbox, needs, packages) if needs else None
    found = [
        results.not_run(one, source.name, lacking[one.key])
        for one in chosen
        for source in opened
        if lacking[one.key]
    ]
    known = _known(corpus, tasks)
    stopped = False
    for one, source in ((one, source) for one in run for source in opened):
        exam = _exam(one, tasks[one.key], source, samples, out, seed, box)
        stopped = not _finished(exam)
        found.append(
            _result(exam, known.get(one.key), newest)
            if exam.done or stopped
            else results.not_run(
                one,
                source.name,
                f"it has no answer to any of the {len(exam.tasks)} tasks, which are named like "
                f"{exam.tasks[0].name if exam.tasks else '-'}",
            )
        )
        if stopped:
            break
    _report(found, tasks, out, as_json=as_json, stopped=stopped)
    if box is not None:
        box.close()
    if stopped:
        raise typer.Exit(130)


def _exam(
    benchmark: Benchmark,
    tasks: Sequence[Task],
    source: Source,
    samples: int,
    out: Path,
    seed: int,
    box: Sandbox | None,
) -> Exam:
    progress: Progress = LineProgress(
        f"{source.name} {benchmark.key}", typer.get_text_stream("stderr")
    )
    whole = isinstance(source, Samples) and samples == 1
    count = source.num_samples() if whole and isinstance(source, Samples) else samples
    return Exam(benchmark, tasks, source, out, count, seed, box, progress)


def _finished(exam: Exam) -> bool:
    """Say whether it came to its end; what Ctrl-C leaves is in `exam.done`."""
    try:
        exam.run()
    except KeyboardInterrupt:
        return False
    return True


def _result(exam: Exam, known: Known | None, newest: str) -> results.Result:
    return results.result(
        exam.benchmark,
        exam.tasks,
        exam.source.name,
        list(exam.done.values()),
        sandbox=exam.sandbox.describe() if exam.sandbox else "",
        hits=known.hits if known else None,
        newest=newest or (known.newest if known else ""),
    )


def _known(corpus: Path | None, tasks: dict[str, list[Task]]) -> dict[str, Known]:
    """Return what the model's corpus has to do with each benchmark's tasks."""
    if corpus is None:
        return {}
    storage = Storage.open(str(corpus))
    return {key: search(storage, some) for key, some in tasks.items()}


def _source(text: str, model: str, fim: str, at_once: int) -> Source:
    """Return what a word on the command line means. Raises RecipeError, GristmillError."""
    if text.startswith(("http://", "https://")):
        key = os.environ.get("GRISTMILL_API_KEY") or os.environ.get("OPENAI_API_KEY", "")
        return Endpoint(text, model, key, at_once, fim=fim).found()
    if text == "references":
        return References()
    path = Path(text)
    if path.is_dir():
        from gristmill.evaluation.engine_source import EngineSource

        return EngineSource.of_folder(path)
    if path.suffix == ".jsonl" and path.is_file():
        return Samples.read(path)
    raise RecipeError(
        f"'{text}' is no model folder, no URL and no file of samples (.jsonl); `references` are "
        "the benchmark's own answers"
    )


def _tasks(
    benchmark: Benchmark,
    data: Path | None,
    limit: int | None,
    samples: int,
    temperature: float | None,
) -> list[Task]:
    from dataclasses import replace

    warm = temperature if temperature is not None else (0.2 if samples > 1 else 0.0)
    top_p = 0.95 if warm > 0 else 1.0
    return [
        replace(task, prompt=replace(task.prompt, temperature=warm, top_p=top_p))
        for task in list(benchmark.load(data))[:limit]
    ]


def _sandbox(name: str, benchmarks: Sequence[Benchmark], packages: Path | None) -> Sandbox:
    warm = tuple(dict.fromkeys(module for one in benchmarks for module in one.warm))
    known: tuple[Name, ...] = ("bubblewrap", "namespaces", "gvisor")
    for one in known:
        if name == one:
            return open_sandbox(one, warm=warm, packages=packages)
    if name:
        raise SandboxError(f"no sandbox backend '{name}'; there are {', '.join(known)}")
    return open_sandbox(warm=warm, packages=packages)


def _report(
    found: Sequence[results.Result],
    tasks: dict[str, list[Task]],
    out: Path,
    *,
    as_json: bool,
    stopped: bool,
) -> None:
    pairs = [
        pair
        for key in dict.fromkeys(one.benchmark for one in found)
        for first, second in combinations([one for one in found if one.benchmark == key], 2)
        if (pair := results.pair(first, second)) is not None
    ]
    results.write(out, found, pairs)
    (out / "report.html").write_text(exam_report.page(found, pairs, tasks), encoding="utf-8")
    if as_json:
        say_json([one.summary() for one in found])
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("model", "benchmark", "metric", "part", "percent", "95 % interval", "tasks"):
        table.add_column(heading)
    for one in found:
        if one.not_run:
            table.add_row(one.model, one.benchmark, "not run", one.not_run[:90], "", "", "")
        for score in one.scores:
            e = score.estimate
            interval = f"{100 * e.low:.1f} .. {100 * e.high:.1f}"
            table.add_row(
                one.model,
                one.benchmark,
                score.metric,
                score.part,
                f"{100 * e.value:.2f}",
                interval,
                str(e.num),
            )
    terminal().print(table)
    for pair in pairs:
        p = "" if pair.p_value is None else f", McNemar p = {pair.p_value:.2g}"
        say(
            f"{pair.benchmark}: {pair.second} minus {pair.first} {100 * pair.difference.value:+.1f} points{p}"
        )
    say(
        f"report: {out / 'report.html'}"
        + ("; interrupted: run it again to go on" if stopped else "")
    )


def _list(as_json: bool) -> None:
    known = [one for some in registry().values() for one in some]
    if as_json:
        say_json(
            [
                {
                    "name": one.key,
                    "title": one.title,
                    "metric": one.metric,
                    "protocol": one.protocol,
                }
                for one in known
            ]
        )
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("benchmark", "what", "score", "protocol"):
        table.add_column(heading)
    for one in known:
        table.add_row(one.key, one.title, one.metric, one.protocol)
    terminal().print(table)
    if not known:
        raise GristmillError("no benchmark is installed")
