"""What a source's `domain` changes: which files of it are wanted, and as what.

`code` is source code: languages, the paper's rules, one parse, imports, documents of several files. The
other three are the rest of the paper's mixture: `code_text` (text about code: Markdown, questions and
answers; 10 %), `text` (prose; 3 %, and v1.5's natural language) and `math` (v1.5's mathematics). For them
no rule for code holds and nothing is parsed; licence, copies of other projects' folders, dedup, the
held-out split and decontamination hold as for code.

Files of the other domains are those written in prose (`languages.PROSE`), and names that nobody knows as
anything else: a README, a row of a table whose path is an id. Each is a document of its own, in path order,
and has no path comment: pages and answers do not import one another, and a page joined to its neighbour
by the alphabet teaches only the alphabet.
"""

from gristmill.corpus import linguist
from gristmill.corpus.config import Domain
from gristmill.corpus.languages import PROSE, language_of_name

PLAIN = "Text"


def is_code(domain: Domain | str) -> bool:
    """Return whether files of the domain are judged, parsed and ordered as code."""
    return domain == "code"


def prose_language(path: str) -> str | None:
    """Return what a file of a domain of prose is written in, or None when it is no prose by its name."""
    named = language_of_name(path)
    if named in PROSE:
        return named
    if named:
        return None
    name = path.rpartition("/")[2]
    stem, dot, extension = name.rpartition(".")
    known = bool(dot and stem) and bool(linguist.name_languages(f"x.{extension.lower()}"))
    return None if known else PLAIN
