"""CrossCodeEval: a statement whose right form is decided by another file of the repository.

deepseek    The paper's rules, no retrieval: left context only, 2,048 tokens, 50 new ones, left to right.
retrieval   The same after the data's BM25 fragments of other files (512 tokens of them).
fim         Fill in the middle with the right context too, fragments before it.

Cut, comparison and identifiers are the benchmark's own (`code_match`). Files of the user's folder:
`{python,java,typescript,csharp}/line_completion_rg1_bm25.jsonl` or `<language>_line_completion*.jsonl`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gristmill.errors import RecipeError
from gristmill.evaluation.benchmark import Benchmark, Prompt, Task, Verdict, locate, records
from gristmill.evaluation.code_match import compare, statement
from gristmill.evaluation.sandbox import Sandbox

WHERE = "https://github.com/amazon-science/cceval (data/crosscodeeval_data.tar.xz)"
NAMES = {"python": "Python", "java": "Java", "typescript": "TypeScript", "csharp": "C#"}
CHARACTERS = 4
"""Of a token, generously: contexts are cut here by characters, then by the source in tokens."""


def _file(language: str, folder: Path | None) -> str | None:
    for name in (
        f"{language}/line_completion_rg1_bm25.jsonl",
        f"{language}/line_completion.jsonl",
        f"{language}_line_completion_rg1_bm25.jsonl",
        f"{language}_line_completion.jsonl",
    ):
        if locate(name, folder) is not None:
            return name
    return None


def _load(rules: str) -> Callable[[Path | None], Sequence[Task]]:
    def load(folder: Path | None) -> Sequence[Task]:
        tasks = []
        for language, shown in NAMES.items():
            file = _file(language, folder)
            for row in records(file, folder, WHERE) if file else ():
                tasks.append(_task(row, language, shown, rules))
        if not tasks:
            raise RecipeError(
                f"no CrossCodeEval file is here; get them from {WHERE} and name their folder with --data"
            )
        return tasks

    return load


def _task(row: dict[str, object], language: str, shown: str, rules: str) -> Task:
    found = row.get("crossfile_context") or {}
    fragments = str(found.get("text", "") if isinstance(found, dict) else found)
    meta = row["metadata"]
    assert isinstance(meta, dict)
    context = f"{fragments[: 512 * CHARACTERS]}\n" if rules != "deepseek" and fragments else ""
    prompt = Prompt(
        str(row["prompt"])[-2048 * CHARACTERS :],
        str(row["right_context"])[: 512 * CHARACTERS] if rules == "fim" else None,
        context,
        max_new_tokens=50,
    )
    data = {"prompt": row["prompt"], "language": language}
    return Task(str(meta["task_id"]), prompt, str(row["groundtruth"]), shown, shown, data=data)


def _answer(task: Task, raw: str) -> str:
    return statement(str(task.data["prompt"]), raw, str(task.data["language"]))


def _judge(task: Task, answer: str, sandbox: Sandbox | None) -> Verdict:
    found = compare(answer, task.reference, str(task.data["language"]))
    measures = {
        "edit_similarity": found.similarity,
        "identifier_match": float(found.identifiers_exact),
        "identifier_f1": found.identifiers_f1,
    }
    kind = "" if found.exact else "wrong"
    return Verdict(found.exact, "" if found.exact else "another statement", kind, measures)


BENCHMARKS = tuple(
    Benchmark(
        "crosscodeeval", rules, title, "exact match", "match", protocol,
        _load(rules), _answer, _judge,
        measures=("edit_similarity", "identifier_match", "identifier_f1"),
    )
    for rules, title, protocol in (
        ("deepseek", "CrossCodeEval", "left context, 50 new tokens, greedy, statement cut, lines compared"),
        ("retrieval", "CrossCodeEval with retrieval", "BM25 fragments, then as without retrieval"),
        ("fim", "CrossCodeEval, infilling", "BM25 fragments, left and right context, statement cut"),
    )
)  # fmt: skip
