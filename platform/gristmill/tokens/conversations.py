"""Instruction sets: Alpaca records or messages in JSON, bundled by name or read from files.

A record is one of

    {"instruction": ..., "input": ..., "output": ...}      Alpaca; `input` may be missing or empty
    {"prompt": ..., "completion": ...}
    {"messages": [{"role": "user", "content": ...}, {"role": "assistant", "content": ...}, ...]}

in a JSON array or JSON lines, plain or gzip. Each becomes a conversation: messages that take turns. An
`input` follows its instruction after a newline, since the paper's template has no place for it.
"""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

from gristmill.errors import RecipeError, RequestError, StoreError
from gristmill.storage import Storage
from gristmill.tokens.chat import check_messages

Conversation = list[dict[str, str]]

BUNDLED = ("octopack-oasst", "alpaca-seed", "mbpp-train")
"""Names of the sets that come with the library; see `data/PROVENANCE.md`."""


def read_set(name: str) -> list[Conversation]:
    """Return the conversations of a bundled set or of a file (path or URL). Raises RecipeError."""
    if name in BUNDLED:
        data = resources.files("gristmill.tokens").joinpath("data", f"{name}.jsonl.gz").read_bytes()
    else:
        data = _read_file(name)
    try:
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise RecipeError(
            f"instruction set {name} is no text: {error}; give JSON or JSON lines in UTF-8"
        ) from error
    return [conversation_of(record, where) for where, record in _records(name, text)]


def conversation_of(record: Any, where: str) -> Conversation:
    """Return a record as messages, the last one an answer. Raises RecipeError naming `where`."""
    if not isinstance(record, dict):
        raise RecipeError(f"{where} is {type(record).__name__}; a record is a JSON object")
    if "messages" in record:
        return _messages(record["messages"], where)
    for question, answer in (("instruction", "output"), ("prompt", "completion")):
        if question in record and answer in record:
            values = (record[question], record.get("input") or "", record[answer])
            if not all(isinstance(value, str) for value in values):
                raise RecipeError(f"{where}: '{question}', 'input' and '{answer}' must be strings")
            asked = values[0] + ("\n" + values[1] if values[1] else "")
            return [
                {"role": "user", "content": asked},
                {"role": "assistant", "content": values[2]},
            ]
    raise RecipeError(
        f"{where} has keys {', '.join(map(str, record)) or 'none'}; wanted are "
        "instruction and output (input may be added), prompt and completion, or messages"
    )


def _messages(messages: Any, where: str) -> Conversation:
    if not isinstance(messages, list) or not all(isinstance(item, Mapping) for item in messages):
        raise RecipeError(f"{where}: 'messages' must be a list of objects with role and content")
    try:
        check_messages(messages)
    except RequestError as error:
        raise RecipeError(f"{where}: {error}") from error
    if messages[-1]["role"] != "assistant":
        raise RecipeError(
            f"{where}: the last message must be the assistant's, it is what is learned"
        )
    return [{"role": item["role"], "content": item["content"]} for item in messages]


def _read_file(name: str) -> bytes:
    folder, _, base = name.rpartition("/")
    try:
        return Storage.open(folder or ".").read_bytes(base)
    except StoreError as error:
        raise RecipeError(
            f"instruction set '{name}' is neither a bundled set ({', '.join(BUNDLED)}) "
            f"nor a file that can be read: {error}"
        ) from error


def _records(name: str, text: str) -> Iterator[tuple[str, Any]]:
    if text.lstrip().startswith("["):
        try:
            values: Sequence[Any] = json.loads(text)
        except json.JSONDecodeError as error:
            raise RecipeError(f"instruction set {name} is no JSON: {error}") from error
        yield from ((f"{name} record {number}", value) for number, value in enumerate(values, 1))
        return
    for number, line in enumerate(text.split("\n"), 1):  # U+2028 and the like may be in a string
        if line.strip():
            try:
                yield f"{name} line {number}", json.loads(line)
            except json.JSONDecodeError as error:
                raise RecipeError(f"{name} line {number} is no JSON: {error}") from error
