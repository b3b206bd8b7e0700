"""Which file an ending means."""

from gristmill.corpus.imports.endings import Endings

ENDINGS = Endings(["a.x", "one/a.x", "one/two/a.x", "other/deep/a.x", "one/b.x", "aa.x"])


def test_roots_are_what_lies_left_of_an_ending() -> None:
    assert ENDINGS.roots("a.x") == ["", "one", "one/two", "other/deep"]
    assert ENDINGS.roots("two/a.x") == ["one"]
    assert ENDINGS.roots("c.x") == ENDINGS.roots("wo/a.x") == []


def test_a_favoured_root_goes_before_a_folder_above_and_that_before_a_near_one() -> None:
    assert ENDINGS.best("a.x", "one/two/three") == "one/two/a.x"
    assert ENDINGS.best("a.x", "other") == "a.x"
    assert ENDINGS.best("a.x", "one/two", ["other/deep"]) == "other/deep/a.x"
    assert ENDINGS.best("deep/a.x", "one") == "other/deep/a.x"
    assert ENDINGS.best("b.x", "else") == "one/b.x"
    assert ENDINGS.best("c.x", "") is None
