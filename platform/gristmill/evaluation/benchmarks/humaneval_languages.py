"""HumanEval in the paper's seven other languages (MultiPL-E's translations, Cassano et al. 2022).

The completion ends at the data's own stop texts; the tests' text begins with the closing brace that this
removes. A line that prints a mark stands after the last test, so that leaving early is no pass. Java's
prompts import `org.javatuples`: small classes of that name are laid beside them. A language whose tools
this machine lacks is reported as not run.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gristmill.evaluation.benchmark import Benchmark, Prompt, Task, Verdict, cut, records
from gristmill.evaluation.sandbox import Sandbox
from gristmill.evaluation.toolchains import TOOLCHAINS, run

WHERE = "https://github.com/deepseek-ai/DeepSeek-Coder (Evaluation/HumanEval/data)"
LANGUAGES = {
    "cpp": "C++", "java": "Java", "php": "PHP", "ts": "TypeScript", "cs": "C#", "sh": "Bash",
    "js": "JavaScript",
}  # fmt: skip


def _load(short: str) -> Callable[[Path | None], Sequence[Task]]:
    def load(folder: Path | None) -> Sequence[Task]:
        return [
            Task(
                row["name"],
                Prompt(row["prompt"].strip(), stop=tuple(row["stop_tokens"]), max_new_tokens=500),
                "",
                LANGUAGES[short],
                data=row,
            )
            for row in records(f"humaneval-{short}.jsonl", folder, WHERE)
        ]

    return load


def _answer(task: Task, raw: str) -> str:
    return cut(raw, task.prompt.stop)


def _judge(short: str) -> Callable[[Task, str, Sandbox | None], Verdict]:
    chain = TOOLCHAINS[LANGUAGES[short]]

    def judge(task: Task, answer: str, sandbox: Sandbox | None) -> Verdict:
        assert sandbox is not None
        mark = secrets.token_hex(12)
        program = f"{task.data['prompt']}{answer}\n{marked(short, str(task.data['tests']), mark)}"
        beside = TUPLES if short == "java" else {}
        return run(chain, {chain.file: program, **beside}, mark, sandbox)

    return judge


def marked(short: str, tests: str, mark: str) -> str:
    """Return tests that print the mark once the last of them has passed."""
    tests = tests.rstrip()
    says = {
        "cpp": f'puts("\\n{mark}");',
        "java": f'System.out.println("\\n{mark}");',
        "cs": f'Console.WriteLine("\\n{mark}");',
        "php": f'\necho "\\n{mark}";',
        "js": f'\nconsole.log("\\n{mark}");',
        "ts": f'\nconsole.log("\\n{mark}");',
        "sh": f"\necho; echo {mark}",
    }[short]
    closing = {"cpp": 1, "java": 2, "cs": 2}.get(short, 0)
    at = len(tests)
    for _ in range(closing):
        at = tests.rindex("}", 0, at)
    return f"{tests[:at]}{says}\n{tests[at:]}\n"


def _tuple_class(name: str, num: int) -> str:
    kinds = [f"T{number}" for number in range(num)]
    fields = "".join(f"    private final {kind} v{at};\n" for at, kind in enumerate(kinds))
    takes = ", ".join(f"{kind} v{at}" for at, kind in enumerate(kinds))
    sets = " ".join(f"this.v{at} = v{at};" for at in range(num))
    gets = "".join(
        f"    public {kind} getValue{at}() {{ return v{at}; }}\n" for at, kind in enumerate(kinds)
    )
    listed, shape = ", ".join(f"v{at}" for at in range(num)), f"{name}<{', '.join(kinds)}>"
    return (
        f"package org.javatuples;\nimport java.util.*;\npublic final class {shape} {{\n{fields}"
        f"    public {name}({takes}) {{ {sets} }}\n"
        f"    public static <{', '.join(kinds)}> {shape} with({takes}) {{ return new {name}<>({listed}); }}\n"
        f"{gets}    private List<Object> all() {{ return Arrays.asList({listed}); }}\n"
        f"    public boolean equals(Object o) {{ return o instanceof {name} && all().equals((({name}<{', '.join('?' * num)}>) o).all()); }}\n"
        "    public int hashCode() { return all().hashCode(); }\n"
        "    public String toString() { return all().toString(); }\n}\n"
    )


TUPLES: Mapping[str, str] = {
    f"org/javatuples/{name}.java": _tuple_class(name, num)
    for name, num in (("Unit", 1), ("Pair", 2), ("Triplet", 3), ("Quartet", 4), ("Quintet", 5))
}

BENCHMARKS = tuple(
    Benchmark(
        f"humaneval-{short}", "deepseek", f"HumanEval, {language}", "pass@1", "execution",
        "prompt stripped, greedy, 500 new tokens, cut at the data's stop texts, built and run",
        _load(short), _answer, _judge(short), missing=TOOLCHAINS[language].missing,
    )
    for short, language in LANGUAGES.items()
)  # fmt: skip
