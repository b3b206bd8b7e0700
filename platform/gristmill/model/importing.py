"""Taking in a model from elsewhere: a Hugging Face Llama folder or a GGUF file.

`Source` reads either through one interface: config, weights by our names, tokenizer. `import_model`
writes what it reads as a model folder of ours: fp32 (or another) safetensors, and a tokenizer to which
the reserved tokens it lacked are added behind its own ids. The embedding and the head grow with them:
a new row is the mean of the rows there were, so a new token's logit is the mean of the others' and is
never the greedy choice until something is learned about it. No known token's logit changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gristmill.errors import ModelError
from gristmill.model.folder import (
    read_config,
    read_weights,
    save_companions,
    save_weights,
    saved_name,
)
from gristmill.model.gguf import SUFFIX, GgufFile
from gristmill.model.gguf_tokenizer import tokenizer_json
from gristmill.model.llama import LlamaConfig
from gristmill.tokens import bpe
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.tokens.tokenizer_folder import CONFIG_FILE, TOKENIZER_FILE

ROWS = ("embed_tokens.weight", "lm_head.weight")
"""The weights that have a row for each token."""


@dataclass(frozen=True)
class Source:
    """A model where it lies."""

    path: Path
    """A Hugging Face folder, or a `.gguf` file."""

    @cached_property
    def gguf(self) -> GgufFile | None:
        """The GGUF file, where it is one."""
        return GgufFile(self.path) if self.path.suffix == SUFFIX else None

    @property
    def config(self) -> LlamaConfig:
        """What the model computes. Raises ModelError when our decoder cannot."""
        return read_config(self.path) if self.gguf is None else self.gguf.config

    def weights(self, dtype: torch.dtype, rows: int | None = None) -> Iterator[tuple[str, Tensor]]:
        """Yield the weights, one in memory at a time, the token tables grown to `rows`.

        Raises ModelError.
        """
        found = read_weights(self.path, dtype) if self.gguf is None else self.gguf.weights(dtype)
        for name, weight in found:
            yield name, grown(weight, rows) if rows and name in ROWS else weight

    def tokenizer(self) -> Tokenizer:
        """Return its tokenizer with the reserved tokens. Raises ModelError."""
        if self.gguf is not None:
            return bpe.adopt(tokenizer_json(self.gguf), str(self.path))
        path = self.path / TOKENIZER_FILE
        if not path.is_file():
            raise ModelError(f"model folder {self.path} has no {TOKENIZER_FILE}; copy it whole")
        return bpe.adopt(path.read_text(encoding="utf-8"), str(path))

    def ends(self) -> list[int]:
        """Return the ids that end a generation, by the model's own word; empty where it says none."""
        if self.gguf is not None:
            keys = ("tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id")
            return list(
                dict.fromkeys(self.gguf.values[key] for key in keys if key in self.gguf.values)
            )
        values: dict[str, Any] = {}
        for name in ("config.json", "generation_config.json"):
            if (self.path / name).is_file():
                values |= json.loads((self.path / name).read_text(encoding="utf-8"))
        found = values.get("eos_token_id")
        return [] if found is None else [found] if isinstance(found, int) else list(found)

    def chat_template(self) -> str | None:
        """Return its own chat template, where it has one."""
        if self.gguf is not None:
            found = self.gguf.values.get("tokenizer.chat_template")
            return found if isinstance(found, str) else None
        alone = self.path / "chat_template.jinja"
        if alone.is_file():
            return alone.read_text(encoding="utf-8")
        config = self.path / CONFIG_FILE
        values = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
        template = values.get("chat_template")
        return template if isinstance(template, str) else None


def import_model(source: Path, folder: Path, *, dtype: torch.dtype = torch.float32) -> Path:
    """Write the model at `source` (Hugging Face folder or `.gguf`) as a model folder; return `folder`.

    Memory: about its largest weight and one shard of the output. Raises ModelError.
    """
    origin = Source(source)
    tokenizer = origin.tokenizer()
    rows = max(origin.config.vocab_rows, tokenizer.vocab_rows)
    config = replace(origin.config, vocab_rows=rows)
    tied = config.shape.tie_embeddings
    named = (
        (saved_name(name), weight)
        for name, weight in origin.weights(dtype, rows)
        if not (tied and name == "lm_head.weight")
    )
    save_weights(folder, config, named, dtype, max_shard_bytes=2_000_000_000)
    tokenizer.save(folder, config.max_position)
    if template := origin.chat_template():
        path = folder / CONFIG_FILE
        values = json.loads(path.read_text(encoding="utf-8")) | {"chat_template": template}
        path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    special = tokenizer.special
    ends = list(dict.fromkeys([*origin.ends(), special.eos]))
    save_companions(folder, None, bos=special.bos, eos=ends, pad=special.pad)
    return folder


def grown(weight: Tensor, rows: int) -> Tensor:
    """Return a token table with at least `rows` rows; new ones are the mean of those there were."""
    more = rows - len(weight)
    if more <= 0:
        return weight
    mean = weight.float().mean(0, keepdim=True).to(weight.dtype)
    return torch.cat((weight, mean.expand(more, -1)))
