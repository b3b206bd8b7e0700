"""The `tokenizer` and `tokens` sections of a recipe."""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from gristmill.corpus.config import Domain
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
    """Share of the transformed files laid out suffix first; 0.5 is PSM and SPM trained jointly."""
    spm_form: Literal["joint", "plain"] = "joint"
    """Suffix first as trained jointly with PSM (prefix and middle run on), or each part after its
    own sentinel."""
    line_share: float = Field(0.0, ge=0, le=1)
    """Share of the transformed files whose hole is a run of whole lines."""
    syntax_share: float = Field(0.0, ge=0, le=1)
    """Share of the transformed files whose hole is one syntax node; the rest is cut at characters."""
    files: Literal["each", "last"] = "each"
    """`each` decides for every file, as the paper; `last` only for the last file of a document of
    several, after the others, with `repo_name` and `file_sep` tokens between them."""

    @property
    def prompt(self) -> Literal["psm", "spm", "spm_plain"]:
        """The layout that a model trained so is best asked in; masked spans answer to `psm`."""
        if self.mode == "msp" or self.spm_share <= 0.5:
            return "psm"
        return "spm_plain" if self.spm_form == "plain" else "spm"

    @model_validator(mode="after")
    def _shares_fit(self) -> "Fim":
        if self.line_share + self.syntax_share > 1:
            raise ValueError(
                f"line_share {self.line_share} and syntax_share {self.syntax_share} are shares of "
                "one whole; together they must not pass 1"
            )
        if self.mode == "msp" and (self.spm_share or self.line_share or self.syntax_share):
            raise ValueError("mode msp has spans of its own; leave the shares at 0 with it")
        return self


class TokensSection(Section):
    """Packed sequences made from documents."""

    sequence_length: int = Field(4096, ge=16)
    epochs: int = Field(1, ge=1)
    fim: Fim = Fim()
    mixture: dict[Domain, Annotated[float, Field(gt=0)]] | None = None
    """Weight of each domain in what is trained on, by rows, e.g. the paper's
    `{code: 0.87, code_text: 0.10, text: 0.03}`; only their ratios count. Domains are packed apart, each
    goes through its own epochs, and one that is left out is not used. None mixes documents as the
    corpus has them."""
    rows_per_shard: int = context(8192, ge=1)
    workers: int | None = context(None, ge=1)
    """Tasks at a time; None takes the data pool's CPUs."""
