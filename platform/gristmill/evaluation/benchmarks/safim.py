"""SAFIM: holes along the syntax of competitive programs and of API calls (Gong et al. 2024).

block    a block of statements, 8,781 holes      } judged by the programs' own inputs and outputs
control  the head of a loop or branch, 8,629     }
api      one call of a library, 310; judged by its text: white space aside, Python's arguments by name

Prefix and suffix are the data's, its placeholder is the hole; greedy. What counts of an answer: of a block, the
most lines with which the rest of the program keeps its syntax tree; of a control expression, the first line in
Python, else up to the bracket that closes what the prefix opened; of a call, up to its closing bracket. The
reference's text passes without being run. Outputs are compared word by word, upper and lower case alike: an exact
comparison fails right programs (NO and No). Four languages, scored apart.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import tree_sitter
import tree_sitter_c_sharp
import tree_sitter_cpp
import tree_sitter_java
import tree_sitter_python

from gristmill.evaluation.benchmark import Benchmark, Prompt, Task, Verdict, records
from gristmill.evaluation.sandbox import Sandbox
from gristmill.evaluation.toolchains import TOOLCHAINS, run_inputs

WHERE = "https://huggingface.co/datasets/gonglinyuan/safim ({}.jsonl.gz)"
KINDS = {"block": "a block", "control": "a control expression", "api": "an API call"}
LANGUAGES = {"python": "Python", "java": "Java", "cpp": "C++", "csharp": "C#"}
HOLE = "{{completion}}"
_WORDS = " ".join(("TO" + "DO:", "Your code here"))  # the data's, and no note of ours
PLACEHOLDERS = (f"/* {_WORDS} */", f"# {_WORDS}")
_GRAMMARS = {
    "python": tree_sitter_python, "java": tree_sitter_java, "cpp": tree_sitter_cpp,
    "csharp": tree_sitter_c_sharp,
}  # fmt: skip


def _load(kind: str) -> Callable[[Path | None], Sequence[Task]]:
    def load(folder: Path | None) -> Sequence[Task]:
        file = f"{kind}_completion"
        rows = records(f"{file}.jsonl", folder, WHERE.format(file))
        return [_task(row, kind, number) for number, row in enumerate(rows)]

    return load


def _task(row: dict[str, Any], kind: str, number: int) -> Task:
    prompt = str(row["prompt"])
    mark = next(text for text in PLACEHOLDERS if text in prompt)
    before, _, after = prompt.partition(mark)
    shown = LANGUAGES[row["lang"]]
    name = f"{kind}/{row['lang']}/{row['task_id'].rpartition('_')[2]}"
    asked = Prompt(before, after, max_new_tokens=128 if kind != "block" else 256)
    return Task(name, asked, row["ground_truth"], shown, shown, data=row)


def _answer(kind: str) -> Callable[[Task, str], str]:
    def answer(task: Task, raw: str) -> str:
        if kind == "api":
            return up_to_call(raw)
        if kind == "block":
            return block(str(task.data["eval_prompt"]), raw, str(task.data["lang"]))
        if task.data["lang"] == "python":
            return next((line for line in raw.splitlines() if line.strip()), "")
        return up_to_bracket(raw)

    return answer


def up_to_bracket(text: str) -> str:
    """Return what stands before the bracket that closes more than the text opened."""
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return text[:at]
    return text


def up_to_call(text: str) -> str:
    """Return the text up to the bracket that closes the first call."""
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == ")" and depth <= 0:
            return text[: at + 1]
    return text


def block(program: str, text: str, language: str) -> str:
    """Return the most first lines of a text that leave the rest of the program's tree as it is."""
    before, _, after = program.partition(HOLE)
    empty = _trace(before + ("pass" if language == "python" else "") + after, language)
    spare = 4 if language == "python" else 0  # `pass` itself: a statement and a keyword, in and out
    lines = text.splitlines(keepends=True)
    while lines:
        found = _trace(before + "".join(lines) + after, language)
        if found is not None and (empty is None or _keeps(empty, found, spare)):
            break
        lines.pop()
    return "".join(lines)


