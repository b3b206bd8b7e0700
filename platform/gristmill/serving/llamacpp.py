"""llama.cpp's own protocol, as its server and its editor plug-ins (llama.vim, llama.vscode) speak it.

`/infill` completes between `input_prefix` and `input_suffix`, with `input_extra` as other files and
`prompt` as what is typed on the line already; `/completion` goes on from a prompt. `n_predict: 0` only
warms the cache. An option that would change the answer and is not carried out is refused by name;
hints about slots, threads and caches, which change no answer, are taken and do nothing. A prompt
that is too long is cut, never refused, as that server does.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from gristmill.errors import RequestError
from gristmill.serving.answers import frame, sources_of
from gristmill.serving.exchange import Generation, ModelCard, Piece, Rules
from gristmill.serving.options import EditorOptions
from gristmill.serving.protocols import MAX_CHOICES, MAX_STOPS

PATHS = frozenset({"/infill", "/completion", "/completions", "/props", "/apply-template"})
"""Whose errors come in llama.cpp's form."""
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    501: "not_supported_error",
    503: "unavailable_error",
}

_Ids = list[Annotated[int, Field(strict=True, ge=0)]]
_Bias = list[tuple[int, float | Literal[False]]] | dict[str, float | Literal[False]]


class Extra(BaseModel):
    """One other file of the repository."""

    model_config = ConfigDict(extra="ignore")

    text: str
    filename: str = ""


class _Options(EditorOptions):
    """What both routes take; the defaults are that server's."""

    model_config = ConfigDict(extra="ignore")

    neutral: ClassVar[dict[str, tuple[Any, ...]]] = {
        "n_probs": (0, None),
        "min_keep": (0, 1, None),
        "grammar": ("", None),
        "json_schema": ({}, None),
        "lora": ([], None),
        "mirostat": (0, None),
        "typical_p": (1, None),
        "dry_multiplier": (0, None),
        "xtc_probability": (0, None),
        "dynatemp_range": (0, None),
        "return_tokens": (False, None),
        "image_data": ([], None),
    }

    model: str | None = None
    n_predict: int = Field(-1, ge=-2)
    n_cmpl: int = Field(1, ge=1, le=MAX_CHOICES)
    temperature: float = Field(0.8, ge=0)
    top_k: int = Field(40, ge=-1)
    top_p: float = Field(0.95, ge=0, le=1)
    min_p: float = Field(0.05, ge=0, le=1)
    repeat_penalty: float = Field(1.0, gt=0)
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: _Bias = Field(default_factory=list)
    n_indent: int | None = Field(0, ge=0)
    """The answer ends before a further line with fewer blanks at its start."""
    samplers: list[str] | None = None
    ignore_eos: bool = False
    seed: int = Field(-1, ge=-(2**63), lt=2**64)
    stop: list[str] = Field(default_factory=list, max_length=MAX_STOPS)
    stream: bool = False
    t_max_predict_ms: float = 0
    response_fields: list[str] | None = None

    @property
    def is_list(self) -> bool:
        """Say whether the answer is a list."""
        return self.n_cmpl > 1

    @property
    def streams(self) -> bool:
        """Say whether the answer comes in pieces."""
        return self.stream and self.n_predict != 0

    @property
    def counts_usage(self) -> bool:
        """Say whether a stream ends with a chunk of usage; here the last frame tells it."""
        return False

    def shaped(self, *, rules: bool) -> dict[str, Any]:
        """Return what `editing` does, with the least indentation among the rules."""
        found = self.editing(rules=rules)
        if self.n_indent:
            given = found["rules"] or Rules("block", False, False, False, False)
            found["rules"] = replace(given, least_indent=self.n_indent)
        return found

    def options(self) -> dict[str, Any]:
        """Return the fields of a `Generation` that both routes share."""
        given = self.samplers  # a sampler that is not in the chain does nothing
        chain = {"top_k", "top_p", "min_p", "temperature"} if given is None else set(given)
        return {
            "num_choices": self.n_cmpl,
            "max_tokens": None if self.n_predict < 0 else max(1, self.n_predict),
            "predict_s": self.t_max_predict_ms / 1000 if self.t_max_predict_ms > 0 else None,
            "temperature": self.temperature,
            "top_k": max(0, self.top_k) if "top_k" in chain else 0,
            "top_p": self.top_p if "top_p" in chain and self.top_p > 0 else 1.0,
            "min_p": self.min_p if "min_p" in chain else 0.0,
            "repetition_penalty": self.repeat_penalty,
            "presence_penalty": self.presence_penalty,
            "frequency_penalty": self.frequency_penalty,
            "logit_bias": _bias(self.logit_bias),
            "seed": None if self.seed < 0 else self.seed,
            "stop": tuple(text for text in self.stop if text),
            "ignore_eos": self.ignore_eos,
            "keep_tokens": -1,
        }


