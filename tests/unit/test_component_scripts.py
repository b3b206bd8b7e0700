"""Components of Vue and Svelte: what of them a grammar of TypeScript is given to read."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.corpus.imports import parse
from gristmill.corpus.imports.component_scripts import scripts_only

PIECES = st.sampled_from(
    [
        "<script>",
        "<script lang='ts'>",
        "</script>",
        "<!--",
        "-->",
        "a\n",
        "\r\n",
        " src='./x'",
        "<p>",
    ]
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("<p>x</p>\n<script>\nlet a\n</script>", "\n\nlet a\n"),
        ("<script>a</script><script setup>b</script>", "a b"),
        ("<script lang='ts'>a</script>", "a"),
        ("<SCRIPT TYPE='text/javascript'>a</SCRIPT>", "a"),
        ("<script type='module'>a</script>", "a"),
        ('<script generic="T extends A<B>">a</script>', "a"),
        ("<script context=module>a</script>", "a"),
        ("<script lang='coffee'>a</script>", ""),
        ("<script type='text/template'>a</script>", ""),
        ("<!-- <script>a</script> -->", ""),
        ("<script>a", ""),
        ("<scripted>a</scripted>", ""),
        ("<script src='./a.ts'></script>", "import './a.ts'"),
        ('<script lang="ts" src="./a.ts" />', 'import "./a.ts"'),
        ("<script data-src='./a.ts'></script>", ""),
    ],
)
def test_only_scripts_are_left(text: str, wanted: str) -> None:
    made = scripts_only(text.encode()).decode()
    assert [line.split() for line in made.split("\n")] == [
        line.split() for line in wanted.split("\n")
    ]


@given(st.lists(PIECES).map("".join))
def test_length_and_line_ends_stay(text: str) -> None:
    data = text.encode()
    made = scripts_only(data)
    assert len(made) == len(data)
    assert [place for place, byte in enumerate(made) if byte in b"\r\n"] == [
        place for place, byte in enumerate(data) if byte in b"\r\n"
    ]


@pytest.mark.parametrize(
    "text", ["<script>", "<!--", "<script '", '<script "> ', "<script a", "</script "]
)
def test_no_text_takes_long(text: str) -> None:
    start = time.thread_time()
    scripts_only(text.encode() * (100_000 // len(text)))
    assert time.thread_time() - start < 2


@pytest.mark.parametrize(("language", "path"), [("Vue", "a.vue"), ("Svelte", "a.svelte")])
def test_imports_of_components_keep_their_lines(language: str, path: str) -> None:
    text = "<script>\nimport a from './a'\n</script>\n<p>\n<script>\nimport('./b')\n</script>\n"
    parsed = parse(language, text, path)
    assert [(found.target, found.line) for found in parsed.imports] == [("./a", 2), ("./b", 6)]
    assert parsed.syntax_error_share == 0
