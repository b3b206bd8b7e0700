"""OpenAI's request bodies: what is read, what is refused by name, what is ignored.

A field that would change the answer and that we do not carry out is refused unless it holds the value that
changes nothing (many clients send every field); a field we have never heard of is ignored, because editors
add their own. The bodies become a `Generation`; the answers are in `answers.py`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gristmill.errors import RequestError
from gristmill.serving.access import MAX_PRIORITY
from gristmill.serving.exchange import Generation
from gristmill.serving.options import EditorOptions

MAX_STOPS = 32
MAX_CHOICES = 32
MAX_LOGPROBS = 20

_Ids = list[Annotated[int, Field(strict=True)]]


NEUTRAL: dict[str, tuple[Any, ...]] = {
    "add_special_tokens": (None, True),
    "allowed_token_ids": (None, []),
    "audio": (None,),
    "bad_words": (None, []),
    "best_of": (None, 0, 1),
    "function_call": (None, "none"),
    "functions": (None, []),
    "grammar": (None, ""),
    "guided_choice": (None,),
    "guided_grammar": (None,),
    "guided_json": (None,),
    "guided_regex": (None,),
    "include_stop_str_in_output": (None, False),
    "length_penalty": (None, 1),
    "logits_processors": (None, []),
    "modalities": (None, ["text"]),
    "prediction": (None,),
    "prompt_logprobs": (None,),
    "reasoning_effort": (None, "none"),
    "response_format": (None, {"type": "text"}),
    "skip_special_tokens": (None, True),
    "structured_outputs": (None,),
    "tool_choice": (None, "none", "auto"),
    "tools": (None, []),
    "typical_p": (None, 0, 1),
    "use_beam_search": (None, False),
    "verbosity": (None, "medium"),
    "web_search_options": (None,),
}
"""Fields we do not carry out, with the values that ask for nothing."""


class StreamOptions(BaseModel):
    """What a stream carries beside the text."""

    model_config = ConfigDict(extra="ignore")

    include_usage: bool = False


class _Body(BaseModel):
    """What completions and chats share. None is "not given": clients send null for it."""

    model_config = ConfigDict(extra="ignore")
    neutral: ClassVar[dict[str, tuple[Any, ...]]] = NEUTRAL

    model: str | None = None
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=-1)
    min_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, gt=0)
    logit_bias: dict[str, float] | None = None
    n: int | None = Field(None, ge=1, le=MAX_CHOICES)
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: str | list[str] | None = None
    stop_token_ids: _Ids | None = Field(None, max_length=MAX_STOPS)
    min_tokens: int | None = Field(None, ge=0)
    ignore_eos: bool | None = None
    user: str | None = None
    priority: Annotated[int, Field(ge=-MAX_PRIORITY, le=MAX_PRIORITY)] | None = None
    """Lower comes first, as in vLLM."""
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @property
    def streams(self) -> bool:
        """Say whether the answer comes in pieces."""
        return bool(self.stream)

    @property
    def counts_usage(self) -> bool:
        """Say whether a stream ends with a chunk of usage."""
        return self.stream_options is not None and self.stream_options.include_usage

    def stops(self) -> tuple[str, ...]:
        """Return the stop texts. Raises RequestError when there are too many."""
        stops = [self.stop] if isinstance(self.stop, str) else list(self.stop or ())
        if len(stops) > MAX_STOPS:
            raise RequestError(
                f"stop has {len(stops)} texts; at most {MAX_STOPS} are taken", param="stop"
            )
        return tuple(text for text in stops if text)

    def sampling(self) -> dict[str, Any]:
        """Return the fields of a `Generation` that say how tokens are chosen. Raises RequestError."""
        return {
            "temperature": 1.0 if self.temperature is None else self.temperature,
            "top_p": 1.0 if self.top_p is None else self.top_p,
            "top_k": max(0, self.top_k or 0),
            "min_p": self.min_p or 0.0,
            "presence_penalty": self.presence_penalty or 0.0,
            "frequency_penalty": self.frequency_penalty or 0.0,
            "repetition_penalty": self.repetition_penalty or 1.0,
            "logit_bias": _bias(self.logit_bias or {}),
            "seed": self.seed,
            "stop": self.stops(),
            "stop_ids": tuple(self.stop_token_ids or ()),
            "min_tokens": self.min_tokens or 0,
            "ignore_eos": bool(self.ignore_eos),
            "user": self.user or None,
            "priority": self.priority or 0,
        }


class Asked(Protocol):
    """What the front needs of any protocol's body."""

    @property
    def streams(self) -> bool:
        """Say whether the answer comes in pieces."""

    @property
    def counts_usage(self) -> bool:
        """Say whether a stream ends with a chunk of usage."""

    def generation(self) -> Generation:
        """Return what is asked for. Raises RequestError."""


Body = TypeVar("Body", bound=BaseModel)


