r"""Encoding by remembered words: the same ids as the tokenizer's own, an order of magnitude sooner.

The split sequence, DeepSeek-Coder's (section 3.2), runs six expressions over every character (1 MB/s
a core). But each split only asks what class a character is of, so the words' starts can be found with
array operations over the classes of all characters of many texts at once, and the ids of words seen
before are looked up together (`word_table`). A word not seen before is encoded once by the tokenizer.
Only a tokenizer with exactly that split sequence is served (`WordEncoder.of`).

Why classes are enough: the splits claim newlines, then letters and punctuation, each with at most one
whitespace before; a character belongs to one class, and a whitespace goes to the letter or punctuation
it stands before; what no split claims stays together. The fourth split then cuts every word where its
range begins or ends, and digits are cut apart. Texts with a character whose class this Python does not know, or with a zero
byte, go through the tokenizer itself.
"""

import json
import sys
import threading
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, pre_tokenizers
from tokenizers.pre_tokenizers import PreTokenizer

from gristmill.tokens.word_table import MAX_BYTES, Keys, WordTable, joined_keys, keys_of

SPLITS = (
    r"[\r\n]",
    r"\s?\p{L}+",
    r"\s?\p{P}+",
    "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+",
)
"""Isolated one after the other, then digits one by one; as in the released tokenizer."""

MAX_WORDS = 2_000_000
"""Words remembered before the memory is emptied; about 300 MB."""
MAX_REMEMBERED_BYTES = 128
"""Longer words are not remembered."""
CHUNK_CHARS = 1 << 21
"""Characters that are taken at once."""

_ONE_AT_A_TIME = threading.Lock()
"""The memory of words is written while it is read from; of the module, so that encoders can be pickled."""
_OTHER, _LETTER, _PUNCTUATION, _NEWLINE, _DIGIT, _SPACE, _UNKNOWN = range(7)
_IN_RANGE = 8
"""Set beside the class of a character of the fourth split's range."""
_RANGES = ((0x4E00, 0x9FA5), (0x0800, 0x4E00), (0xAC00, 0xD7FF))
_SPACES = "\t\x0b\x0c \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)

_CLASS_OF = {"L": _LETTER, "P": _PUNCTUATION, "N": _DIGIT}


