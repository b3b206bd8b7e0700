"""The `tokenizer` and `tokens` sections of a recipe."""

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from gristmill.section import Section, context


class TokenizerSection(Section):
    """Byte-level BPE (section 3.2): digits single, newline alone, the full 256-byte alphabet."""

    vocab_size: int = Field(32000, ge=300)
    """Learned tokens and byte alphabet, without the reserved special tokens."""
    sample_bytes: int = 1_000_000_000
    """Text of the train split the merges are learned from, spread over all documents."""
    from_model: str | None = None
    """Take the tokenizer of this Hugging Face folder instead of training one."""

    def identity(self) -> dict[str, Any]:
        """Identify an adopted tokenizer by its content where the folder can be read, else by its name."""
        if self.from_model is None:
            return super().identity()
        file = Path(self.from_model).expanduser() / "tokenizer.json"
        digest = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None
        return {"from_model": digest or self.from_model}


class Fim(Section):
    """Fill-in-the-middle, per file, before packing, on characters (section 3.1)."""

    rate: float = Field(0.5, ge=0, le=1)
    mode: Literal["psm", "msp"] = "psm"
    """`psm` is the paper's; `msp` masks spans as in T5, for the ablation of Figure 3."""
    spm_share: float = Field(0.0, ge=0, le=1)
    """Share of the transformed files laid out suffix first."""


class TokensSection(Section):
    """Packed sequences made from documents."""

    sequence_length: int = Field(4096, ge=16)
    epochs: int = Field(1, ge=1)
    fim: Fim = Fim()
    rows_per_shard: int = context(8192, ge=1)
    workers: int | None = context(None, ge=1)
    """Tasks at a time; None takes the data pool's CPUs."""
