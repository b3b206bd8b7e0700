"""Stage `evaluate`: models and the corpus's held-out split -> scores with intervals (paper section 4).

    gristmill run laptop evaluate
    ray job submit --working-dir . -- python -m jobs.evaluate --recipe laptop --store S

One evaluator a model in the serve pool, as many at once as it has CPUs (GPUs where it has any);
programs that a model wrote go on to sandbox workers while it writes the next. Where no sandbox holds,
benchmarks that run code are reported as not run, with the reason, and the rest goes on. A model whose answers are
complete is kept in the draft, so that an interrupted evaluation goes on with the next model.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from typing import Any

import ray
from ray.exceptions import RayActorError

from actors.evaluator import Evaluator, Examinee
from actors.sandbox import SandboxWorker
from gristmill.errors import JobError, RecipeError
from gristmill.evaluation.benchmark import Benchmark, Task, find
from gristmill.evaluation.config import EvaluateSection
from gristmill.evaluation.evaluate_report import page
from gristmill.evaluation.heldout import HeldOut, samples
from gristmill.evaluation.scores import (
    Comparison,
    ScoreRow,
    compare,
    not_run,
    score_rows,
)
from gristmill.evaluation.scores import Outcome as Answer
from jobs.pool import Pool
from jobs.stage import Outcome, StageContext, run_stage

MEASURES = ("infilling", "fim_bits", "loss")
"""What is measured on the corpus's held-out split; every other name is a benchmark's."""
UNIT_ITEMS = {"infilling": 64, "fim_bits": 64, "loss": 64}
UNIT_TASKS = 32
"""Items of one call to an evaluator."""
JUDGED_AT_ONCE = 8


@dataclass
class _Evaluation:
    """The stage at work. One call of `run`."""

    context: StageContext
    held_out: HeldOut
    tasks: dict[str, list[Task]]
    """Of each benchmark."""
    pool: Pool
    sandboxes: list[Any]
    benchmarks: list[str]
    waiting: dict[Any, tuple[str, str]] = field(default_factory=dict)
    """Answers under way: (model, what is being done)."""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    evaluators: dict[str, Any] = field(default_factory=dict)
    done: int = 0
    total: int = 0
    judged: int = 0

    def run(self, examinees: Sequence[Examinee]) -> list[Answer]:
        """Return every model's answers, in the models' order."""
        left = []
        for examinee in examinees:
            self.answers[examinee.name] = self._kept(examinee.name)
            if not self.answers[examinee.name]:
                left.append(examinee)
        judging = sum(len(self.tasks[name]) for name in self.benchmarks if name in self.tasks)
        items = sum(len(self._items(name)) for name in self.benchmarks) + judging
        if not items:  # only benchmarks were asked for, and no sandbox holds
            return []
        self.total = max(1, items * len(left))
        try:
            while left or self.waiting:
                while left and len(self.evaluators) < self.pool.slots:
                    self._begin(left.pop(0))
                self._collect()
        except RayActorError as error:
            raise JobError(
                f"an evaluator or sandbox worker of step {self.context.step.key} died: {error}. "
                "The models that were through are kept; run the step again, with more memory for the serve pool "
                "or fewer evaluate.workers"
            ) from error
        self.context.progress.update(self.total, self.total, "answers")
        return [answer for examinee in examinees for answer in self.answers[examinee.name]]

    def _begin(self, examinee: Examinee) -> None:
        actor = Evaluator.options(  # type: ignore[attr-defined]
            **self.pool.options(), max_restarts=1, max_task_retries=1
        ).remote(examinee, 1)
        self.evaluators[examinee.name] = actor
        section = self.context.recipe.evaluate
        assert section is not None
        for benchmark in self.benchmarks:
            method, extra = benchmark, list[Any]()
            if benchmark == "infilling":
                extra = [section.max_new_tokens]
            if benchmark in self.tasks:
                method, extra = "tasks", [benchmark]
            for unit in _parts(self._items(benchmark), UNIT_ITEMS.get(benchmark, UNIT_TASKS)):
                reference = actor.ask.remote(method, unit, *extra)
                self.waiting[reference] = (examinee.name, benchmark)

    def _collect(self) -> None:
        ready, _ = ray.wait(list(self.waiting), num_returns=1, timeout=5.0)
        for reference in ready:
            model, what = self.waiting.pop(reference)
            found: list[Answer] = ray.get(reference)
            self.done += len(found)
            if what in self.tasks:
                self._judge(model, what, found)
            else:
                self.answers[model] += found
            if all(name != model for name, _ in self.waiting.values()):
                self._finish(model)
        self.context.progress.update(self.done, self.total, "answers")

    def _judge(self, model: str, benchmark: str, answers: Sequence[Answer]) -> None:
        by_name = {task.name: task for task in self.tasks[benchmark]}
        for some in _parts(answers, JUDGED_AT_ONCE):
            worker = self.sandboxes[self.judged % len(self.sandboxes)]
            self.judged += 1
            asked = [by_name[answer.task] for answer in some]
            self.waiting[worker.judge.remote(asked, some)] = (model, "judging")

    def _finish(self, model: str) -> None:
        ray.kill(self.evaluators.pop(model))
        order = {name: place for place, name in enumerate(self.benchmarks)}
        self.answers[model].sort(key=lambda answer: order[answer.benchmark])
        text = "".join(json.dumps(answer.row()) + "\n" for answer in self.answers[model])
        self.context.draft.storage.write_bytes(f"partial/{model}.jsonl", text.encode())

    def _kept(self, model: str) -> list[Answer]:
        path = f"partial/{model}.jsonl"
        if not self.context.draft.storage.exists(path):
            return []
        lines = self.context.draft.storage.read_bytes(path).decode().splitlines()
        return [Answer(**json.loads(line)) for line in lines]

    def _items(self, benchmark: str) -> Sequence[Any]:
        return {
            "infilling": self.held_out.lines,
            "fim_bits": self.held_out.spans,
            "loss": self.held_out.files,
            **self.tasks,
        }[benchmark]


def _parts(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[at : at + size] for at in range(0, len(items), size)]


def work(context: StageContext) -> Outcome:
    """Ask every model, judge, and write scores, outcomes and the report."""
    recipe, section = context.recipe, context.recipe.evaluate
    assert section is not None
    held_out = samples(
        context.inputs["corpus"].storage,
        section.loss_files,
        recipe.seed,
        num_lines=section.infilling_tasks,
    )
    known = {name: find(name) for name in section.benchmarks if name not in MEASURES}
    if not held_out.files and len(known) < len(section.benchmarks):
        raise RecipeError(
            "the corpus has no held-out files to evaluate on; raise corpus.held_out.share"
        )
    if not ray.is_initialized():
        ray.init()
    pool = Pool.of(context.label_selector, section.workers)
    workers = [
        SandboxWorker.options(num_cpus=0, label_selector=pool.selector).remote()  # type: ignore[attr-defined]
        for _ in range(pool.slots if known else 0)
    ]
    held = ray.get([worker.held_by.remote() for worker in workers])
    by = next((level for level, why in held if not why), "")
    usable = [worker for worker, (_, why) in zip(workers, held, strict=True) if not why]
    reasons = _reasons(known, held[0][1] if held and not usable else "", usable)
    names = [name for name in section.benchmarks if name not in reasons]
    examinees = _examinees(context)
    tasks = {name: _tasks(benchmark, section) for name, benchmark in known.items()}
    evaluation = _Evaluation(context, held_out, tasks, pool, usable or workers, names)
    try:
        answers = evaluation.run(examinees)
    finally:
        for actor in (*workers, *evaluation.evaluators.values()):
            ray.kill(actor)
    return _write(context, answers, examinees, names, by, reasons)


def _reasons(
    known: Mapping[str, Benchmark], no_sandbox: str, usable: Sequence[Any]
) -> dict[str, str]:
    """Return why a benchmark is not run: no sandbox holds, or a worker lacks a language's tools."""
    found = {
        name: no_sandbox
        for name, one in known.items()
        if no_sandbox and one.scored_by == "execution"
    }
    for lacking in ray.get([worker.lacks.remote(list(known)) for worker in usable]):
        found = {**lacking, **found}
    return found