def pre_tokenizer() -> PreTokenizer:
    """Return what splits text into words before merging."""
    return pre_tokenizers.Sequence(
        [
            *(pre_tokenizers.Split(Regex(split), "isolated") for split in SPLITS),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def class_of(character: str) -> int:
    """Return what the split sequence takes a character for."""
    category = unicodedata.category(character)
    found = _OTHER
    if character in "\r\n":
        found = _NEWLINE
    elif character in _SPACES:
        found = _SPACE
    elif category == "Cn" or character == "\0":
        found = _UNKNOWN
    elif category[0] in _CLASS_OF:
        found = _CLASS_OF[category[0]]
    in_range = any(first <= ord(character) <= last for first, last in _RANGES)
    return found | _IN_RANGE if in_range else found


@lru_cache(maxsize=1)
def _classes() -> NDArray[np.uint8]:
    """Return the class of each code point (0.3 s, once a process)."""
    return np.array([class_of(chr(code)) for code in range(sys.maxunicode + 1)], np.uint8)


@lru_cache(maxsize=1)
def _ascii_classes() -> NDArray[np.uint8]:
    return np.array([class_of(chr(code)) for code in range(128)], np.uint8)


def word_starts(classes: NDArray[np.uint8], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where words start in texts laid one behind the other.

    `classes` are those of the characters; `ends` is where each text ends. None may be empty.
    """
    in_range = classes & _IN_RANGE
    run = classes & (_IN_RANGE - 1)
    following = np.empty_like(run)
    following[:-1] = run[1:]
    following[ends - 1] = _NEWLINE  # a text's end: nothing to stand before
    space = run == _SPACE
    leads = space & ((following == _LETTER) | (following == _PUNCTUATION))
    run = np.where(leads, following, run)
    run[space & ~leads] = _OTHER
    starts = leads | (run == _NEWLINE) | (run == _DIGIT)
    starts[1:] |= (run[1:] != run[:-1]) | (in_range[1:] != in_range[:-1])
    starts[0] = True
    starts[ends[:-1]] = True
    return np.flatnonzero(starts)


def words_of(text: str) -> list[str]:
    """Return the words that the split sequence makes of a text; joined they are it."""
    if not text:
        return []
    classes = _classes()[np.frombuffer(text.encode("utf-32-le"), "<u4")]
    if (classes & _UNKNOWN == _UNKNOWN).any():
        places = [first for _, (first, _) in pre_tokenizer().pre_tokenize_str(text)]
    else:
        places = word_starts(classes, np.array([len(text)])).tolist()
    return [text[start:end] for start, end in pairwise([*places, len(text)])]


class WordEncoder:
    """Encodes texts by their words; `encode` must be the tokenizer's own."""

    def __init__(
        self, encode: Callable[[str], list[int]], encode_word: Callable[[str], list[int]] | None
    ) -> None:
        """`encode_word` is a faster `encode` for a text that is one word, where there is one."""
        self._encode = encode
        self._encode_word = encode_word or encode
        self._forget()

    def _forget(self) -> None:
        self._table = WordTable()
        self._entry_of: dict[bytes, int] = {}

    @staticmethod
    def of(
        values: dict[str, Any],
        encode: Callable[[str], list[int]],
        encode_word: Callable[[str], list[int]] | None = None,
    ) -> "WordEncoder | None":
        """Return an encoder for a `tokenizer.json`, or None when its words are not ours."""
        same = (
            values.get("pre_tokenizer") == json.loads(pre_tokenizer().__getstate__())
            and values.get("normalizer") is None
            and not values["model"].get("ignore_merges")
        )
        return WordEncoder(encode, encode_word) if same else None

    def encode(self, text: str) -> list[int]:
        """Return the ids of text."""
        ids: list[int] = self.encode_batch([text])[0].tolist()
        return ids

    def encode_batch(self, texts: Sequence[str]) -> list[NDArray[np.uint32]]:
        """Return the ids of each text; one thread at a time."""
        with _ONE_AT_A_TIME:
            return self._batch(texts)

    def _batch(self, texts: Sequence[str]) -> list[NDArray[np.uint32]]:
        found: list[NDArray[np.uint32]] = [np.zeros(0, np.uint32)] * len(texts)
        plain: list[int] = []
        wide: list[int] = []
        for number, text in enumerate(texts):
            if text:
                (plain if text.isascii() and "\0" not in text else wide).append(number)
        for numbers, encode in ((plain, self._ascii), (wide, self._wide)):
            for chunk in _chunks(numbers, texts):
                if self._table.num_entries > MAX_WORDS:
                    self._forget()
                for number, ids in zip(chunk, encode([texts[n] for n in chunk]), strict=True):
                    found[number] = ids
        return found

    def _ascii(self, texts: Sequence[str]) -> list[NDArray[np.uint32]]:
        data = "".join(texts).encode()
        codes = np.frombuffer(data, np.uint8)
        ends = np.cumsum([len(text) for text in texts])
        starts = word_starts(_ascii_classes()[codes], ends)
        return self._parted(self._entries(data, starts), starts, ends)

    def _wide(self, texts: Sequence[str]) -> list[NDArray[np.uint32]]:
        joined = "".join(texts)
        codes = np.frombuffer(joined.encode("utf-32-le"), "<u4")
        classes = _classes()[codes]
        if (classes & _UNKNOWN == _UNKNOWN).any():
            if len(texts) == 1:
                return [np.array(self._encode(texts[0]), np.uint32)]
            return [ids for text in texts for ids in self._wide([text])]
        ends = np.cumsum([len(text) for text in texts])
        starts = word_starts(classes, ends)
        sizes = 1 + (codes >= 0x80) + (codes >= 0x800).astype(np.int64) + (codes >= 0x10000)
        begins = np.concatenate([[0], np.cumsum(sizes)])
        return self._parted(self._entries(joined.encode(), begins[starts]), starts, ends)

    def _entries(self, data: bytes, starts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the entry of each word of UTF-8 text, new ones added."""
        lengths = np.diff(starts, append=len(data))
        padded = np.frombuffer(data + bytes(MAX_BYTES), np.uint8)
        is_short = lengths <= MAX_BYTES
        short = np.flatnonzero(is_short)
        keys = keys_of(padded, starts[short], lengths[short])
        found = self._table.find(keys)
        missing = np.flatnonzero(found < 0)
        if len(missing):
            new, at = (keys[0][missing], keys[1][missing]), short[missing]
            found[missing] = self._added(new, data, starts[at], lengths[at])
        entries = np.empty(len(starts), np.int64)
        entries[short] = found
        long = np.flatnonzero(~is_short)
        entries[long] = self._long(data, starts[long], lengths[long])
        return entries

    def _added(
        self, keys: Keys, data: bytes, starts: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Encode words that are not in the table, each once, and return their entries."""
        _, first, back = np.unique(joined_keys(keys), return_index=True, return_inverse=True)
        new = keys[0][first], keys[1][first]
        places = zip(starts[first].tolist(), lengths[first].tolist(), strict=True)
        words = [data[at : at + size].decode() for at, size in places]
        entries = np.array([self._table.add_entry(self._encode_word(word)) for word in words])
        self._table.put(new, entries)
        found = entries[back]
        taken_for_another = np.flatnonzero((new[0][back] != keys[0]) | (new[1][back] != keys[1]))
        if len(taken_for_another):
            found[taken_for_another] = self._long(
                data, starts[taken_for_another], lengths[taken_for_another]
            )
        return found

    def _long(
        self, data: bytes, starts: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the entries of words by their bytes, one after the other."""
        entries = np.empty(len(starts), np.int64)
        for number, (at, size) in enumerate(zip(starts.tolist(), lengths.tolist(), strict=True)):
            word = data[at : at + size]
            entry = self._entry_of.get(word)
            if entry is None:
                entry = self._table.add_entry(self._encode_word(word.decode()))
                if size <= MAX_REMEMBERED_BYTES:
                    self._entry_of[word] = entry
            entries[number] = entry
        return entries

    def _parted(
        self, entries: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> list[NDArray[np.uint32]]:
        ids, begins = self._table.ids_of(entries)
        places = begins[np.searchsorted(starts, ends)]
        return np.split(ids, places[:-1])


def _chunks(numbers: Sequence[int], texts: Sequence[str]) -> list[list[int]]:
    """Return the numbers in runs whose texts hold about `CHUNK_CHARS` characters."""
    chunks: list[list[int]] = []
    held = CHUNK_CHARS
    for number in numbers:
        if held >= CHUNK_CHARS:
            chunks.append([])
            held = 0
        chunks[-1].append(number)
        held += len(texts[number])
    return chunks
