"""What every kind of source gives: repositories, their files' names and sizes, and the bytes of some.

A source is opened in two steps, so that a run can be planned without reading it: `repositories` says
what is there (identity, licence, revision), `entries` lists files with their sizes, `read` yields the
bytes of chosen ones. `read` never raises for one bad file: it yields a reject in its place. Nothing of
a source is ever executed, imported, built or checked out.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gristmill.artifacts import SourceIdentity
from gristmill.corpus.config import Source

MAX_FILE_BYTES = 64_000_000
"""No source reads a larger file into memory, whatever the rules allow."""


@dataclass(frozen=True)
class Repository:
    """A source tree at a revision."""

    identity: SourceIdentity
    source: Source
    """The recipe's entry that it comes from."""
    locator: str
    """Where its kind of source finds it: a distribution's name, a folder, an archive's path."""
    folder_licences: tuple[tuple[str, str], ...] = ()
    """The folders that have a licence of their own, with it."""

    @property
    def name(self) -> str:
        """The repository's name, unique in a corpus."""
        return self.identity.repository


@dataclass(frozen=True)
class Entry:
    """A file of a repository, not yet read."""

    path: str
    num_bytes: int


@dataclass(frozen=True)
class Bytes:
    """A file's bytes. `repository` and `licence` are set where one source mixes several repositories."""

    path: str
    data: bytes
    repository: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Unread:
    """A file that could not be read: reason code and detail."""

    path: str
    reason: str
    detail: str
    num_bytes: int = 0
    repository: str = ""


@dataclass(frozen=True)
class Kind:
    """One kind of source as three functions."""

    repositories: Callable[[Source], list[Repository]]
    """Raises SourceError when the source is not there."""
    entries: Callable[[Repository], list[Entry] | None]
    """None when only reading tells what is in it."""
    read: Callable[[Repository, Sequence[str] | None], Iterator[Bytes | Unread]]
    """Yields the files at the given paths, or all."""
    one_by_one: bool = False
    """Whether `read` yields one item for each given path, in their order, each fetched on its own."""
