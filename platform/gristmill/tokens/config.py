"""The `tokenizer` and `tokens` sections of a recipe."""

from typing import Literal

from pydantic import Field

from gristmill.section import Section, context


class TokenizerSection(Section):
    """Byte-level BPE (section 3.2): digits single, newline alone, the full 256-byte alphabet."""

    vocab_size: int = Field(32000, ge=300)
    """Learned tokens and byte alphabet, without the reserved special tokens."""
    sample_bytes: int = 1_000_000_000
    """Text of the train split the merges are learned from, spread over all documents."""
    from_model: str | None = context(None)
    """Take the tokenizer of this Hugging Face folder instead of training one."""


class Fim(Section):
    """Fill-in-the-middle, per file, before packing, on characters (section 3.1)."""

    rate: float = Field(0.5, ge=0, le=1)
    mode: Literal["psm", "msp"] = "psm"
    spm_share: float = Field(0.0, ge=0, le=1)
    """Share of the transformed files laid out suffix first."""


class TokensSection(Section):
    """Packed sequences made from documents."""

    sequence_length: int = Field(4096, ge=16)
    epochs: int = Field(1, ge=1)
    fim: Fim = Fim()
    rows_per_shard: int = context(8192)
    workers: int | None = context(None)
