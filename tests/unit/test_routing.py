from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gristmill.serving.exchange import Generation
from gristmill.serving.routing import LEAD_CHARS, SLACK, affinity, spread

LINES = "".join(f"value_{number} = {number}\n" for number in range(60))


def test_one_user_s_file_is_one_thing_whatever_is_typed():
    asked = {"user": "me", "repository": "shop", "file_path": "a.py"}
    before = affinity(Generation(prompts=("x",), suffix="1", **asked))
    assert before == affinity(Generation(prompts=("x = 1",), suffix="2", **asked))
    for name, other in (("user", "you"), ("repository", "bank"), ("file_path", "b.py")):
        assert before != affinity(Generation(prompts=("x",), **{**asked, name: other}))


def test_without_a_path_the_prompt_s_beginning_tells():
    first = affinity(Generation(prompts=(LINES,)))
    assert first is not None
    assert first == affinity(Generation(prompts=(LINES + "more",), user="me"))
    assert first != affinity(Generation(prompts=("#" + LINES,)))
    extra = (("b.py", LINES),)
    led = affinity(Generation(prompts=("x",), suffix="", extra=extra))
    assert led == affinity(Generation(prompts=("x = 1",), suffix="", extra=extra))


def test_a_short_prompt_is_its_user_s_or_nobody_s():
    assert affinity(Generation(prompts=("x" * (LEAD_CHARS - 1),))) is None
    one = affinity(Generation(prompts=("x",), user="me"))
    assert one is not None and one == affinity(Generation(prompts=("y",), user="me"))


def test_a_chat_is_told_by_its_first_turn():
    def chat(*texts: str) -> str | None:
        return affinity(Generation(messages=tuple({"role": "user", "content": t} for t in texts)))

    assert chat("hello") == chat("hello", "and then?") != chat("good day")


@given(st.lists(st.integers(0, 100), min_size=1, max_size=6))
def test_spread_keeps_all_and_puts_busy_ones_last(loads):
    ranked = list(range(len(loads)))
    order = spread(ranked, dict(enumerate(loads)))
    assert Counter(order) == Counter(ranked)
    assert spread(ranked, {}) == ranked
    if len(loads) > 1:
        others = (sum(loads) - loads[order[0]]) / (len(loads) - 1)
        assert loads[order[0]] <= 2 * others + SLACK or order == ranked


def test_a_busy_replica_is_left_for_the_next_one():
    assert spread(["a", "b", "c"], {"a": SLACK}) == ["a", "b", "c"]
    assert spread(["a", "b", "c"], {"a": SLACK + 1}) == ["b", "c", "a"]
    assert spread(["a", "b"], {"a": 20, "b": 10}) == ["a", "b"]
