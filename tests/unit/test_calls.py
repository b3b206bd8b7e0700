import json
import logging
import time

from gristmill.serving.access import Key
from gristmill.serving.calls import Call
from gristmill.serving.exchange import Generation, Piece, Source

SOURCE = Source("alpha", "1.0", "MIT", "a.py", 80, 0, 10)


def asked(**values: object) -> Call:
    call = Call("POST", "/v1/completions", key=Key("alice", "0" * 64))
    call.generation = Generation(prompts=("secret",), **values)
    return call


def test_tokens_are_counted_once_a_prompt_and_always_for_answers():
    call = asked(num_choices=2)
    for index in (0, 1):
        call.add(Piece(index, "a", 1, num_prompt=9, num_cached=4, queued_s=0.5 - index))
    call.add(Piece(0, "bc", 2, "stop", num_prompt=9))
    call.add(Piece(1, "d", 1, "length", num_prompt=9, sources=(SOURCE,)))
    assert (call.num_prompt, call.num_cached, call.num_output) == (9, 4, 5)
    assert (call.num_tokens, call.queued_s) == (14, 0.5)
    assert call.texts == {0: "abc", 1: "ad"}
    assert call.finish_reasons == ["stop", "length"] and call.sources == ["alpha"]
    assert len(call.gaps_s) == 3  # two tokens of one piece, one of another: each has its gap
    assert call.first_s is not None and call.last_s is not None and call.first_s <= call.last_s


def test_gaps_are_spread_over_a_piece_s_tokens():
    call = asked()
    call.add(Piece(0, "a", 1, num_prompt=1))
    time.sleep(0.004)
    call.add(Piece(0, "bc", 2, num_prompt=1))
    assert call.gaps_s[0] == call.gaps_s[1] >= 0.002


def test_only_a_suffix_makes_an_infilling():
    assert not asked().is_infilling and asked(suffix="").is_infilling
    assert not Call("GET", "/health").is_infilling


def test_the_audit_line_holds_no_text_unless_texts_are_wanted(caplog):
    call = asked(suffix="after")
    call.model, call.label, call.status = "tiny", "tiny@1", 200
    call.add(Piece(0, "answer", 1, "stop", num_prompt=3))
    with caplog.at_level(logging.INFO, "gristmill.audit"):
        call.report("none")
        assert caplog.messages == []
        call.report("requests")
        call.report("texts")
    plain, full = map(json.loads, caplog.messages)
    assert (plain["key"], plain["completion_tokens"], plain["status"]) == ("alice", 1, 200)
    assert not {"secret", "after", "answer"} & set(map(str, plain.values()))
    assert (full["prompts"], full["suffix"], full["answers"]) == (["secret"], "after", ["answer"])
    assert set(plain) < set(full)
