"""Where repositories come from: installed distributions, folders, git, archives, tables.

`resolve_sources` is what a plan needs: which repositories at which revisions, cheaply. `open_sources`
is what the corpus job needs to read them, `read_files` is how it reads one. A kind's module is loaded when
a source of the kind is met: what it needs (libgit2, say) costs every worker a part of a second.
"""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

from gristmill.artifacts import SourceIdentity
from gristmill.corpus.config import CorpusSection
from gristmill.corpus.licence_files import licence_of_file
from gristmill.corpus.opt_out import wants_out
from gristmill.corpus.sources.repository import Bytes, Kind, Repository, Unread
from gristmill.corpus.watch import Poison, Watch
from gristmill.errors import SourceError

_POINTER = b"version https://git-lfs.github.com/spec/"


def kind_of(repository: Repository) -> Kind:
    """Return the functions that read a repository."""
    return _kind(repository.source.kind)


@cache
def _kind(name: str) -> Kind:
    found: Kind = importlib.import_module(f"{__name__}.{name}").KIND
    return found


def resolve_sources(section: CorpusSection) -> tuple[SourceIdentity, ...]:
    """Return every repository of the section's sources, by name. Raises SourceError."""
    return tuple(repository.identity for repository in open_sources(section))


def open_sources(section: CorpusSection) -> list[Repository]:
    """Return the repositories of all sources, by name, which is unique; without those that opted out.

    Raises SourceError.
    """
    return staying(open_all(section), section)


def staying(repositories: Sequence[Repository], section: CorpusSection) -> list[Repository]:
    """Return the repositories that did not opt out."""
    return [item for item in repositories if not wants_out(item.name, section.opt_out)]


def open_all(section: CorpusSection) -> list[Repository]:
    """Return the repositories as `open_sources` does, those that opted out among them."""
    found = [
        repository
        for source in section.sources
        for repository in _kind(source.kind).repositories(source)
    ]
    if not found:
        raise SourceError("corpus.sources is empty; name at least one source")
    found.sort(key=lambda repository: (repository.name, repository.identity.digest))
    seen: dict[str, Repository] = {}
    for repository in found:
        other = seen.setdefault(repository.name, repository)
        if other is not repository:
            raise SourceError(
                f"two sources are called '{repository.name}' ({other.source.kind} "
                f"{other.identity.revision}, {repository.source.kind} "
                f"{repository.identity.revision}); rename one folder or archive, or drop one"
            )
    return found


def read_files(
    repository: Repository, paths: Sequence[str] | None, watch: Watch
) -> Iterator[Bytes | Unread]:
    """Yield the files at the given paths, or all; what is poisoned comes as a reject.

    Where a source breaks while it fetches a file, that file is left out when the source can fetch the
    next one on its own, else the rest.
    """
    kind = kind_of(repository)
    folders = dict(repository.folder_licences)
    first = 0
    while True:
        broken: Poison | None = None
        rest = None if paths is None else paths[first:]
        for item, poison in watch.each(kind.read(repository, rest), first):
            if item is None:
                broken = poison
                break
            first += 1
            yield _own(item, folders) if poison is None else _left_out(item, poison)
        if broken is None:
            return
        if paths is None or not kind.one_by_one or first >= len(paths):
            detail = f"{broken.detail}; the rest is left out"
            yield Unread(repository.name, broken.reason, detail)
            return
        yield Unread(paths[first], broken.reason, broken.detail)
        first += 1


def _own(item: Bytes | Unread, folders: Mapping[str, str]) -> Bytes | Unread:
    """Give a file the licence that it has of its own; refuse what only points at a file elsewhere."""
    if isinstance(item, Unread):
        return item
    if item.data.startswith(_POINTER) and len(item.data) < 1024:
        detail = "a Git LFS pointer: the file itself is not here"
        return Unread(item.path, "lfs_pointer", detail, len(item.data), item.repository)
    if not item.licence and (licence := licence_of_file(item.path, item.data, folders)):
        return replace(item, licence=licence)
    return item


def _left_out(item: Bytes | Unread, poison: Poison) -> Unread:
    size = len(item.data) if isinstance(item, Bytes) else item.num_bytes
    return Unread(item.path, poison.reason, poison.detail, size, item.repository)
