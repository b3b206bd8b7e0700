import pytest

from gristmill.errors import RequestError
from gristmill.serving.protocols import NEUTRAL, ChatBody, CompletionBody, read


def test_null_is_not_given():
    body = read(CompletionBody, {"prompt": "x", "temperature": None, "n": None, "stop": None})
    asked = body.generation()
    assert (asked.temperature, asked.top_p, asked.num_choices, asked.stop) == (1.0, 1.0, 1, ())


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("x", ("x",)),
        (["x", "y"], ("x", "y")),
        ([1, 2], ((1, 2),)),
        ([[1], [2, 3]], ((1,), (2, 3))),
    ],
)
def test_the_four_shapes_of_a_prompt(prompt, prompts):
    assert read(CompletionBody, {"prompt": prompt}).generation().prompts == prompts


@pytest.mark.parametrize("prompt", [[], [1, "a"], {"a": 1}, 5, [1.5]])
def test_other_prompts_are_refused(prompt):
    with pytest.raises(RequestError) as caught:
        read(CompletionBody, {"prompt": prompt}).generation()
    assert caught.value.param == "prompt"


@pytest.mark.parametrize("name", sorted(NEUTRAL))
def test_what_is_not_carried_out_is_refused_by_name(name):
    for value in NEUTRAL[name]:
        read(ChatBody, {"messages": [{"role": "user", "content": "x"}], name: value})
    with pytest.raises(RequestError, match=f"'{name}' is not supported") as caught:
        read(CompletionBody, {"prompt": "x", name: "something"})
    assert caught.value.param == name


def test_thirty_two_stops_are_taken_and_one_text_is_a_list():
    assert read(CompletionBody, {"stop": "a"}).generation().stop == ("a",)
    many = [str(number) for number in range(32)]
    assert read(CompletionBody, {"stop": many}).generation().stop == tuple(many)


def test_a_chat_s_parts_and_roles():
    body = read(
        ChatBody,
        {
            "messages": [
                {"role": "developer", "content": "be short"},
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                },
            ],
            "max_tokens": 3,
            "max_completion_tokens": 5,
        },
    )
    asked = body.generation()
    assert [dict(message) for message in asked.messages] == [
        {"role": "system", "content": "be short"},
        {"role": "user", "content": "ab"},
    ]
    assert asked.max_tokens == 5


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"messages": []},
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user", "content": "x"}], "top_logprobs": 2},
    ],
)
def test_wrong_chats_are_refused(values):
    with pytest.raises(RequestError) as caught:
        read(ChatBody, values).generation()
    assert caught.value.param in {"messages", "top_logprobs"}
