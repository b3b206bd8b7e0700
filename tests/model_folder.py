"""A tiny random Llama with a tokenizer learned on the spot, in a Hugging Face folder: any test's model."""

from pathlib import Path

import torch

from gristmill.model.config import SIZES, Shape
from gristmill.model.folder import save_model
from gristmill.model.llama import Llama, LlamaConfig, initialize
from gristmill.tokens.bpe import train
from gristmill.tokens.tokenizer import Tokenizer

TEXT = '''def add(a, b):
    """Return the sum of two numbers."""
    return a + b


class Stack:
    def __init__(self):
        self.items = []

    def push(self, item):
        self.items.append(item)
'''


def tiny_tokenizer() -> Tokenizer:
    """Return a tokenizer of a few hundred tokens."""
    return train([TEXT] * 4, vocab_size=320)


def tiny_model(folder: Path, *, seed: int = 0, std: float = 0.2, max_position: int = 512) -> Path:
    """Write a random model of two layers with grouped heads, and its tokenizer, and return `folder`.

    With `std` 0.2 the next token is a clear choice, so that greedy answers can be compared.
    """
    tokenizer = tiny_tokenizer()
    shape = Shape(hidden_size=64, intermediate_size=128, num_layers=2, num_heads=4, num_kv_heads=2)
    model = Llama(LlamaConfig(shape, tokenizer.vocab_rows, max_position, 10000.0))
    initialize(model, std, seed)
    with torch.no_grad():  # rows that no token has are never the choice, whoever computes
        model.embed_tokens.weight[tokenizer.num_tokens :] = 0
        model.lm_head.weight[tokenizer.num_tokens :] = 0
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(folder, max_position)
    special = tokenizer.special
    save_model(folder, model, None, bos=special.bos, eos=special.eos, pad=special.pad)
    return folder


def sized_model(folder: Path, size: str, *, seed: int = 1, max_position: int = 2048) -> Path:
    """Write a random model of a named size, with the tiny one's tokenizer, and return `folder`."""
    tokenizer = tiny_tokenizer()
    model = Llama(LlamaConfig(SIZES[size], tokenizer.vocab_rows, max_position, 10000.0))
    initialize(model, 0.05, seed)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(folder, max_position)
    special = tokenizer.special
    save_model(folder, model, None, bos=special.bos, eos=special.eos, pad=special.pad)
    return folder
