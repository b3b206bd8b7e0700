"""The values that move through the corpus stage: raw files, source files, rejects.

A raw file is bytes at a path inside a repository, as a source gave it. A source file is text in a known
language. Every raw file ends as a file of a document or as a reject with a reason; nothing else.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class RawFile:
    """A file as a source gave it. `path` is relative to the repository, with `/`."""

    path: str
    data: bytes


@dataclass(frozen=True)
class SourceFile:
    """A text file in a known programming language."""

    path: str
    language: str
    text: str


@dataclass(frozen=True)
class Reject:
    """A file that was left out: why in one code, the figure that decided it in `detail`."""

    repository: str
    path: str
    reason: str
    detail: str
    num_bytes: int
