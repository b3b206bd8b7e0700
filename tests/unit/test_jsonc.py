"""JSON with comments and trailing commas."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.corpus.imports.jsonc import inner, read_object

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"a": 1}', {"a": 1}),
        ('\ufeff{"a": 1,}', {"a": 1}),
        ('// x\n{"a": [1, 2, /* y */ ], // z\n}', {"a": [1, 2]}),
        ('{"a": "// no, /* comment */ ,}",}', {"a": "// no, /* comment */ ,}"}),
        ('{"@/*": ["./src/*"], /* "x" */ "b": 1}', {"@/*": ["./src/*"], "b": 1}),
        ('{"a": "\\"", // "\n}', {"a": '"'}),
        ("[1]", {}),
        ("{broken", {}),
        ("", {}),
        ("[" * 5000, {}),
    ],
)
def test_reading(text: str, wanted: dict[str, object]) -> None:
    assert read_object(text) == wanted


@given(st.dictionaries(st.text(), VALUES))
def test_plain_json_and_commented_json_say_the_same(value: dict[str, object]) -> None:
    text = json.dumps(value)
    assert read_object(text) == value
    assert read_object("/* first */" + text + "// last") == value


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1,' + "/* x */\n" * 2000 + '"b": 2,}',
        '{"a": 1, // ' + "/*" * 200_000,
        '{"a": 1,} ' + '"' * 200_000,
        '{"a": 1,}' + "," * 200_000,
    ],
)
def test_no_text_takes_long(text: str) -> None:
    start = time.thread_time()
    read_object(text)
    assert time.thread_time() - start < 2


def test_inner_objects() -> None:
    assert inner({"a": {"b": 1}}, "a") == {"b": 1}
    assert inner({"a": 1}, "a") == inner({}, "a") == {}
