"""The `model` section: one dial, the size; the rest derived. Sizes are the paper's Table 2 and small ones."""

from typing import Any, Self

from pydantic import Field, model_validator

from gristmill.section import Section


class Shape(Section):
    """A Llama decoder's shape, in Hugging Face's terms. The vocabulary comes from the tokenizer."""

    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    tie_embeddings: bool = False
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.hidden_size % self.num_heads or self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} must divide by num_heads {self.num_heads}, "
                f"and num_heads by num_kv_heads {self.num_kv_heads}"
            )
        return self

    @property
    def head_size(self) -> int:
        """Channels of one attention head."""
        return self.hidden_size // self.num_heads

    def num_parameters(self, vocab_rows: int) -> int:
        """Return the number of weights, embeddings included."""
        kv = self.num_kv_heads * self.head_size
        block = (
            self.hidden_size * (2 * self.hidden_size + 2 * kv)
            + 3 * self.hidden_size * self.intermediate_size
            + 2 * self.hidden_size
        )
        embeddings = vocab_rows * self.hidden_size * (1 if self.tie_embeddings else 2)
        return self.num_layers * block + embeddings + self.hidden_size


def _shape(hidden: int, inner: int, layers: int, heads: int, kv: int, tied: bool = False) -> Shape:
    return Shape(
        hidden_size=hidden, intermediate_size=inner, num_layers=layers, num_heads=heads,
        num_kv_heads=kv, tie_embeddings=tied,
    )  # fmt: skip


SIZES: dict[str, Shape] = {
    "tiny": _shape(64, 176, 2, 4, 2, True),
    "mini": _shape(192, 512, 6, 6, 2, True),
    "35m": _shape(512, 1376, 8, 8, 8, True),
    "135m": _shape(768, 2048, 14, 12, 12),
    "1.3b": _shape(2048, 5504, 24, 16, 16),
    "5.7b": _shape(4096, 11008, 32, 32, 1),
    "6.7b": _shape(4096, 11008, 32, 32, 32),
    "33b": _shape(7168, 19200, 62, 56, 8),
}


class ModelSection(Section):
    """The decoder: a named size, or a shape spelled out."""

    size: str = "mini"
    shape: Shape | None = Field(None)
    initializer_std: float = 0.006
    """DeepSeek-LLM's; the Coder paper states none."""
    mup_base_width: int | None = Field(None, ge=1)
    """Width that learning rate and initializer_std were tuned at; wider models take theirs from it by
    muP (`training.mup`). None takes both as they are."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.shape is None and self.size not in SIZES:
            raise ValueError(f"model size '{self.size}' is unknown; sizes are {', '.join(SIZES)}")
        if self.mup_base_width is not None and self.resolved().tie_embeddings:
            raise ValueError(
                "model.mup_base_width needs a head of its own, and the shape ties it to the "
                "embeddings; set shape.tie_embeddings to false"
            )
        return self

    def resolved(self) -> Shape:
        """Return the shape the dial stands for."""
        return self.shape if self.shape is not None else SIZES[self.size]

    def identity(self) -> dict[str, Any]:
        """Identify by the shape: a size and the same shape spelled out are one model."""
        values = {"shape": self.resolved().identity(), "initializer_std": self.initializer_std}
        return values if self.mup_base_width is None else {**values, "mup": self.mup_base_width}
