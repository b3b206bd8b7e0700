import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from gristmill.errors import RecipeError, SandboxError
from gristmill.evaluation.benchmark import Benchmark, Prompt, Task, Verdict, find
from gristmill.evaluation.exam import Exam
from gristmill.evaluation.exam_report import page
from gristmill.evaluation.fim_families import FAMILIES
from gristmill.evaluation.results import not_run, pair, result, write
from gristmill.evaluation.sources import Samples


@dataclass
class Fixed:
    """A source that says what it was given, and counts how often it was asked."""

    texts: dict[str, str]
    name: str = "fixed"
    identity: str = "fixed"
    final: bool = False
    asked: list[str] = field(default_factory=list)
    stops_after: int = 1000

    def answers(
        self, tasks: Sequence[Task], wanted: Sequence[tuple[int, int]], seed: int
    ) -> Iterator[tuple[int, int, str]]:
        for number, sample in wanted:
            if len(self.asked) >= self.stops_after:
                raise KeyboardInterrupt
            self.asked.append(tasks[number].name)
            yield number, sample, self.texts[tasks[number].name]


TASKS = [
    Task(
        f"t/{at}",
        Prompt(f"{at} <b> ="),
        str(at),
        group="odd" if at % 2 else "even",
        date=f"2024-0{at + 1}-01",
    )
    for at in range(6)
]


def judge(task: Task, answer: str, sandbox: object) -> Verdict:
    right = answer == task.reference
    return Verdict(
        right, "" if right else "no", "" if right else "wrong", {"length": float(len(answer))}
    )


BENCHMARK = Benchmark(
    "sums", "plain", "Sums", "exact match", "match", "as it is",
    lambda folder: TASKS, lambda task, raw: raw.strip(), judge, measures=("length",),
)  # fmt: skip
RIGHT = {task.name: f" {task.reference}\n" for task in TASKS}


def test_every_sample_has_a_verdict_and_nothing_is_done_twice(tmp_path: Path) -> None:
    source = Fixed(RIGHT)
    first = Exam(BENCHMARK, TASKS, source, tmp_path).run()
    assert [one.task for one in first] == [task.name for task in TASKS]
    assert all(one.verdict.passed for one in first) and len(source.asked) == 6
    again = Exam(BENCHMARK, TASKS, source, tmp_path).run()
    assert again == first and len(source.asked) == 6


def test_an_interrupted_exam_goes_on(tmp_path: Path) -> None:
    source = Fixed(RIGHT, stops_after=4)
    exam = Exam(BENCHMARK, TASKS, source, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        exam.run()
    source.stops_after = 100
    with (tmp_path / f"{exam.stem}.answers.jsonl").open("a") as stream:
        stream.write('{"key": "cut o')
    assert len(Exam(BENCHMARK, TASKS, source, tmp_path).run()) == 6
    assert len(source.asked) == 6 and sorted(source.asked) == sorted(RIGHT)


def test_other_sources_prompts_and_seeds_are_other_answers(tmp_path: Path) -> None:
    Exam(BENCHMARK, TASKS, Fixed(RIGHT), tmp_path).run()
    other = Fixed({**RIGHT, "t/0": "7"}, identity="other")
    assert not Exam(BENCHMARK, TASKS, other, tmp_path).run()[0].verdict.passed
    seeded = Fixed(RIGHT)
    Exam(BENCHMARK, TASKS, seeded, tmp_path, seed=1).run()
    assert len(seeded.asked) == 6


def test_programs_are_not_run_without_a_sandbox(tmp_path: Path) -> None:
    known = find("humaneval")
    with pytest.raises(SandboxError, match="no sandbox was given"):
        Exam(known, list(known.load(None))[:1], Fixed({}), tmp_path).run()


def test_scores_parts_pairs_and_report(tmp_path: Path) -> None:
    good = Exam(BENCHMARK, TASKS, Fixed(RIGHT), tmp_path).run()
    bad = Exam(
        BENCHMARK, TASKS, Fixed({**RIGHT, "t/1": "<9>", "t/3": "8"}, "bad", "bad"), tmp_path
    ).run()
    first = result(BENCHMARK, TASKS, "bad", bad, hits={"t/1": "r/a.py"}, newest="2024-03-15")
    second = result(BENCHMARK, TASKS, "good", good[:5])
    assert (
        first.main is not None
        and first.main.estimate.value == pytest.approx(4 / 6)
        and second.unanswered == 1
    )
    parts = {score.part: score.estimate for score in first.scores}
    assert (parts["odd"].value, parts["even"].value) == (pytest.approx(1 / 3), 1.0)
    assert parts["not in the corpus"].num == 5 and parts["before 2024-03-15"].num == 3
    found = pair(first, second)
    assert found is not None and found.gained == ("t/1", "t/3") and found.lost == ()
    assert found.p_value == 0.5
    text = page([first, second], [found], {"sums@plain": TASKS})
    assert "&lt;9&gt;" in text and "<script" not in text and "http" not in text
    write(tmp_path, [first, second], [found])
    saved = json.loads((tmp_path / "scores.json").read_text())
    assert saved["results"][0]["failures"] == {"wrong": 2}
    assert saved["results"][0]["hits"] == {"t/1": "r/a.py"}


def test_what_cannot_be_judged_here_is_not_run_and_no_zero(tmp_path: Path) -> None:
    lacking = not_run(BENCHMARK, "m", "zig is not installed")
    assert lacking.main is None and lacking.kinds() == {}
    text = page([lacking], [], {})
    assert "<b>Not run.</b> zig is not installed" in text and "not run</td>" in text
    write(tmp_path, [lacking], [])
    saved = json.loads((tmp_path / "scores.json").read_text())
    assert saved["results"][0]["not_run"] and saved["results"][0]["scores"] == []


def test_a_few_repositories_are_scored_one_by_one(tmp_path: Path) -> None:
    tasks = [replace(task, source=f"r/{at % 2}") for at, task in enumerate(TASKS)]
    samples = Exam(BENCHMARK, tasks, Fixed(RIGHT), tmp_path).run()
    parts = {
        score.part: score.estimate.num for score in result(BENCHMARK, tasks, "m", samples).scores
    }
    assert parts["r/0"] == parts["r/1"] == 3


def test_several_samples_give_pass_at_k(tmp_path: Path) -> None:
    samples = Exam(BENCHMARK, TASKS, Fixed(RIGHT), tmp_path, samples=10).run()
    metrics = [
        score.metric for score in result(BENCHMARK, TASKS, "m", samples).scores if not score.part
    ]
    assert metrics == ["pass@1", "pass@10", "length"]


def test_files_of_samples(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text(
        '{"task_id": "t/0", "completion": "0"}\n{"task_id": "t/0", "completion": "x"}\n'
    )
    found = Samples.read(path)
    assert found.num_samples() == 2 and found.final
    assert list(found.answers(TASKS, [(0, 0), (0, 1), (1, 0)], 0)) == [(0, 0, "0"), (0, 1, "x")]
    path.write_text('{"task_id": "t/0", "generation": " 0\\n"}\n')
    assert not Samples.read(path).final
    path.write_text('{"task_id": "t/0"}\n')
    with pytest.raises(RecipeError, match="line 1 is no sample"):
        Samples.read(path)


def test_every_family_asks_in_its_own_words() -> None:
    assert FAMILIES["codellama"].render("a", "b") == "<PRE> a <SUF>b <MID>"
    assert FAMILIES["qwen"].render("a", "b") == "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"
    assert FAMILIES["deepseek"].render("a", "b").startswith("<\uff5cfim\u2581begin\uff5c>a")
