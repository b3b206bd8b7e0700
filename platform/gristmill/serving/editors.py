"""Protocols of other completion products, on their own paths: Codestral's and Tabby's.

Codestral (`POST /v1/fim/completions`) asks like OpenAI's completions and is answered in the shape of a
chat. Tabby asks on OpenAI's own path with `segments`; its answer is OpenAI's with a few fields more.
DeepSeek's (`POST /beta/completions`) is OpenAI's to the letter and needs nothing here.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from gristmill import __version__
from gristmill.serving.answers import ChatAnswer, CompletionAnswer, frame
from gristmill.serving.exchange import Generation, ModelCard, Piece
from gristmill.serving.options import EditorOptions
from gristmill.serving.protocols import MAX_STOPS

TABBY_TEMPERATURE = 0.1


class CodestralBody(EditorOptions):
    """`POST /v1/fim/completions`."""

    model_config = ConfigDict(extra="ignore")
    neutral: ClassVar[dict[str, tuple[Any, ...]]] = {"n": (None, 1)}

    model: str | None = None
    prompt: str
    suffix: str | None = None
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=1.5)
    top_p: float | None = Field(None, gt=0, le=1)
    min_tokens: int | None = Field(None, ge=0)
    random_seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None

    n: ClassVar[int] = 1
    counts_usage: ClassVar[bool] = True

    @property
    def streams(self) -> bool:
        """Say whether the answer comes in pieces."""
        return bool(self.stream)

    def generation(self) -> Generation:
        """Return what is asked for."""
        stops = [self.stop] if isinstance(self.stop, str) else list(self.stop or ())
        return Generation(
            prompts=(self.prompt,),
            suffix=self.suffix or "",
            max_tokens=self.max_tokens,
            min_tokens=self.min_tokens or 0,
            temperature=0.7 if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            seed=self.random_seed,
            stop=tuple(text for text in stops[:MAX_STOPS] if text),
            **self.editing(rules=True),
        )


class CodestralAnswer(ChatAnswer):
    """A chat's shape; a stream's last chunk carries the usage and still has its choice."""

    def event(self, piece: Piece) -> str:
        """Take in a piece and return it as an event."""
        self.add(piece)
        chunk = self._chunk(piece)
        return frame({**chunk, "usage": self.usage()} if piece.finish_reason else chunk)

    def usage_event(self) -> str:
        """Return nothing: the last chunk told it."""
        return ""

    def _whole(self, index: int, choice: Any) -> dict[str, Any]:
        whole = super()._whole(index, choice)
        whole["message"]["content"] = choice.text  # a hole's text, to the last blank
        return whole


class Snippet(BaseModel):
    """A piece of another file that the editor found."""

    model_config = ConfigDict(extra="ignore")

    filepath: str = ""
    body: str = ""


class Segments(BaseModel):
    """Where the cursor is, and what is around it."""

    model_config = ConfigDict(extra="ignore")

    prefix: str
    suffix: str | None = None
    filepath: str | None = Field(None, max_length=400)
    git_url: str | None = None
    declarations: list[Snippet] | None = None
    relevant_snippets_from_changed_files: list[Snippet] | None = None
    relevant_snippets_from_recently_opened_files: list[Snippet] | None = None


class TabbyBody(EditorOptions):
    """`POST /v1/completions` with `segments`."""

    model_config = ConfigDict(extra="ignore")
    neutral: ClassVar[dict[str, tuple[Any, ...]]] = {"mode": (None, "standard")}

    segments: Segments
    user: str | None = None
    temperature: float | None = Field(None, ge=0)
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None

    model: ClassVar[None] = None
    n: ClassVar[int] = 1
    streams: ClassVar[bool] = False
    counts_usage: ClassVar[bool] = False

    def generation(self) -> Generation:
        """Return what is asked for: declarations lead, then changed files, then opened ones."""
        asked = self.segments
        snippets = [
            *(asked.declarations or ()),
            *(asked.relevant_snippets_from_changed_files or ()),
            *(asked.relevant_snippets_from_recently_opened_files or ()),
        ]
        return Generation(
            prompts=(asked.prefix,),
            suffix=asked.suffix or "\n",
            extra=tuple((snippet.filepath, snippet.body) for snippet in snippets),
            temperature=TABBY_TEMPERATURE if self.temperature is None else self.temperature,
            seed=self.seed,
            keep_tokens=-1,
            git_url=asked.git_url,
            user=self.user,
            **{**self.editing(rules=True), "file_path": asked.filepath or self.file_path},
        )


class TabbyAnswer(CompletionAnswer):
    """OpenAI's completion with what Tabby's clients look for beside."""

    def body(self) -> dict[str, Any]:
        """Return the whole answer."""
        return {**super().body(), "mode": "standard"}


class TabbyEvent(BaseModel):
    """`POST /v1/events`: a suggestion was shown, taken or dismissed. It holds no text."""

    model_config = ConfigDict(extra="ignore")
    neutral: ClassVar[dict[str, tuple[Any, ...]]] = {}

    type: Literal["view", "select", "dismiss"]
    completion_id: str
    choice_index: int


def tabby_health(card: ModelCard) -> dict[str, Any]:
    """Return the answer of `/v1/health`."""
    version = {
        "build_date": "",
        "build_timestamp": "",
        "git_sha": card.label,
        "git_describe": f"gristmill-{__version__}",
    }
    return {
        "model": card.name,
        "device": "cpu",
        "arch": "",
        "cpu_info": "",
        "cpu_count": 0,
        "cuda_devices": [],
        "version": version,
    }