class InfillBody(_Options):
    """`POST /infill`."""

    input_prefix: str
    input_suffix: str
    input_extra: list[Extra] = Field(default_factory=list)
    prompt: str = ""

    def generation(self) -> Generation:
        """Return what is asked for."""
        return Generation(
            prompts=(self.input_prefix + self.prompt,),
            suffix=self.input_suffix,
            extra=tuple((extra.filename, extra.text) for extra in self.input_extra),
            **self.options(),
            **self.shaped(rules=True),
        )


class PromptText(BaseModel):
    """A prompt as an object."""

    prompt_string: str


_Prompt = str | _Ids | PromptText


class NativeBody(_Options):
    """`POST /completion`; several prompts are answered by a list."""

    prompt: _Prompt | list[_Prompt]

    @property
    def is_list(self) -> bool:
        """Say whether the answer is a list."""
        return super().is_list or len(self._prompts()) > 1

    def generation(self) -> Generation:
        """Return what is asked for. Raises RequestError."""
        prompts = self._prompts()
        if not prompts:
            raise RequestError("prompt is an empty list; send a text or token ids", param="prompt")
        if len(prompts) * self.n_cmpl > MAX_CHOICES:
            raise RequestError(
                f"{len(prompts)} prompts times n_cmpl={self.n_cmpl} is more than {MAX_CHOICES} "
                "answers; send them in several requests",
                param="prompt",
            )
        return Generation(prompts=prompts, **self.options(), **self.shaped(rules=False))

    def _prompts(self) -> tuple[str | tuple[int, ...], ...]:
        given = self.prompt
        if isinstance(given, list) and not (given and isinstance(given[0], int)):
            return tuple(_plain(prompt) for prompt in given if not isinstance(prompt, int))
        return (_plain(given),)


@dataclass
class _Choice:
    text: str = ""
    num_tokens: int = 0
    num_prompt: int = 0
    num_cached: int = 0
    finish_reason: str | None = None
    stopping_word: str = ""
    sources: list[dict[str, Any]] = field(default_factory=list)
    first_s: float = 0.0
    last_s: float = 0.0


