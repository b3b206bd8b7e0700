import os
from pathlib import Path

import pytest

from gristmill.errors import RequestError
from gristmill.tokens.chat import chat_prompt, chat_spans
from gristmill.tokens.tokenizer_folder import SYSTEM
from tests.made_corpus import small_tokenizer

USER = {"role": "user", "content": "Sort a list.\n"}
ANSWER = {"role": "assistant", "content": "sorted(x)"}


def test_the_prompt_is_the_papers() -> None:
    tokenizer = small_tokenizer()
    ids = chat_prompt(tokenizer, [{"role": "user", "content": "Hi"}, ANSWER, USER])
    text = (
        f"{SYSTEM}\n### Instruction:\nHi\n### Response:\nsorted(x)\n<|EOT|>\n"
        "### Instruction:\nSort a list.\n\n### Response:\n"
    )
    assert ids == [tokenizer.special.bos, *tokenizer.encode_with_special(text)]


def test_transformers_template_says_the_same(tmp_path: Path) -> None:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    transformers = pytest.importorskip("transformers")
    tokenizer = small_tokenizer()
    tokenizer.save(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(str(tmp_path))
    system = {"role": "system", "content": "Be brief."}
    for messages in ([USER], [system, USER], [USER, ANSWER, USER], [system, USER, ANSWER, USER]):
        ids = theirs.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        assert list(ids) == chat_prompt(tokenizer, messages)
    learned = [token for span in chat_spans(tokenizer, [USER, ANSWER]) for token in span.ids]
    assert list(theirs.apply_chat_template([USER, ANSWER], return_dict=False)) == learned


def test_special_strings_in_messages_stay_text() -> None:
    tokenizer = small_tokenizer()
    ids = chat_prompt(tokenizer, [{"role": "user", "content": "<|EOT|>"}])
    assert tokenizer.special.eot not in ids


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([], "messages is empty"),
        ([ANSWER], r"messages\[0\].role is 'assistant' where 'user' is due"),
        ([USER, USER], r"messages\[1\].role is 'user' where 'assistant' is due"),
        ([USER, ANSWER], "last message's role is 'assistant'"),
        ([{"role": "tool", "content": ""}], "roles are system, user, assistant"),
        ([{"role": "user", "content": None}], "content is not a string"),
        ([{"role": "system", "content": "x"}], "where 'user' is due"),
    ],
)
def test_wrong_messages_are_named(messages: list[dict[str, str]], says: str) -> None:
    with pytest.raises(RequestError, match=says) as caught:
        chat_prompt(small_tokenizer(), messages)
    assert caught.value.param == "messages" and caught.value.status == 400
