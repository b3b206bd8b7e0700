"""What crosses between the front (protocols) and a replica (tokens): plain frozen values.

The front translates a protocol into a `Generation` and `Piece`s back; a replica renders, limits and
generates. So a prompt is always turned into tokens by the tokenizer of the weights that answer it.
Refusals travel as values (`Refusal`) too, because exceptions change class on their way through Ray.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from gristmill.errors import RequestError
from gristmill.inference.stats import EngineStats

Kind = Literal["completion", "chat"]


@dataclass(frozen=True)
class Rules:
    """Which of the rules of `shaping` hold; a line is one line, a block more."""

    extent: Literal["auto", "line", "block"] = "auto"
    """`auto` looks at the text around the cursor."""
    suffix: bool = True
    """End where the answer begins to repeat what follows the cursor."""
    indent: bool = True
    """End where a line is indented less than the block that the cursor is in."""
    keywords: bool = True
    """End where something new begins at the left edge, by the language's words."""
    repeats: bool = True
    """End where a line is written again and again."""
    least_indent: int = 0
    """End before a further line that begins with fewer blanks."""


@dataclass(frozen=True)
class Generation:
    """What one request asks for, whatever protocol it came by."""

    prompts: tuple[str | tuple[int, ...], ...] = ()
    """Texts or token ids, each answered `num_choices` times; empty for a chat."""
    suffix: str | None = None
    """The text after the hole: the prompt is then infilled, and taken literally."""
    file_path: str | None = None
    """The file that prompt and suffix are of; it leads the prompt as the comment training puts there."""
    extra: tuple[tuple[str, str], ...] = ()
    """Other files of the repository, (path, text), the most stable first; the path may be empty."""
    messages: tuple[Mapping[str, str], ...] = ()
    num_choices: int = 1
    max_tokens: int | None = None
    predict_s: float | None = None
    """Once an answer has a whole line, it ends so long after its first token."""
    echo: bool = False
    """An answer begins with its prompt."""
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    stop_ids: tuple[int, ...] = ()
    """Tokens that end an answer, beside the special ones."""
    min_tokens: int = 0
    """An answer has at least so many tokens: before, nothing stops it."""
    timeout_s: float | None = None
    """When the asker has no more use for an answer; never later than the endpoint's own limit."""
    rules: Rules | None = None
    """How an answer is made fit for an editor; None leaves it as the model wrote it."""
    anchored: bool = False
    """Put the hole at the start of the line, and force what is typed of the line after it."""
    language: str | None = None
    """Of the file, where its path does not say it."""
    repository: str | None = None
    """Whose index gives other files; see `recent` and `index`."""
    git_url: str | None = None
    """Where the file's repository comes from: its index is used if there is one, nothing is refused."""
    recent: tuple[str, ...] = ()
    """Paths opened lately, the last one first; they come into the context after declarations."""
    ignore_eos: bool = False
    """Go on to `max_tokens` whatever token comes; for measuring."""
    priority: int = 0
    """Lower comes first, as in vLLM."""
    user: str | None = None
    """Who asks: what one user asks goes to one replica where that can be."""
    keep_tokens: int | None = None
    """Cut a longer prompt to this many tokens, -1: to what fits; None: a longer one is refused."""


@dataclass(frozen=True)
class ShownLogprob:
    """A token as shown to the user, with its log probability and the alternatives."""

    token: str
    logprob: float | None
    """None for a first token, before which nothing is."""
    top: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Source:
    """Where text of an answer stands in the training corpus, word for word."""

    repository: str
    revision: str
    licence: str
    path: str
    num_words: int
    """Words and signs in a row that are the same; the least that is sure."""
    start: int
    """Of the text in the answer, in characters, and `end`."""
    end: int
    num_repositories: int = 1
    """Repositories of the corpus that have the same text."""


@dataclass(frozen=True)
class Piece:
    """The next part of one choice."""

    index: int
    text: str
    num_tokens: int
    finish_reason: str | None = None
    logprobs: tuple[ShownLogprob, ...] = ()
    num_prompt: int = 0
    num_cached: int = 0
    stopping_word: str = ""
    """The stop text that ended the choice, where one did."""
    queued_s: float = 0.0
    """How long the request waited before any of it was computed."""
    sources: tuple[Source, ...] = ()
    """Told with a choice's last piece."""
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """An error on its way to the client."""

    message: str
    status: int
    param: str | None = None
    code: str | None = None
    retry_after_s: float | None = None

    @staticmethod
    def of(error: RequestError) -> Refusal:
        """Return the error as a value."""
        return Refusal(str(error), error.status, error.param, error.code, error.retry_after_s)

    def error(self) -> RequestError:
        """Return the value as an error."""
        return RequestError(
            self.message,
            status=self.status,
            param=self.param,
            code=self.code,
            retry_after_s=self.retry_after_s,
        )


@dataclass(frozen=True)
class ModelCard:
    """What `/v1/models` says of a model."""

    name: str
    kind: Kind
    label: str
    """The artifact that answers now, `name@version`."""
    created_s: int
    context: int
    """Tokens of prompt and answer together."""
    fim: bool
    lineage: Mapping[str, Any] = field(default_factory=dict)
    """A summary; the whole of it is at `/lineage`."""


class Backend(Protocol):
    """What the front needs of whatever answers: engines in this process, or handles to replicas."""

    async def cards(self) -> Sequence[ModelCard]:
        """Return the models there are, the default one of each kind first."""

    def generate(self, model: str, generation: Generation) -> AsyncGenerator[Piece | Refusal, None]:
        """Answer; a `Refusal` is the last item. Closing the iterator aborts."""

    async def loads(self) -> Mapping[str, Sequence[EngineStats]]:
        """Return what the engines of each model's replicas are doing and have done."""

    async def lineage(self, model: str) -> Mapping[str, Any]:
        """Return what a model was made from."""

    async def repositories(self, model: str) -> Sequence[str]:
        """Return the repositories whose index can give context."""

    async def context(
        self, model: str, generation: Generation
    ) -> Sequence[tuple[str, str]] | Refusal:
        """Return the other files, (path, text), that a request would be given."""

    async def encode(self, model: str, text: str, *, add_bos: bool, special: bool) -> Sequence[int]:
        """Return a text's token ids; `special`: a special token written in it is meant."""

    async def decode(self, model: str, tokens: Sequence[int]) -> str | Refusal:
        """Return the text of token ids, special tokens as they are written."""