def _tasks(benchmark: Benchmark, section: EvaluateSection) -> list[Task]:
    """Return the tasks that are asked, no longer answered than the recipe allows."""
    room = section.benchmark_new_tokens
    return [
        replace(
            task, prompt=replace(task.prompt, max_new_tokens=min(room, task.prompt.max_new_tokens))
        )
        for task in list(benchmark.load(None))[: section.benchmark_tasks]
    ]


def _examinees(context: StageContext) -> list[Examinee]:
    recipe, section = context.recipe, context.recipe.evaluate
    assert section is not None
    tokenizer = context.inputs["tokenizer"].storage
    folders: dict[str, Any] = {"initial": None}
    folders |= {
        name: context.inputs[name].storage.child("model")
        for name in section.models
        if name in context.inputs
    }
    found = [
        Examinee(
            name,
            folders[name],
            tokenizer,
            recipe.model,
            recipe.seed,
            recipe.tokens.sequence_length,
            section.context_tokens,
        )
        for name in section.models
        if name in folders
    ]
    if not found:
        raise RecipeError(
            f"evaluate.models are {', '.join(section.models)}; none of these stages is in the recipe"
        )
    return found


def _write(
    context: StageContext,
    answers: Sequence[Answer],
    examinees: Sequence[Examinee],
    benchmarks: Sequence[str],
    held_by: str,
    reasons: Mapping[str, str],
) -> Outcome:
    storage, seed = context.draft.storage, context.recipe.seed
    models = [examinee.name for examinee in examinees]
    groups = {
        (model, benchmark): [
            answer for answer in answers if (answer.model, answer.benchmark) == (model, benchmark)
        ]
        for benchmark in benchmarks
        for model in models
    }
    rows: list[ScoreRow] = []
    comparisons: list[Comparison] = []
    for benchmark in benchmarks:
        for model in models:
            rows += score_rows(groups[model, benchmark], seed=seed, sandbox=held_by)
        for first, second in combinations(models, 2):
            pair = compare(groups[first, benchmark], groups[second, benchmark], seed=seed)
            comparisons += [pair] if pair else []
    for name, reason in reasons.items():
        rows += [not_run(model, name, find(name).metric, reason) for model in models]
    lines = "".join(json.dumps(answer.row()) + "\n" for answer in answers)
    storage.write_bytes("outcomes.jsonl", lines.encode())
    storage.write_bytes("scores.json", json.dumps([row.row() for row in rows], indent=1).encode())
    compared = json.dumps([asdict(item) for item in comparisons], indent=1)
    storage.write_bytes("comparisons.json", compared.encode())
    name = context.recipe.name
    storage.write_bytes("report.html", page(name, rows, comparisons, answers).encode())
    storage.delete("partial")
    metrics = {
        f"{row.model}_{row.benchmark}_{row.metric}": round(row.value, 6)
        for row in rows
        if row.value is not None
    }
    return Outcome({"models": len(models), "answers": len(answers)}, metrics)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage; return the exit code."""
    return run_stage("evaluate", work, argv)


if __name__ == "__main__":
    # By its own name: Ray's workers can import `jobs.evaluate`, but nothing of `__main__`.
    from jobs.evaluate import main as main_by_name

    raise SystemExit(main_by_name())
