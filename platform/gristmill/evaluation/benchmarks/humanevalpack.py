"""HumanEvalPack as a self-test: right and wrong solutions of every HumanEval task in six languages.

A harness is right when the canonical solutions score 100 % and the buggy ones nothing (Muennighoff et
al. 2023). `buggy` in a task's data is the wrong one. A model is asked as in HumanEval. A few references
need packages that no toolchain brings, and one is left to chance (`exceptions`). A Go program's imports are the standard packages
that it names: Go refuses what is imported and not used, and a model writes the body alone.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gristmill.evaluation.benchmark import Benchmark, Prompt, Task, Verdict, cut, records
from gristmill.evaluation.python_tests import check_function, with_imports
from gristmill.evaluation.sandbox import Sandbox
from gristmill.evaluation.stand_ins import GO_ASSERT, RUST_CRATES
from gristmill.evaluation.toolchains import TOOLCHAINS, run

WHERE = "https://huggingface.co/datasets/bigcode/humanevalpack"
LANGUAGES = {"python": "Python", "js": "JavaScript", "java": "Java", "cpp": "C++", "go": "Go",
             "rust": "Rust"}  # fmt: skip
STOPS = {
    "python": ("\ndef", "\nclass", "\nif", "\n#", "\nprint"),
    "js": ("\nfunction ", "\nconst ", "\n//", "\nconsole.log"),
    "java": ("\n    public ", "\nclass ", "\n//"),
    "cpp": ("\nint main", "\n#include", "\n//"),
    "go": ("\nfunc ", "\ntype ", "\n//"),
    "rust": ("\nfn ", "\nimpl ", "\n#[", "\n//"),
}
EXCEPTIONS = {
    "js": {"JavaScript/162": "its reference needs the package js-md5"},
    "cpp": {
        "CPP/22": "its prompt needs Boost (Debian: libboost-dev)",
        "CPP/137": "its prompt needs Boost (Debian: libboost-dev)",
    },
    "rust": {
        "Rust/32": "its reference looks for roots of random polynomials and need not end",
        "Rust/91": "its reference needs the crate regex",
    },
}
GO_PACKAGES = (
    "bytes", "crypto/md5", "encoding/hex", "errors", "fmt", "io", "math", "math/big", "math/bits",
    "math/rand", "reflect", "regexp", "sort", "strconv", "strings", "time", "unicode",
    "unicode/utf8",
)  # fmt: skip
_GO_IMPORT = re.compile(r"^import\s*(\((?:[^)]*)\)|\"[^\"]*\")\s*?\n", re.M)


def _load(short: str) -> Callable[[Path | None], Sequence[Task]]:
    def load(folder: Path | None) -> Sequence[Task]:
        return [
            Task(
                row["task_id"],
                Prompt(row["prompt"].strip(), stop=STOPS[short], max_new_tokens=500),
                row["canonical_solution"],
                LANGUAGES[short],
                data={**row, "buggy": row["buggy_solution"]},
            )
            for row in records(f"humanevalpack_{short}.jsonl", folder, WHERE)
        ]

    return load


def _judge_python(task: Task, answer: str, sandbox: Sandbox | None) -> Verdict:
    assert sandbox is not None
    row = task.data
    program = with_imports(f"{row['prompt']}\n{answer}\n")
    return check_function(program, row["entry_point"], row["test"], sandbox, before=row["prompt"])


def _judge_other(short: str) -> Callable[[Task, str, Sandbox | None], Verdict]:
    chain = TOOLCHAINS[LANGUAGES[short]]

    def judge(task: Task, answer: str, sandbox: Sandbox | None) -> Verdict:
        assert sandbox is not None
        mark = secrets.token_hex(12)
        files = _FILES.get(short, _one_file)(short, task.data, answer, mark)
        return run(chain, {chain.file: "", **files}, mark, sandbox)

    return judge


def _one_file(short: str, row: Mapping[str, Any], answer: str, mark: str) -> dict[str, str]:
    program = f"{row['prompt']}\n{answer}\n{_marked(short, str(row['test']), mark)}"
    if short == "java":
        program = program.replace("public class Main", "class Problem")
        program = program.replace("class Main", "class Problem")
    return {TOOLCHAINS[LANGUAGES[short]].file: program}


def _go_files(short: str, row: Mapping[str, Any], answer: str, mark: str) -> dict[str, str]:
    """Return program, tests and what prints the mark as one package, each with the imports it uses."""
    program = _GO_IMPORT.sub("", f"{row['prompt']}\n{answer}\n")
    tests = str(row["test"])
    main = (
        'package main\nimport ("fmt"; "os"; "testing")\n'
        "func TestMain(m *testing.M) { status := m.Run(); "
        f'if status == 0 {{ fmt.Println("\\n{mark}") }}; os.Exit(status) }}\n'
    )
    assertions = 'import "testing"\nimport "github.com/stretchr/testify/assert"\n'
    return {
        "a.go": f"package main\n{_go_imports(program)}{program}",
        "a_test.go": f"package main\n{assertions}{_go_imports(tests)}{tests}",
        "mark_test.go": main,
        **GO_ASSERT,
    }


def _go_imports(text: str) -> str:
    used = [
        name
        for name in GO_PACKAGES
        if re.search(rf"\b{name.rpartition('/')[2]}\.[A-Z]", text) is not None
    ]
    return "".join(f'import "{name}"\n' for name in used)


def _rust_files(short: str, row: Mapping[str, Any], answer: str, mark: str) -> dict[str, str]:
    """Return one program whose `main` calls each test and then prints the mark."""
    tests = str(row["test"]).replace("#[cfg(test)]", "").replace("#[test]", "")
    names = re.findall(r"^\s*fn (test_\w+)\(\)", tests, re.M)
    for name in names:
        tests = tests.replace(f"fn {name}()", f"pub fn {name}()")
    calls = " ".join(f"tests::{name}();" for name in names)
    main = f'fn main(){{ {calls} println!("\\n{mark}"); }}'
    program = f"{row['prompt']}\n{answer}\n".replace("fn main(){}", main, 1)
    program = program.replace("use md5;\n", "", 1)  # a module beside it has the name already
    return {"a.rs": f"{program}{tests}{RUST_CRATES}"}


_FILES = {"go": _go_files, "rust": _rust_files}


def _marked(short: str, tests: str, mark: str) -> str:
    tests = tests.rstrip()
    if short == "js":
        return f'{tests}\nconsole.log("{mark}");\n'
    says = f'puts("\\n{mark}");' if short == "cpp" else f'System.out.println("\\n{mark}");'
    at = len(tests)
    for _ in range(1 if short == "cpp" else 2):
        at = tests.rindex("}", 0, at)
    return f"{tests[:at]}{says}\n{tests[at:]}\n"


BENCHMARKS = tuple(
    Benchmark(
        "humanevalpack", short, f"HumanEvalPack, {language}", "pass@1", "execution",
        "prompt stripped, greedy, cut at stop texts, the pack's tests",
        _load(short), lambda task, raw, short=short: cut(raw, STOPS[short]),  # type: ignore[misc]
        _judge_python if short == "python" else _judge_other(short),
        exceptions=EXCEPTIONS.get(short, {}),
        missing=str if short == "python" else TOOLCHAINS[language].missing,
    )
    for short, language in LANGUAGES.items()
)  # fmt: skip