@dataclass
class NativeAnswer:
    """The answer of both routes, whole or in frames. Times count from when the request was read."""

    body_: InfillBody | NativeBody
    model: str
    asked_s: float = field(default_factory=time.monotonic)
    choices: dict[int, _Choice] = field(default_factory=dict)

    def add(self, piece: Piece) -> None:
        """Take in a piece."""
        choice = self.choices.setdefault(piece.index, _Choice())
        now = time.monotonic()
        choice.first_s = choice.first_s or now
        choice.last_s = now
        choice.text += piece.text
        choice.num_tokens += piece.num_tokens
        choice.num_prompt = piece.num_prompt
        choice.num_cached = piece.num_cached
        choice.finish_reason = piece.finish_reason or choice.finish_reason
        choice.stopping_word = piece.stopping_word or choice.stopping_word
        choice.sources += sources_of(piece)

    def body(self) -> Any:
        """Return the whole answer: an object, or a list where several choices were asked."""
        found = [self._shown(index, self.choices[index]) for index in sorted(self.choices)]
        return found if self.body_.is_list else found[0]

    def start(self) -> Sequence[str]:
        """Return the events before the first piece."""
        return ()

    def event(self, piece: Piece) -> str:
        """Take in a piece and return it as a frame; the last one of a choice tells everything."""
        self.add(piece)
        choice = self.choices[piece.index]
        part = {"index": piece.index, "content": piece.text, "tokens": [], "stop": False}
        if piece.finish_reason is None:
            return frame({**part, "id_slot": 0, "tokens_predicted": choice.num_tokens})
        return frame({**self._whole(piece.index, choice), "content": piece.text})

    def end(self, counts_usage: bool) -> Sequence[str]:
        """Return the events after the last piece: this protocol's last frame said it."""
        return ()

    def _shown(self, index: int, choice: _Choice) -> dict[str, Any]:
        whole = self._whole(index, choice)
        wanted = self.body_.response_fields
        if not wanted:
            return whole
        found = {path: _at(whole, path) for path in wanted}
        return {path: value for path, value in found.items() if value is not None}

    def _whole(self, index: int, choice: _Choice) -> dict[str, Any]:
        warm = self.body_.n_predict == 0
        num_new = choice.num_prompt - choice.num_cached
        num_tokens = 0 if warm else choice.num_tokens
        stop_type = "limit" if warm or choice.finish_reason == "length" else "eos"
        prompt_ms = 1000 * max(choice.first_s - self.asked_s, 1e-6)
        predicted_ms = 1000 * max(choice.last_s - choice.first_s, 1e-6)
        return {
            "index": index,
            "content": "" if warm else choice.text,
            "tokens": [],
            "id_slot": 0,
            "stop": True,
            "model": self.model,
            "tokens_predicted": num_tokens,
            "tokens_evaluated": choice.num_prompt,
            "generation_settings": self._settings(),
            "prompt": self.body_.prompt if isinstance(self.body_.prompt, str) else "",
            "has_new_line": "\n" in choice.text,
            "truncated": False,
            "stop_type": "word" if choice.stopping_word else stop_type,
            "stopping_word": choice.stopping_word,
            "tokens_cached": choice.num_prompt + num_tokens,
            **({"sources": choice.sources} if choice.sources else {}),
            "timings": {
                "cache_n": choice.num_cached,
                "prompt_n": num_new,
                "prompt_ms": prompt_ms,
                "prompt_per_token_ms": prompt_ms / max(num_new, 1),
                "prompt_per_second": 1000 * num_new / prompt_ms,
                "predicted_n": num_tokens,
                "predicted_ms": predicted_ms,
                "predicted_per_token_ms": predicted_ms / max(num_tokens, 1),
                "predicted_per_second": 1000 * num_tokens / predicted_ms,
            },
        }

    def _settings(self) -> dict[str, Any]:
        names = (
            "n_predict seed temperature top_k top_p min_p repeat_penalty presence_penalty "
            "frequency_penalty stop stream n_indent samplers"
        )
        return {name: getattr(self.body_, name) for name in names.split()}


def check_infills(card: ModelCard) -> None:
    """Raise RequestError, of this protocol's status, when the model has no FIM."""
    if not card.fim:
        raise RequestError(
            f"Infill is not supported by this model: {card.name} answers chats", status=501
        )


def error_body(error: RequestError) -> dict[str, Any]:
    """Return llama.cpp's error object."""
    too_long = error.code == "context_length_exceeded"
    kind = "exceed_context_size_error" if too_long else TYPES.get(error.status, "server_error")
    return {"error": {"code": error.status, "message": str(error), "type": kind}}


def props_body(card: ModelCard) -> dict[str, Any]:
    """Return the answer of `GET /props`."""
    params = NativeBody(prompt="").model_dump(exclude={"prompt", "model", "response_fields"})
    return {
        "default_generation_settings": {"n_ctx": card.context, "params": params},
        "total_slots": 1,
        "model_alias": card.name,
        "model_path": card.label,
        "modalities": {"vision": False, "audio": False},
        "chat_template": "",
        "build_info": "gristmill",
    }


def _plain(prompt: _Prompt) -> str | tuple[int, ...]:
    if isinstance(prompt, PromptText):
        return prompt.prompt_string
    return prompt if isinstance(prompt, str) else tuple(prompt)


def _bias(given: _Bias) -> tuple[tuple[int, float], ...]:
    pairs = given.items() if isinstance(given, dict) else given
    found = []
    for token, value in pairs:
        if not str(token).isdecimal():
            raise RequestError(f"logit_bias names '{token}'; give token ids", param="logit_bias")
        found.append((int(token), -1e9 if value is False else float(value)))
    return tuple(sorted(found))


def _at(value: Mapping[str, Any], path: str) -> Any:
    found: Any = value
    for part in path.split("/"):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found
