"""Program-aided math: the model writes `solution()`, the sandbox runs it (Gao et al. 2023, paper 4.4).

Seven sets, three shots (four for MATH). The answer's program is the first Python block that defines
`solution`; it is cut at the next `Question` or row of dashes. Two gradings of the same answers:

deepseek   The paper's lenient one: within 1e-4, and a factor of 100 either way also counts.
strict     Within 1e-4, no factor.

GSM8K, GSM-Hard, SVAMP and 500 problems of MATH are bundled; the other sets are not free to copy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gristmill.evaluation.benchmark import DATA, Benchmark, Prompt, Task, Verdict, cut, records
from gristmill.evaluation.math_answers import boxed, equal
from gristmill.evaluation.python_tests import failed
from gristmill.evaluation.sandbox import Limits, ProgramError, Sandbox

STOPS = ("Question", "----------------")
LIMITS = Limits(wall_s=30, cpu_s=5)
WHERE = "https://github.com/deepseek-ai/DeepSeek-Coder (Evaluation/PAL-Math/datasets/{}/test.json)"
_BLOCK = re.compile(r"```python\n(.*?def solution\(\):\n.*?)```", re.S)
_ANSWER = "\ndef gristmill_answer():\n    return str(solution())\n"

SETS = {
    "gsm8k": "gsm8k.jsonl",
    "math": "math.jsonl",
    "gsm-hard": "gsm-hard.jsonl",
    "svamp": "svamp.jsonl",
    "asdiv": "asdiv__test.json",
    "mawps": "mawps__test.json",
    "tabmwp": "problems_test1k.json",
}
_TITLES = {
    "gsm8k": "GSM8K", "math": "MATH", "gsm-hard": "GSM-Hard", "svamp": "SVAMP", "asdiv": "ASDiv",
    "mawps": "MAWPS", "tabmwp": "TabMWP",
}  # fmt: skip


def question(name: str, row: dict[str, Any]) -> str:
    """Return the question of a record as one text."""
    if name == "asdiv":
        return f"{row['body'].strip()} {row['question'].strip()}"
    if name == "svamp":
        body = row["Body"].strip()
        return f"{body if body.endswith('.') else body + '.'} {row['Question'].strip()}"
    if name == "tabmwp":
        title = f'regarding "{row["table_title"]}" ' if row["table_title"] else ""
        text = f"Read the following table {title}and answer a question:\n{row['table']}\n{row['question']}"
        choices = row["choices"]
        return f"{text} Please select from the following options: {choices}" if choices else text
    return str(next(row[key] for key in ("question", "problem", "input") if key in row)).strip()


def gold(name: str, row: dict[str, Any]) -> str:
    """Return the right answer of a record."""
    if name == "gsm8k":
        return str(row["answer"]).split("####")[-1].strip()
    if name == "math":
        return boxed(row["solution"])
    if name == "svamp":
        return str(row["Answer"])
    if name == "asdiv":
        return re.sub(r"\(.*?\)", "", row["answer"]).strip()
    if name == "tabmwp" and row["ans_type"] in ("integer_number", "decimal_number"):
        text = str(row["answer"]).replace(",", "")
        over, _, under = text.partition("/")
        if under:
            return str(int(over) / int(under))
        return str(float(text[:-1]) / 100) if text.endswith("%") else text
    return str(row["target"] if "target" in row else row["answer"])


def _load(name: str) -> Callable[[Path | None], Sequence[Task]]:
    def load(folder: Path | None) -> Sequence[Task]:
        shots = (DATA / ("pal-math.md" if name == "math" else "pal-gsm8k.md")).read_text("utf-8")
        rows: list[Any] = list(records(SETS[name], folder, WHERE.format(name)))
        if len(rows) == 1 and "question" not in rows[0]:
            rows = list(rows[0].values())  # TabMWP's file is one object
        return [
            Task(
                f"{name}/{number}",
                Prompt(
                    f"{shots}\n\nQuestion: {question(name, row)}\n", stop=STOPS, max_new_tokens=512
                ),
                _reference(row),
                "Python",
                data={"gold": gold(name, row)},
            )
            for number, row in enumerate(rows)
        ]

    return load


def _reference(row: dict[str, Any]) -> str:
    code = str(row.get("code", ""))
    return f"```python\n{code.strip()}\n```" if "def solution():" in code else ""


def program(text: str) -> str:
    """Return the first block that defines `solution`, or ""."""
    found = _BLOCK.search(text)
    return found[1] if found else ""


def _judge(lenient: bool) -> Callable[[Task, str, Sandbox | None], Verdict]:
    def judge(task: Task, answer: str, sandbox: Sandbox | None) -> Verdict:
        assert sandbox is not None
        code = program(answer)
        if not code:
            return Verdict(False, "no program with a function `solution`", "missing")
        try:
            with sandbox.session(code + _ANSWER, LIMITS) as session:
                found = str(session.call("gristmill_answer"))
        except ProgramError as error:
            return failed(error)
        wanted = str(task.data["gold"])
        if equal(found, wanted, lenient=lenient, sandbox=sandbox):
            return Verdict(True)
        return Verdict(False, f"{found[:80]} where {wanted} is right", "wrong")

    return judge


BENCHMARKS = tuple(
    Benchmark(
        f"pal-{name}", rules, f"{_TITLES[name]}, program-aided" + ("" if lenient else ", strict"),
        "accuracy", "execution",
        f"{'four' if name == 'math' else 'three'} shots, greedy, 512 new tokens, `solution()` is run, "
        + ("within 1e-4, a factor of 100 forgiven" if lenient else "within 1e-4"),
        _load(name), lambda task, raw: cut(raw, STOPS), _judge(lenient),
    )
    for name in SETS
    for rules, lenient in (("deepseek", True), ("strict", False))
)  # fmt: skip