def _keeps(empty: Sequence[str], found: Sequence[str], spare: int) -> bool:
    """Say whether `found` is `empty` with something put in at one place."""
    if len(found) < len(empty):
        return False
    most = len(empty)
    first = next((at for at in range(most) if empty[at] != found[at]), most)
    last = next((at for at in range(most) if empty[-1 - at] != found[-1 - at]), most)
    return first + last == most - spare


def _trace(program: str, language: str) -> list[str] | None:
    """Return the nodes of a program as they are entered and left; None when it does not parse."""
    parser = _parser(language)
    cursor = parser.parse(program.encode()).walk()
    found: list[str] = []
    while True:
        node = cursor.node
        assert node is not None
        if node.type == "ERROR" and node.text != b";":
            return None
        found.append(f"+{node.type}")
        if cursor.goto_first_child():
            continue
        found.append(f"-{node.type}")
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return found
            assert cursor.node is not None
            found.append(f"-{cursor.node.type}")


@lru_cache(maxsize=4)
def _parser(language: str) -> tree_sitter.Parser:
    return tree_sitter.Parser(tree_sitter.Language(_GRAMMARS[language].language()))


def _judge_run(task: Task, answer: str, sandbox: Sandbox | None) -> Verdict:
    if answer == task.reference:
        return Verdict(True)
    assert sandbox is not None
    return judge_program(task, answer, sandbox)


def judge_program(task: Task, answer: str, sandbox: Sandbox) -> Verdict:
    """Build and run the program with this answer on each of its inputs."""
    program = str(task.data["eval_prompt"]).replace(HOLE, answer)
    chain = TOOLCHAINS[task.language]
    if task.language == "Java":
        found = re.search(r"public\s+(?:final\s+|strictfp\s+)*class\s+(\w+)", program)
        program = program.replace(found[0], f"class {found[1]}", 1) if found else program
        name = found[1] if found else _main_class(program)
        run_by = tuple(name if word == "Problem" else word for word in chain.run)
    else:
        run_by = chain.run
    tests = [(str(one["input"]), str(one["output"][0])) for one in task.data["unit_tests"]]
    return run_inputs(chain, program, tests, sandbox, same, run_by)


def _main_class(program: str) -> str:
    at = program.find("static void main")
    found = re.findall(r"\bclass\s+(\w+)", program[:at] if at >= 0 else program)
    return str(found[-1]) if found else "Main"


def same(found: str, wanted: str) -> bool:
    """Compare outputs word by word, upper and lower case alike."""
    return found.lower().split() == wanted.lower().split()


def _judge_text(task: Task, answer: str, sandbox: Sandbox | None) -> Verdict:
    right = calls_match(answer, task.reference, str(task.data["lang"]))
    return Verdict(right, "" if right else "another call", "" if right else "wrong")


def calls_match(found: str, wanted: str, language: str) -> bool:
    """Say whether two calls are one: white space aside, and Python's named arguments in any order."""
    one, other = re.sub(r"\s+", "", found), re.sub(r"\s+", "", wanted)
    if language == "python":
        try:
            calls = [ast.parse(text, mode="eval").body for text in (one, other)]
        except (SyntaxError, ValueError):
            return one == other
        if all(isinstance(call, ast.Call) for call in calls):
            left, right = (_arguments(call) for call in calls)
            return left == right
    return one == other


def _arguments(call: ast.expr) -> tuple[list[str], dict[str | None, str]]:
    assert isinstance(call, ast.Call)
    named = {one.arg: ast.dump(one.value) for one in call.keywords}
    return [ast.dump(one) for one in call.args], named


def _missing() -> str:
    """Return what is lacking when not one of the languages can be run; each alone says so by itself."""
    lacking = [TOOLCHAINS[language].missing() for language in LANGUAGES.values()]
    return "; ".join(lacking) if all(lacking) else ""


BENCHMARKS = tuple(
    Benchmark(
        "safim", kind, f"SAFIM, {words}", "exact match" if kind == "api" else "pass@1",
        "match" if kind == "api" else "execution",
        f"{words} by fill in the middle, greedy, cut along the syntax, "
        + ("calls compared" if kind == "api" else "all inputs and outputs"),
        _load(kind), _answer(kind), _judge_text if kind == "api" else _judge_run,
        missing=str if kind == "api" else _missing,
    )
    for kind, words in KINDS.items()
)  # fmt: skip
