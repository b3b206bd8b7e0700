"""One model, one benchmark: answers are collected, judged and counted; what is there is not done again.

Everything lies in one folder, a file of answers and a file of verdicts for each source and benchmark, one
line a sample, written as they come. An answer is kept under what it depends on (the source, the prompt,
the seed), a verdict under the answer's text, the task and the rules, so an interrupted examination goes
on where it was and changed rules are judged again without asking the model again. Judging goes on while
the source still writes.

A verdict that ran out of time on the clock is tried once more, alone, at the end: a busy machine must
not lower a score.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from gristmill.errors import SandboxError
from gristmill.evaluation.benchmark import Benchmark, Task, Verdict, digest
from gristmill.evaluation.sandbox import AT_ONCE, ProgramError, Sandbox
from gristmill.evaluation.sources import Source
from gristmill.progress import NoProgress, Progress


@dataclass(frozen=True)
class Sample:
    """One answer with its verdict."""

    task: str
    sample: int
    raw: str
    answer: str
    verdict: Verdict
    retried: bool = False

    def row(self, key: str) -> dict[str, Any]:
        """Return a line of the file of verdicts."""
        v = self.verdict
        return {
            "key": key, "task": self.task, "sample": self.sample, "passed": v.passed,
            "kind": v.kind, "reason": v.reason, "measures": dict(v.measures),
            "retried": self.retried, "answer": self.answer, "raw": self.raw,
        }  # fmt: skip


@dataclass
class Exam:
    """A benchmark put to a source."""

    benchmark: Benchmark
    tasks: Sequence[Task]
    source: Source
    folder: Path
    samples: int = 1
    seed: int = 0
    sandbox: Sandbox | None = None
    progress: Progress = field(default_factory=NoProgress)
    done: dict[tuple[str, int], Sample] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """Return the name that this source's files of this benchmark share."""
        return f"{self.benchmark.key}-{digest(self.source.identity)[:8]}"

    def run(self) -> list[Sample]:
        """Return every sample with its verdict, in the tasks' order; stops cleanly on KeyboardInterrupt.

        After an interrupt, what was judged is in `done` and in the folder. Raises SandboxError when
        programs would have to be run and no sandbox is given.
        """
        if self.benchmark.scored_by == "execution" and self.sandbox is None:
            raise SandboxError(f"{self.benchmark.key} runs programs; no sandbox was given")
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = self._read("answers")
        verdicts = self._read("verdicts")
        total = len(self.tasks) * self.samples
        workers = AT_ONCE * (os.cpu_count() or 1)
        with (
            self._open("answers") as answers,
            self._open("verdicts") as judged,
            ThreadPoolExecutor(workers) as pool,
        ):
            waiting: dict[Future[Sample], str] = {}
            for number, sample, raw in self._answers(kept, answers):
                task = self.tasks[number]
                key = self._verdict_key(task, raw)
                if (row := verdicts.get(key)) is not None:
                    self.done[task.name, sample] = _sample(row, sample)
                else:
                    waiting[pool.submit(self._judge, task, sample, raw)] = key
                self._collect(waiting, judged, most=4 * workers)
                self.progress.update(len(self.done), total, "samples")
            self._collect(waiting, judged, most=0, total=total)
            self._retry(judged)
        self.progress.update(total, total, "samples")
        order = {task.name: number for number, task in enumerate(self.tasks)}
        return sorted(self.done.values(), key=lambda one: (order[one.task], one.sample))

    def _answers(
        self, kept: Mapping[str, dict[str, Any]], stream: TextIO
    ) -> Iterator[tuple[int, int, str]]:
        """Yield what is kept, then what the source says."""
        wanted = []
        for number, task in enumerate(self.tasks):
            for sample in range(self.samples):
                row = kept.get(self._answer_key(task, sample))
                if row is None:
                    wanted.append((number, sample))
                else:
                    yield number, sample, str(row["raw"])
        for number, sample, raw in self.source.answers(self.tasks, wanted, self.seed):
            task = self.tasks[number]
            key = self._answer_key(task, sample)
            _write(stream, {"key": key, "task": task.name, "sample": sample, "raw": raw})
            yield number, sample, raw

    def _judge(self, task: Task, sample: int, raw: str) -> Sample:
        answer = self._answer(task, raw)
        try:
            verdict = self.benchmark.judge(task, answer, self.sandbox)
        except ProgramError as error:
            verdict = Verdict(False, str(error), error.kind)
        return Sample(task.name, sample, raw, answer, verdict)

    def _answer(self, task: Task, raw: str) -> str:
        return raw if self.source.final else self.benchmark.answer(task, raw)

    def _collect(
        self, waiting: dict[Future[Sample], str], stream: TextIO, *, most: int, total: int = 0
    ) -> None:
        """Take finished verdicts; wait until at most `most` are under way."""
        while waiting:
            done, _ = wait(
                waiting, timeout=None if len(waiting) > most else 0, return_when="FIRST_COMPLETED"
            )
            for future in done:
                key, found = waiting.pop(future), future.result()
                self.done[found.task, found.sample] = found
                _write(stream, found.row(key))
            if total:
                self.progress.update(len(self.done), total, "samples")
            if len(waiting) <= most:
                return

    def _retry(self, stream: TextIO) -> None:
        by_name = {task.name: task for task in self.tasks}
        late = [one for one in self.done.values() if one.verdict.kind == "time" and not one.retried]
        for one in late:
            again = self._judge(by_name[one.task], one.sample, one.raw)
            found = Sample(one.task, one.sample, one.raw, one.answer, again.verdict, True)
            self.done[one.task, one.sample] = found
            _write(stream, found.row(self._verdict_key(by_name[one.task], one.raw)))

    def _answer_key(self, task: Task, sample: int) -> str:
        prompt = task.prompt
        return digest(self.source.identity, task.name, repr(prompt), str(self.seed + sample))

    def _verdict_key(self, task: Task, raw: str) -> str:
        held = (
            self.sandbox.level if self.sandbox and self.benchmark.scored_by == "execution" else ""
        )
        return digest(
            self.benchmark.key, self.benchmark.protocol, task.name, self._answer(task, raw), held
        )

    def _open(self, what: str) -> TextIO:
        return (self.folder / f"{self.stem}.{what}.jsonl").open("a", encoding="utf-8")

    def _read(self, what: str) -> dict[str, dict[str, Any]]:
        """Return the lines by key; a line that was cut off by a crash is passed over."""
        path = self.folder / f"{self.stem}.{what}.jsonl"
        found: dict[str, dict[str, Any]] = {}
        for line in path.read_text(encoding="utf-8").split("\n") if path.exists() else ():
            try:
                row = json.loads(line)
                found[row["key"]] = row
            except (ValueError, KeyError, TypeError):
                continue
        return found


def _write(stream: TextIO, row: dict[str, Any]) -> None:
    stream.write(json.dumps(row) + "\n")
    stream.flush()


def _sample(row: dict[str, Any], sample: int) -> Sample:
    verdict = Verdict(bool(row["passed"]), row["reason"], row["kind"], row["measures"])
    return Sample(row["task"], sample, row["raw"], row["answer"], verdict, bool(row["retried"]))