class CompletionBody(_Body, EditorOptions):
    """`POST /v1/completions`; `suffix` asks for the text between prompt and suffix."""

    prompt: str | _Ids | list[str] | list[_Ids] = ""
    suffix: str | None = None
    max_tokens: int | None = Field(None, ge=0)
    """0 is of use with `echo` and `logprobs` only: it scores a text."""
    logprobs: int | None = Field(None, ge=0, le=MAX_LOGPROBS)
    echo: bool | None = None
    truncate_prompt_tokens: int | None = Field(None, ge=-1)
    """Cut a longer prompt to so many tokens (-1: to what fits), keeping what is nearest to the answer."""

    def generation(self) -> Generation:
        """Return what is asked for. Raises RequestError."""
        prompts = _prompts(self.prompt)
        choices = self.n or 1
        if self.max_tokens == 0 and not self.echo:
            raise RequestError(
                "max_tokens is 0; ask for at least 1, or for the prompt itself with echo",
                param="max_tokens",
            )
        if len(prompts) * choices > MAX_CHOICES:
            raise RequestError(
                f"{len(prompts)} prompts times n={choices} is more than {MAX_CHOICES} answers; "
                "send them in several requests",
                param="n",
            )
        return Generation(
            prompts=prompts,
            suffix=self.suffix,
            num_choices=choices,
            max_tokens=self.max_tokens,
            **self.sampling(),
            **self.editing(rules=False),
            logprobs=self.logprobs,
            echo=bool(self.echo),
            keep_tokens=self.truncate_prompt_tokens,
        )


class TextPart(BaseModel):
    """One part of a message; only text can be read."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["text"]
    text: str


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    def plain(self) -> dict[str, str]:
        """Return role and text; `developer` is today's word for system."""
        role = "system" if self.role == "developer" else self.role
        if isinstance(self.content, str):
            return {"role": role, "content": self.content}
        return {"role": role, "content": "".join(part.text for part in self.content)}


class ChatBody(_Body):
    """`POST /v1/chat/completions`."""

    messages: list[Message] = Field(min_length=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=MAX_LOGPROBS)

    def generation(self) -> Generation:
        """Return what is asked for. Raises RequestError."""
        if self.top_logprobs and not self.logprobs:
            raise RequestError("top_logprobs needs logprobs: true", param="top_logprobs")
        return Generation(
            messages=_turns([message.plain() for message in self.messages]),
            num_choices=self.n or 1,
            max_tokens=self.max_completion_tokens or self.max_tokens,
            **self.sampling(),
            logprobs=(self.top_logprobs or 0) if self.logprobs else None,
        )


def _turns(messages: list[dict[str, str]]) -> tuple[dict[str, str], ...]:
    """Return a conversation whose turns alternate: what one side says in a row is one turn.

    A conversation that nobody but the system speaks in is asked by it.
    """
    turns: list[dict[str, str]] = []
    for message in messages:
        late = message["role"] == "system" and bool(turns) and turns[-1]["role"] != "system"
        role = "user" if late else message["role"]  # the template has one place for the system
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += "\n" + message["content"]
        else:
            turns.append({"role": role, "content": message["content"]})
    if len(turns) == 1:
        turns[0]["role"] = "user"
    return tuple(turns)


def read(kind: type[Body], values: object) -> Body:
    """Read a JSON value as a request body. Raises RequestError naming the field."""
    if not isinstance(values, dict):
        raise RequestError(f"the body is a JSON {type(values).__name__}, not an object")
    declined = declined_fields(kind, values)
    if declined:
        raise RequestError(
            f"'{declined[0]}' is not supported by this endpoint; leave it out",
            param=declined[0],
            code="unsupported_parameter",
        )
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = str(first["loc"][0]) if first["loc"] else "body"
        found = "missing" if first["type"] == "missing" else repr(first["input"])[:80]
        why = f"{first['msg'][0].lower()}{first['msg'][1:]}"
        raise RequestError(f"'{where}' is {found}: {why}", param=where) from error


def declined_fields(kind: type[BaseModel], values: Mapping[str, Any]) -> list[str]:
    """Return the fields that ask for something that is not carried out."""
    neutral: dict[str, tuple[Any, ...]] = getattr(kind, "neutral", {})
    return [name for name in neutral if name in values and values[name] not in neutral[name]]


def _bias(given: dict[str, float]) -> tuple[tuple[int, float], ...]:
    found = []
    for token, value in given.items():
        if not value:
            continue  # it asks for nothing, whatever it names
        if not (token.isdecimal() and token.isascii() and len(token) < 19):
            raise RequestError(
                f"logit_bias names '{token[:40]}'; its keys are token ids", param="logit_bias"
            )
        if not -100 <= value <= 100:
            raise RequestError(
                f"logit_bias of token {token} is {value:g}; it lies from -100 to 100",
                param="logit_bias",
            )
        found.append((int(token), value))
    return tuple(sorted(found))


def _prompts(prompt: str | _Ids | list[str] | list[_Ids]) -> tuple[str | tuple[int, ...], ...]:
    if isinstance(prompt, str):
        return (prompt,)
    if not prompt:
        raise RequestError("prompt is an empty list; send a text or token ids", param="prompt")
    if isinstance(prompt[0], int):
        return (tuple(token for token in prompt if isinstance(token, int)),)
    return tuple(
        part if isinstance(part, str) else tuple(part)
        for part in prompt
        if not isinstance(part, int)
    )
