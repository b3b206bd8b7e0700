"""Where repositories come from: installed distributions, folders, git, archives, tables.

`resolve_sources` is what a plan needs: which repositories at which revisions, cheaply. `open_sources`
is what the corpus job needs to read them.
"""

from gristmill.artifacts import SourceIdentity
from gristmill.corpus.config import CorpusSection
from gristmill.corpus.sources import archive, folder, git, installed, table
from gristmill.corpus.sources.repository import Kind, Repository
from gristmill.errors import SourceError

KINDS: dict[str, Kind] = {
    "installed": installed.KIND,
    "folder": folder.KIND,
    "git": git.KIND,
    "archive": archive.KIND,
    "table": table.KIND,
}


def kind_of(repository: Repository) -> Kind:
    """Return the functions that read a repository."""
    return KINDS[repository.source.kind]


def resolve_sources(section: CorpusSection) -> tuple[SourceIdentity, ...]:
    """Return every repository of the section's sources, by name. Raises SourceError."""
    return tuple(repository.identity for repository in open_sources(section))


def open_sources(section: CorpusSection) -> list[Repository]:
    """Return the repositories of all sources, by name, which is unique. Raises SourceError."""
    found = [
        repository
        for source in section.sources
        for repository in KINDS[source.kind].repositories(source)
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
