"""DS-1000: data science in seven libraries, a piece of code completed (Lai et al. 2023, paper section 4.1).

The prompt is the problem as it stands, left to right, greedy; the answer ends at `</code>` or at the mark of a
solution's end, and nothing of it is stripped: 71 prompts end inside a function, where the first line's
indentation counts. The task's own code makes the inputs, runs the answer and compares; where it also looks at the
answer's text (`test_string`), that has to pass too. Libraries are scored apart.

Versions decide: first see what the references score here (`gristmill evaluate references -b ds1000`). Published
scores rest on Python 3.10 with numpy 1.26, pandas 1.5, scipy 1.12, scikit-learn 1.4, matplotlib 3.8, torch 2.2,
tensorflow 2.16; `--packages` names a folder of them. The sandbox has no network: 15 references
that download a data set fail. Here alone the tests share the answer's process, since what they compare is no
plain data: an answer that patches pandas' comparison could pass. Leaving early is no pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gristmill.evaluation.benchmark import Benchmark, Prompt, Task, Verdict, cut, records
from gristmill.evaluation.python_tests import failed
from gristmill.evaluation.sandbox import Limits, ProgramError, Sandbox

WHERE = "https://github.com/xlang-ai/DS-1000 (data/ds1000.jsonl.gz)"
STOPS = ("</code>", "# SOLUTION END", "\nEND SOLUTION")
LIMITS = Limits(wall_s=180, cpu_s=90, memory_bytes=3 << 30, address_space=False, processes=64)
WARM = ("numpy", "pandas", "scipy.stats", "sklearn", "matplotlib.pyplot")


def _load(folder: Path | None) -> Sequence[Task]:
    return [
        Task(
            f"{row['metadata']['library']}/{row['metadata']['library_problem_id']}",
            Prompt(row["prompt"], stop=STOPS, max_new_tokens=512),
            row["reference_code"],
            "Python",
            str(row["metadata"]["library"]),
            data={"code_context": row["code_context"]},
        )
        for row in records("ds1000.jsonl", folder, WHERE)
    ]


def _answer(task: Task, raw: str) -> str:
    return cut(raw, STOPS).strip("\n")


def _judge(task: Task, answer: str, sandbox: Sandbox | None) -> Verdict:
    assert sandbox is not None
    tests = str(task.data["code_context"])
    try:
        with sandbox.session(f"{_PLAIN}{tests}", LIMITS) as session:
            session.call("test_execution", answer)
            if "def test_string(" in tests:
                session.call("test_string", answer)
    except ProgramError as error:
        said = str(error)
        if error.kind == "error" and said.startswith("AssertionError"):
            return Verdict(False, "wrong answer", "wrong")
        return failed(error)
    return Verdict(True)


_PLAIN = "import os\nos.environ['MPLBACKEND'] = 'Agg'\nos.environ['MPLCONFIGDIR'] = '/tmp'\n"
"""Before the tests: plots are drawn into files."""

BENCHMARKS = (
    Benchmark(
        "ds1000", "deepseek", "DS-1000", "pass@1", "execution",
        "completion, greedy, 512 new tokens, cut at </code>, the task's own test code",
        _load, _answer, _judge, warm=WARM,
    ),
)  # fmt: skip
