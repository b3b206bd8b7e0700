"""Text to ids and back: byte-level BPE in a Hugging Face folder.

Two laws. Any text round-trips exactly: decode(encode(text)) == text. Text never becomes a special
token: `encode` uses a copy of the tokenizer that knows none, so a literal `<|EOT|>` in a file is
plain bytes; special tokens are inserted as ids by those who lay sequences out (fim, pieces, chat).
Training a tokenizer is `bpe`'s business.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import tokenizers
from numpy.typing import NDArray

from gristmill.errors import ModelError
from gristmill.storage import Storage
from gristmill.tokens.special import SPECIAL, SpecialTokens
from gristmill.tokens.tokenizer_folder import CONFIG_FILE, TOKENIZER_FILE, config_values
from gristmill.tokens.words import WordEncoder


class Tokenizer:
    """A byte-level BPE tokenizer with the reserved tokens of `special.SPECIAL`."""

    def __init__(self, text: str, origin: str = "tokenizer", *, fast: bool = True) -> None:
        """Build from the text of a `tokenizer.json`. Raises ModelError.

        `fast` encodes by remembered words where the tokenizer's words are ours (`words`).
        """
        self.text = text
        try:
            values = json.loads(text)
            self._full = tokenizers.Tokenizer.from_str(text)
            values.update(added_tokens=[], post_processor=None, truncation=None, padding=None)
            self._plain = tokenizers.Tokenizer.from_str(json.dumps(values))
        except Exception as error:  # tokenizers raises bare Exception for a file it cannot read
            raise ModelError(f"{origin} is no tokenizer.json that can be read: {error}") from error
        self._full.no_truncation()
        self._full.no_padding()
        special = SpecialTokens.find(self._full.token_to_id)
        if special is None:
            missing = [s for s in SPECIAL.values() if self._full.token_to_id(s) is None]
            raise ModelError(
                f"{origin} lacks the reserved tokens {', '.join(map(ascii, missing))}; "
                "take it in through tokenizer.from_model, which adds them"
            )
        self.special = special
        self._words = WordEncoder.of(values, self._encode, self._encode_word) if fast else None

    @staticmethod
    def load(folder: Path | Storage) -> Tokenizer:
        """Read the tokenizer of a folder (an artifact's or a model's). Raises ModelError, StoreError."""
        storage = folder if isinstance(folder, Storage) else Storage.open(str(folder))
        where = f"{storage.url}/{TOKENIZER_FILE}"
        if not storage.exists(TOKENIZER_FILE):
            raise ModelError(f"no {where}; a tokenizer or model folder has one")
        return Tokenizer(storage.read_bytes(TOKENIZER_FILE).decode(), where)

    def save(self, folder: Path | Storage, max_position: int = 16384) -> None:
        """Write `tokenizer.json` and `tokenizer_config.json`. Raises StoreError."""
        storage = folder if isinstance(folder, Storage) else Storage.open(str(folder))
        storage.write_bytes(TOKENIZER_FILE, self.text.encode())
        config = json.dumps(config_values(max_position), indent=1)
        storage.write_bytes(CONFIG_FILE, config.encode())

    @property
    def num_tokens(self) -> int:
        """How many ids there are, special ones included."""
        return int(self._full.get_vocab_size(with_added_tokens=True))

    @cached_property
    def vocab_rows(self) -> int:
        """Rows of the embedding: every id, rounded up to a multiple of 64."""
        highest = max(self._full.get_vocab(with_added_tokens=True).values())
        return -(-(highest + 1) // 64) * 64

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `tokenizer.json`."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def encode(self, text: str) -> list[int]:
        """Return the ids of plain text; special strings in it stay text, nothing is added."""
        return self._words.encode(text) if self._words else self._encode(text)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return `encode` of each text."""
        return [ids.tolist() for ids in self.encode_arrays(texts)]

    def encode_arrays(self, texts: Sequence[str]) -> list[NDArray[np.uint32]]:
        """Return `encode` of each text as an array; a foreign tokenizer's on all the process's threads."""
        if self._words:
            return self._words.encode_batch(texts)
        found = self._plain.encode_batch_fast(list(texts), add_special_tokens=False)
        return [np.array(item.ids, np.uint32) for item in found]

    @property
    def is_fast(self) -> bool:
        """Whether texts are encoded by remembered words."""
        return self._words is not None

    def agrees_on(self, texts: Sequence[str]) -> bool:
        """Say whether `encode` gives the ids of Hugging Face's tokenizer for each text."""
        return all(
            ids.tolist() == self._encode(text)
            for ids, text in zip(self.encode_arrays(texts), texts, strict=True)
        )

    def encode_with_special(self, text: str) -> list[int]:
        """Return the ids of text whose special strings are meant as special tokens; adds no bos."""
        ids: list[int] = self._full.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: Sequence[int], skip_special: bool = True) -> str:
        """Return the text of ids; bytes that are no UTF-8 become U+FFFD."""
        text: str = self._full.decode(list(ids), skip_special_tokens=skip_special)
        return text

    def token_bytes(self, token: int) -> bytes:
        """Return the bytes a token stands for; a special token's string in UTF-8. Raises IndexError."""
        text = self._full.id_to_token(token)
        if text is None:
            raise IndexError(f"token {token} is not in the vocabulary of {self.num_tokens}")
        if token in self._added:
            return str(text).encode()
        return bytes(_BYTE_OF[character] for character in text)

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._plain.encode(text, add_special_tokens=False).ids
        return ids

    def _encode_word(self, word: str) -> list[int]:
        """Return `_encode` of a text that is one word."""
        mapped = "".join([_CHARACTER_OF[byte] for byte in word.encode()])
        return [token.id for token in self._plain.model.tokenize(mapped)]

    @cached_property
    def token_sizes(self) -> NDArray[np.int64]:
        """Return the number of bytes of every id; an exact text's tokens add up to its bytes."""
        sizes = np.zeros(self.vocab_rows, np.int64)
        for token in self._full.get_vocab(with_added_tokens=True).values():
            sizes[token] = len(self.token_bytes(token))
        return sizes

    @cached_property
    def _added(self) -> frozenset[int]:
        return frozenset(self._full.get_added_tokens_decoder())


def _byte_map() -> dict[str, int]:
    """Return GPT-2's character for each byte, inverted: printable bytes stand for themselves."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    direct = {chr(byte): byte for byte in printable}
    return direct | {chr(256 + place): byte for place, byte in enumerate(others)}


_BYTE_OF = _byte_map()
_CHARACTER_OF = {byte: character for character, byte in _BYTE_OF.items()}
