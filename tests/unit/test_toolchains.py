from collections.abc import Iterator

import pytest

from gristmill.evaluation.benchmark import find
from gristmill.evaluation.benchmarks.humaneval_languages import TUPLES, marked
from gristmill.evaluation.sandbox import Sandbox, open_sandbox
from gristmill.evaluation.toolchains import TOOLCHAINS, Toolchain, run

ADD = {
    "sh": "    echo $(($1 + $2))\n",
    "js": "  return x + y;\n}\n",
    "php": "    return $x + $y;\n}\n",
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_sandbox() as found:
        yield found


def test_seven_languages_have_tasks_and_a_toolchain() -> None:
    sizes = {
        short: len(find(f"humaneval-{short}").load(None))
        for short in ("cpp", "java", "php", "ts", "cs", "sh", "js")
    }
    assert sizes == {
        "cpp": 161,
        "java": 158,
        "php": 161,
        "ts": 159,
        "cs": 158,
        "sh": 158,
        "js": 161,
    }
    assert {"C++", "Java", "PHP", "TypeScript", "C#", "Bash", "JavaScript"} <= set(TOOLCHAINS)


def test_the_mark_stands_after_the_last_test() -> None:
    tests = "}\nint main() {\n    assert(f(1) == 2);\n}\n"
    assert marked("cpp", tests, "abc").index("abc") > tests.index("assert")
    java = "    }\n    public static void main(String[] a) {\n    assert(x());\n    }\n\n}\n"
    text = marked("java", java, "abc")
    assert text.index("assert") < text.index("abc") < text.rindex("}\n\n}")
    assert "class Pair<T0, T1>" in TUPLES["org/javatuples/Pair.java"]


@pytest.mark.bubblewrap
@pytest.mark.parametrize("short", ["sh", "js", "php"])
def test_right_wrong_and_early_ends(short: str, sandbox: Sandbox) -> None:
    known = find(f"humaneval-{short}")
    task = next(task for task in known.load(None) if task.name.startswith("HumanEval_53_"))
    chain = TOOLCHAINS[task.language]
    if chain.missing():
        pytest.skip(chain.missing())
    assert known.judge(task, ADD[short], sandbox).passed
    early = {
        "sh": "    trap 'exit 0' EXIT; exit 0\n",
        "js": "  process.exit(0);\n}\n",
        "php": "    exit(0);\n}\n",
    }
    verdict = known.judge(task, early[short], sandbox)
    assert not verdict.passed
    wrong = {"sh": "    echo 7\n", "js": "  return 7;\n}\n", "php": "    return 7;\n}\n"}
    assert known.judge(task, wrong[short], sandbox).kind == "wrong"


@pytest.mark.bubblewrap
def test_a_missing_tool_is_named_and_is_no_wrong_answer(sandbox: Sandbox) -> None:
    chain = Toolchain("Zig", "a.zig", ("/usr/bin/zig-none", "run"), ("zig-none",), "zig")
    verdict = run(chain, {"a.zig": ""}, "mark", sandbox)
    assert verdict.kind == "broken" and "apt-get install zig" in verdict.reason
