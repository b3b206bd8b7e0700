"""The import edges of one repository, from what its files say and the rules of their languages."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import translate
from typing import Any

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports.model import Edge, Parsed, Repository
from gristmill.corpus.imports.parsing import parse
from gristmill.corpus.imports.registry import CONFIG_NAMES, FAMILIES

_CONFIG = re.compile("|".join(map(translate, sorted(CONFIG_NAMES))))


def import_edges(
    files: Sequence[SourceFile],
    parsed: Mapping[str, Parsed] | None = None,
    configs: Mapping[str, str] | None = None,
) -> list[Edge]:
    """Return the repository's edges, one row per (importer, imported, kind), sorted.

    `parsed` holds what `parse` returned by path, so that nothing is parsed twice; a file that it
    lacks is parsed here. `configs` holds the texts of configuration files by path (`is_config`).
    An edge to the file itself is no edge. The order of `files` does not matter.
    """
    known = {} if parsed is None else parsed
    repository = Repository(
        {
            file.path: known[file.path]
            if file.path in known
            else parse(file.language, file.text, file.path)
            for file in files
        },
        {} if configs is None else configs,
    )
    first: dict[tuple[str, str, str], Edge] = {}
    for family in FAMILIES:
        for edge in family.resolve(repository):
            key = (edge.importer, edge.imported, edge.kind)
            if edge.importer == edge.imported:
                continue
            if key not in first or (edge.line or 0) < (first[key].line or 0):
                first[key] = edge
    return [first[key] for key in sorted(first)]


def is_config(path: str) -> bool:
    """Return whether a resolver wants the text of this file, whatever the corpus does with it."""
    return _CONFIG.fullmatch(path.rpartition("/")[2]) is not None


def edge_row(repository: str, edge: Edge) -> dict[str, Any]:
    """Return the edge as a row of the corpus artifact's `edges` table."""
    return {
        "repository": repository,
        "importer": edge.importer,
        "imported": edge.imported,
        "language": edge.language,
        "kind": edge.kind,
        "line": edge.line,
    }
