"""Writing a safetensors file one tensor at a time, so that no more than one is in memory.

The format (a length, a JSON header with names, types, shapes and places, then the bytes) puts the header
first, and it is known last: room is kept for it and filled with spaces, as the format allows. Reading is
safetensors' own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO

import torch
from torch import Tensor

TYPES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
_ENTRY_BYTES = 160
"""The most that a header says of a tensor beside its name: type, up to four sizes, two places."""


class TensorFile:
    """A safetensors file that grows; use it as a context. Without a clean end there is no file."""

    def __init__(self, path: Path, names: Iterable[str]) -> None:
        """Begin a file for some of `names`."""
        self.path = path
        self.num_bytes = 0
        """Of the tensors so far."""
        self.names: list[str] = []
        self._entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
        room = 64 + sum(_ENTRY_BYTES + len(json.dumps(name)) for name in names)
        self._room = -(-room // 8) * 8
        self._file: IO[bytes] = path.open("wb")
        self._file.seek(8 + self._room)

    def add(self, name: str, tensor: Tensor) -> None:
        """Write a tensor behind those before it."""
        flat = tensor.detach().to("cpu").contiguous().flatten()
        start, self.num_bytes = self.num_bytes, self.num_bytes + flat.nbytes
        self._entries[name] = {
            "dtype": TYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, self.num_bytes],
        }
        self.names.append(name)
        self._file.write(flat.view(torch.uint8).numpy().data)

    def __enter__(self) -> TensorFile:
        """Return the file."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write the header, or remove the file after an error."""
        if kind is not None:
            self._file.close()
            self.path.unlink(missing_ok=True)
            return
        header = json.dumps(self._entries, separators=(",", ":")).encode()
        assert len(header) <= self._room, "only names that were announced are added"
        self._file.seek(0)
        self._file.write(self._room.to_bytes(8, "little") + header.ljust(self._room))
        self._file.close()
