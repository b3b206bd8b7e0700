import pytest
from pydantic import ValidationError

from gristmill.serving.exchange import Rules
from gristmill.serving.options import MAX_RECENT, EditorOptions


@pytest.mark.parametrize(
    ("given", "otherwise", "rules"),
    [
        (None, True, Rules()),
        (None, False, None),
        (True, False, Rules()),
        (False, True, None),
        ({}, False, Rules()),
        ({"extent": "line", "suffix": False}, False, Rules("line", suffix=False)),
    ],
)
def test_rules_are_what_is_said_or_what_the_route_has(given, otherwise, rules):
    assert EditorOptions(code_rules=given).editing(rules=otherwise)["rules"] == rules


def test_everything_else_is_handed_on():
    found = EditorOptions(
        anchor=True, file_path="a.py", language="Python", repository="shop", recent=["b.py"]
    ).editing(rules=False)
    assert found == {
        "rules": None, "anchored": True, "file_path": "a.py", "language": "Python",
        "repository": "shop", "recent": ("b.py",),
    }  # fmt: skip


@pytest.mark.parametrize(
    "values",
    [
        {"code_rules": {"extent": "page"}},
        {"code_rules": {"sufix": True}},
        {"file_path": "x" * 401},
        {"recent": ["a.py"] * (MAX_RECENT + 1)},
    ],
)
def test_what_cannot_be_meant_is_refused(values):
    with pytest.raises(ValidationError):
        EditorOptions(**values)
