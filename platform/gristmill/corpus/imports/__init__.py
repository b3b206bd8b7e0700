"""Which file of a repository imports which: extraction from one parse, resolution by language."""

from gristmill.corpus.imports.edges import edge_row, import_edges, is_config
from gristmill.corpus.imports.model import WEAK_KINDS, Edge, Import, Kind, Parsed
from gristmill.corpus.imports.parsing import PARSE_TIMEOUT_S, parse
from gristmill.corpus.imports.registry import RULES

LANGUAGES: frozenset[str] = frozenset(RULES)
"""Languages that are parsed: their imports are resolved and their syntax is checked."""

__all__ = [
    "LANGUAGES",
    "PARSE_TIMEOUT_S",
    "WEAK_KINDS",
    "Edge",
    "Import",
    "Kind",
    "Parsed",
    "edge_row",
    "import_edges",
    "is_config",
    "parse",
]
