"""`/tokenize` and `/detokenize`, in llama.cpp's form (`content`) and in vLLM's (`prompt`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gristmill.serving.exchange import ModelCard


class TokenizeBody(BaseModel):
    """A text to encode."""

    model_config = ConfigDict(extra="ignore")
    neutral: ClassVar[dict[str, tuple[Any, ...]]] = {
        "with_pieces": (False, None),
        "return_token_strs": (False, None),
        "messages": (None,),
    }

    model: str | None = None
    content: str | None = None
    prompt: str | None = None
    add_special: bool = False
    """llama.cpp's: lead with bos."""
    add_special_tokens: bool = True
    """vLLM's."""
    parse_special: bool = True
    """A special token written in the text is meant."""

    @model_validator(mode="after")
    def _one(self) -> TokenizeBody:
        if (self.content is None) == (self.prompt is None):
            raise ValueError("send either content or prompt")
        return self

    @property
    def text(self) -> str:
        """Return the text, whichever name it came by."""
        return self.content if self.content is not None else self.prompt or ""

    @property
    def adds_bos(self) -> bool:
        """Say whether bos leads."""
        return self.add_special if self.content is not None else self.add_special_tokens

    def answer(self, ids: Sequence[int], card: ModelCard) -> dict[str, Any]:
        """Return the answer in the form that was asked in."""
        if self.content is not None:
            return {"tokens": list(ids)}
        return {"count": len(ids), "max_model_len": card.context, "tokens": list(ids)}


class DetokenizeBody(BaseModel):
    """Token ids to decode."""

    model_config = ConfigDict(extra="ignore")

    model: str | None = None
    tokens: list[Annotated[int, Field(strict=True)]]
