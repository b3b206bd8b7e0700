"""One parse a file: bounded in time, never raising, with the share of broken syntax."""

import math
from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.imports import LANGUAGES, Parsed, parse
from gristmill.corpus.imports.parsing import _read, unlimited
from gristmill.corpus.imports.registry import RULES

GOOD = {
    "Python": "import os\n\ndef f(x):\n    return [x]\n",
    "JavaScript": 'import a from "b";\nconst f = (x) => <p>{x}</p>;\n',
    "TypeScript": 'import a from "b";\nlet x: number = 1;\n',
    "Java": "package a;\nimport b.C;\nclass D { C c; }\n",
    "Go": 'package a\n\nimport "b"\n\nfunc F() { b.C() }\n',
    "C": "#include <a.h>\nint main(void) { return 0; }\n",
    "C++": "#include <a.h>\ntemplate <class T> struct S { T t; };\n",
    "CUDA": '#include "a.h"\nint main() { return 0; }\n',
    "Rust": "mod a;\n\nfn f(x: &[u8]) -> u8 { x[0] }\n",
    "Swift": "import A\n\nstruct S: B { var c: [D] = [] }\n",
    "Lua": 'local a = require("b")\nreturn { f = function(x) return a[x] end }\n',
    "Shell": 'source a.sh\nf() { echo "$1"; }\n',
    "Kotlin": "package a\n\nimport b.C\n\nfun f(x: Int): Int { return x }\n",
    "Scala": "package a\n\nimport b.C\n\nobject D { def f(x: Int): Int = x }\n",
    "C#": "using A.B;\n\nclass D { int F(int x) { return x; } }\n",
    "PHP": "<?php\nuse A\\B;\nfunction f($x) { return [$x]; }\n",
    "Ruby": 'require "a"\n\ndef f(x)\n  [x]\nend\n',
    "Vue": '<script>\nimport a from "b";\n</script>\n<template><p/></template>\n',
    "Svelte": '<script>\nimport a from "b";\n</script>\n<p>x</p>\n',
    "Protocol Buffer": 'syntax = "proto3";\nimport "a.proto";\nmessage M { string s = 1; }\n',
}


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_sound_files_have_no_broken_share_and_an_import(language: str) -> None:
    parsed = parse(language, GOOD[language], f"a.{language.lower()}")
    assert parsed.syntax_error_share == 0
    assert parsed.failure is None
    assert [found for found in parsed.imports if found.form != "qualified"]


def test_the_broken_share_is_that_of_the_broken_bytes() -> None:
    sound = "x = 1\n" * 50
    broken = parse("Python", sound + "))) ((( ]]]\n")
    assert 0 < broken.syntax_error_share < 0.1
    assert parse("Python", ")]}" * 100).syntax_error_share > 0.9
    assert parse("C", "int f(void) { return 0;\n").syntax_error_share > 0


def test_a_language_without_a_grammar_gives_nothing() -> None:
    assert parse("COBOL", b"MOVE A TO B.") == Parsed("COBOL")


def test_a_file_that_runs_away_is_cut_off_and_the_next_one_is_untouched() -> None:
    slow = parse("Python", b"((((((((((" * 400_000, timeout_s=0.05)
    assert slow.failure == "parse_timeout"
    assert slow.imports == ()
    assert parse("Python", GOOD["Python"]) == parse("Python", GOOD["Python"].encode())
    assert [found.target for found in parse("Python", GOOD["Python"]).imports] == ["os"]


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_input_makes_parse_raise(language: str, data: st.DataObject) -> None:
    words = GOOD[language].split(" ")
    text = data.draw(
        st.one_of(
            st.binary(max_size=200),
            st.text(max_size=200),
            st.permutations(words).map(" ".join),
            st.integers(0, len(GOOD[language])).map(lambda cut: GOOD[language][:cut]),
        )
    )
    parsed = parse(language, text, "dir/file.tsx")
    assert 0 <= parsed.syntax_error_share <= 1
    assert parsed.failure is None


def test_deep_nesting_does_not_exhaust_the_stack() -> None:
    text = "def f():\n" + "".join("    " * depth + "if x:\n" for depth in range(1, 200))
    parsed = parse("Python", text + "    " * 200 + "import os\n")
    assert parsed.imports[0].kind == "local"
    assert parse("JavaScript", "[" * 20_000 + "]" * 20_000).failure is None


def test_looking_near_the_keyword_finds_what_looking_everywhere_does() -> None:
    rules = RULES["Python"]
    everywhere = replace(rules, near=None)
    for path in sorted(Path(hypothesis.__file__).parent.rglob("*.py"))[:80]:
        data = path.read_bytes()
        near, whole = (_read(item, "Python", "", data, math.inf) for item in (rules, everywhere))
        assert near == whole, path
    crowded = "".join(f"import m{n}\n{'x = 1' * 90}\n" for n in range(40))
    assert len(parse("Python", crowded).imports) == 40


def test_without_a_limit_the_result_is_the_same() -> None:
    for language, text in GOOD.items():
        limited = parse(language, text)
        with unlimited():
            assert parse(language, text, timeout_s=0.0) == limited
    assert parse("Python", "(" * 400_000, timeout_s=0.01).failure == "parse_timeout"
