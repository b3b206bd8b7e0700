"""The instruct prompt: the paper's system line and `### Instruction:` / `### Response:` (section 3.7).

One layout for training, serving and evaluation. A conversation is

    <bos>SYSTEM\\n### Instruction:\\n{user}\\n### Response:\\n{assistant}\\n<|EOT|>\\n### Instruction:...

and `chat_prompt` ends after `### Response:\\n`, exactly where the trained answers begin. `CHAT_TEMPLATE`
says the same to transformers and vLLM. Message texts never become special tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gristmill.errors import RequestError
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.tokens.tokenizer_folder import SYSTEM

ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Span:
    """Token ids of one part of a conversation."""

    ids: tuple[int, ...]
    learned: bool
    """Whether the loss counts them: answers and the `<|EOT|>` that ends each."""


def chat_prompt(tokenizer: Tokenizer, messages: Sequence[Mapping[str, str]]) -> list[int]:
    """Return the ids of a conversation that awaits an answer. Raises RequestError."""
    check_messages(messages)
    if messages[-1]["role"] != "user":
        raise RequestError(
            f"the last message's role is '{messages[-1]['role']}'; an answer needs 'user' there",
            param="messages",
        )
    return [token for span in chat_spans(tokenizer, messages) for token in span.ids]


def check_messages(messages: Sequence[Mapping[str, str]]) -> None:
    """Raise RequestError unless roles are an optional system, then user and assistant in turn."""
    if not messages:
        raise RequestError("messages is empty; give at least one user message", param="messages")
    expected = "user"
    for number, message in enumerate(messages):
        role = message.get("role")
        where = f"messages[{number}]"
        if role not in ROLES:
            raise RequestError(
                f"{where}.role is {role!r}; roles are {', '.join(ROLES)}", param="messages"
            )
        if not isinstance(message.get("content"), str):
            raise RequestError(f"{where}.content is not a string", param="messages")
        if role == "system" and number == 0 and len(messages) > 1:
            continue
        if role != expected:
            raise RequestError(
                f"{where}.role is '{role}' where '{expected}' is due; "
                "user and assistant take turns after an optional system message",
                param="messages",
            )
        expected = "assistant" if role == "user" else "user"


def chat_spans(tokenizer: Tokenizer, messages: Sequence[Mapping[str, str]]) -> list[Span]:
    """Return the conversation's spans in order; each is encoded alone, so no token crosses a mask edge.

    A conversation whose last message is the user's ends with the open `### Response:` line.
    """
    first = messages[0]
    system = first["content"] if first["role"] == "system" else SYSTEM
    special = tokenizer.special
    spans = [Span((special.bos, *tokenizer.encode(system + "\n")), learned=False)]
    answered = False
    for message in messages:
        if message["role"] == "user":
            text = f"### Instruction:\n{message['content']}\n### Response:\n"
            spans.append(Span(tuple(tokenizer.encode("\n" + text if answered else text)), False))
        elif message["role"] == "assistant":
            answer = tokenizer.encode(message["content"] + "\n")
            spans.append(Span((*answer, special.eot), learned=True))
            answered = True
    return spans
