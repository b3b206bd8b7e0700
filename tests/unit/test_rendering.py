import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.errors import RequestError
from gristmill.serving.exchange import Generation
from gristmill.serving.rendering import Layout, cut, echo_span, render
from gristmill.tokens.config import Fim
from gristmill.tokens.fim import infill_prompt, repository_prompt
from gristmill.tokens.special import SPECIAL
from tests.model_folder import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
IDS = TOKENIZER.special


def _one(room: int = 500, **values: object) -> list[int]:
    return render(TOKENIZER, Generation(**values), room)[0]


def test_a_suffix_makes_an_infilling_prompt():
    assert _one(prompts=("def a",), suffix="b") == infill_prompt(TOKENIZER, "def a", "b")
    assert _one(prompts=("",), suffix="") == [IDS.bos, IDS.fim_begin, IDS.fim_hole, IDS.fim_end]


def test_sentinels_in_an_editor_s_texts_stay_text():
    ids = _one(prompts=(f"a{SPECIAL['fim_hole']}b",), suffix=SPECIAL["eos"])
    assert ids.count(IDS.fim_hole) == 1
    assert IDS.eos not in ids


def test_sentinels_in_a_plain_prompt_are_meant():
    text = f"{SPECIAL['fim_begin']}a{SPECIAL['fim_hole']}b{SPECIAL['fim_end']}"
    assert _one(prompts=(text,)) == infill_prompt(TOKENIZER, "a", "b")
    assert _one(prompts=(SPECIAL["bos"] + text,)) == infill_prompt(TOKENIZER, "a", "b")


def test_token_ids_are_taken_as_they_are():
    assert _one(prompts=((5, 6, 7),)) == [5, 6, 7]
    assert _one(prompts=((5, 6, 7),), keep_tokens=2) == [6, 7]
    for wrong in (-1, TOKENIZER.num_tokens):
        with pytest.raises(RequestError, match="not in this model's vocabulary"):
            _one(prompts=((wrong,),))


def test_a_chat_ends_where_its_answer_begins():
    ids = _one(messages=({"role": "user", "content": "hi"},))
    assert ids[0] == IDS.bos
    assert TOKENIZER.decode(ids).endswith("### Instruction:\nhi\n### Response:\n")


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 80))
@settings(max_examples=80, deadline=None)
def test_a_cut_prompt_keeps_what_is_nearest_to_the_hole(num_prefix, num_suffix, room):
    prefix, suffix = list(range(100, 100 + num_prefix)), list(range(200, 200 + num_suffix))
    before, after = cut(prefix, suffix, room)
    assert len(before) + len(after) == min(room, num_prefix + num_suffix)
    assert before == prefix[num_prefix - len(before) :] and after == suffix[: len(after)]
    if num_prefix + num_suffix > room and num_suffix >= room:
        assert len(after) >= room // 4


@pytest.mark.parametrize("mode", ["psm", "spm", "spm_plain"])
def test_a_model_is_asked_as_it_was_trained(mode):
    layout = Layout(mode)
    asked = Generation(prompts=("def a",), suffix="b")
    assert render(TOKENIZER, asked, 500, layout) == [
        infill_prompt(TOKENIZER, "def a", "b", mode=mode)
    ]
    (ids,) = render(TOKENIZER, asked, 500, layout)
    start, end = echo_span(TOKENIZER, ids, True, layout)
    assert TOKENIZER.decode(ids[start:end]) == "def a"
    typed = Generation(prompts=("x\ndef a",), suffix="b", anchored=True)
    (forced,) = render(TOKENIZER, typed, 500, layout)
    whole = mode == "spm"
    plain = infill_prompt(TOKENIZER, "x\ndef a" if whole else "x\n", "b", mode=mode)
    assert forced == [*plain, *([] if whole else TOKENIZER.encode("def a"))]
    short = Generation(prompts=("p" * 90,), suffix="s" * 90, keep_tokens=30)
    (few,) = render(TOKENIZER, short, 500, layout)
    assert len(few) == 30 and {IDS.fim_begin, IDS.fim_hole, IDS.fim_end} < set(few)


def test_a_model_that_never_saw_bos_gets_none():
    foreign = Layout(bos=False)
    for suffix in (None, "b"):
        asked = Generation(prompts=("def a",), suffix=suffix, extra=(("x.py", "x = 1\n"),))
        assert [IDS.bos, *render(TOKENIZER, asked, 500, foreign)[0]] == render(
            TOKENIZER, asked, 500
        )[0]
    meant = Generation(prompts=(SPECIAL["bos"] + "a",))
    assert render(TOKENIZER, meant, 500, foreign)[0][0] == IDS.bos
    assert render(TOKENIZER, Generation(prompts=("",)), 500, foreign) == [[IDS.bos]]


def test_other_files_lead_as_in_training():
    asked = Generation(
        prompts=("def a",), suffix="b", file_path="a.py", repository="shop",
        extra=(("x.py", "x = 1\n"), ("y.py", "y = 2")),
    )  # fmt: skip
    files = ["# x.py\nx = 1\n", "# y.py\ny = 2\n"]
    parted = repository_prompt(TOKENIZER, "shop", files, "def a", "b", context="# a.py\n")
    assert render(TOKENIZER, asked, 500, Layout(files="last")) == [parted]
    (ids,) = render(TOKENIZER, asked, 500)
    assert IDS.file_sep not in ids
    assert TOKENIZER.decode(ids) == "".join(files) + "# a.py\ndef ab"
    room = len(parted) - 1
    (fewer,) = render(TOKENIZER, asked, room, Layout(files="last"))
    assert fewer == repository_prompt(
        TOKENIZER, "shop", files[1:], "def a", "b", context="# a.py\n"
    )
    alone = infill_prompt(TOKENIZER, "def a", "b", context="# a.py\n")
    assert render(TOKENIZER, asked, len(alone), Layout(files="last")) == [alone]


def test_a_layout_is_what_the_recipe_says_of_fim():
    assert Layout.of(Fim()) == Layout()
    assert Layout.of(Fim(spm_share=1.0, files="last")) == Layout("spm", "last")
    assert Layout.of(Fim(spm_share=0.9, spm_form="plain")) == Layout("spm_plain")
    assert Layout.of(Fim(mode="msp")) == Layout()


def test_a_plain_prompt_is_cut_at_its_beginning():
    ids = _one(prompts=("abcdefgh",), keep_tokens=4)
    assert ids == [IDS.bos, *TOKENIZER.encode("abcdefgh")[-3:]]
    assert len(_one(room=3, prompts=("abcdefgh",), keep_tokens=-1)) == 3


def test_a_file_path_leads_as_the_comment_of_training():
    assert _one(prompts=("def a",), suffix="b", file_path="pkg/a.py") == infill_prompt(
        TOKENIZER, "def a", "b", context="# pkg/a.py\n"
    )
    plain = _one(prompts=("int a",), file_path="a.c")
    assert TOKENIZER.decode(plain) == "// a.c\nint a"
    assert _one(prompts=("x",), file_path="no language") == _one(prompts=("x",))
    short = _one(room=40, prompts=("p" * 90,), suffix="s" * 90, file_path="a.py", keep_tokens=-1)
    assert len(short) == 40
    assert (
        short[0] == IDS.bos and TOKENIZER.decode(short[: short.index(IDS.fim_begin)]) == "# a.py\n"
    )
