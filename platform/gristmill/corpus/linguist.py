"""GitHub's linguist, through go-enry: the only module that knows of it.

go-enry is a port of linguist in Go that is kept in step with it; `enry-python` carries it as a shared
library, its data inside, so nothing is fetched at run time. It is loaded at the first question (some
30 MB and 0.1 s a process; a gigabyte of address space). The answers are linguist's own, but for names:
what `corpus.languages` lists is called as there. "" means that linguist cannot tell.

Two costs shape the callers. A question takes 20 to 2,000 microseconds (Go's regular expressions on
the text), where parsing the file takes 1,500: ask by name first, by content only where names leave a
choice. And Go's runtime does not survive `fork`: a child of a process that has asked would wait for
ever, so it gets an error instead. Ray's workers are new processes, not forks.
"""

import os
import threading
from functools import lru_cache
from types import ModuleType

from gristmill.errors import GristmillError

HEURISTIC_BYTES = 50_000
"""Linguist's own rules look no further."""
_OURS = {
    "Awk": "AWK",
    "Cuda": "CUDA",
    "TSX": "TypeScript",
    "Fortran Free Form": "Fortran",
    "TeX": "Tex",
    "Tcl": "TCL",
    "SPARQL": "Sparql",
    "Unix Assembly": "Assembly",
    "Motorola 68K Assembly": "Assembly",
    "Gradle": "Groovy",
    "Gradle Kotlin DSL": "Kotlin",
    "edn": "Clojure",
    "Wolfram Language": "Mathematica",
    "Visual Basic .NET": "Visual Basic",
    "Visual Basic 6.0": "Visual Basic",
    "VBA": "Visual Basic",
    "PLSQL": "SQL",
    "PLpgSQL": "SQL",
    "SQLPL": "SQL",
    "TSQL": "SQL",
    "Lean 4": "Lean",
    "HTML+PHP": "PHP",
    "HTML+ERB": "HTML",
    "Java Server Page": "Java Server Pages",
    "JSON with Comments": "JSON",
    "MiniYAML": "YAML",
    "OASv2-json": "JSON",
    "OASv2-yaml": "YAML",
    "OASv3-json": "JSON",
    "OASv3-yaml": "YAML",
}
"""Linguist's name -> the paper's, where they differ; a dialect is its language."""
_loaded_in = 0
_loading = threading.Lock()


def content_language(path: str, data: bytes) -> str:
    """Return what linguist's content rules say of a file whose name leaves a choice.

    Its classifier is not asked: on real files it called Perl tables Prolog and Fortran Forth.
    """
    found = _enry().get_language_by_content(_plain(path), data[:HEURISTIC_BYTES])
    return our_name(found.language)


@lru_cache(maxsize=4096)
def name_languages(name: str) -> tuple[str, ...]:
    """Return linguist's candidates for a file of this name (no folder), the likeliest first."""
    found = _enry().get_languages(_plain(name), b"")
    return tuple(dict.fromkeys(our_name(language) for language in found))


@lru_cache(maxsize=65_536)
def vendored_folder(folder: str) -> bool:
    """Return whether linguist takes what lies in this folder for a copy of another project.

    Folders only: its rules by file name (jquery.js, prototypes.js, effects.js) hit as many projects'
    own sources as copies in 156,000 real files.
    """
    return bool(_enry().is_vendor(f"{_plain(folder)}/-"))


def documentation(path: str) -> bool:
    """Return whether the path is documentation: docs, examples, samples, readme, changelog."""
    return bool(_enry().is_documentation(_plain(path)))


def generated(path: str, data: bytes) -> bool:
    """Return whether name or content show that a tool wrote or minified the file."""
    return bool(_enry().is_generated(_plain(path), data))


def our_name(linguist_name: str) -> str:
    """Return the language under the paper's name."""
    return _OURS.get(linguist_name, linguist_name)


def _enry() -> ModuleType:
    global _loaded_in
    import enry

    if _loaded_in != os.getpid():
        with _loading:
            if _loaded_in not in (0, os.getpid()):
                raise GristmillError(
                    f"linguist was loaded in process {_loaded_in} before this process was forked "
                    "from it, and Go cannot go on after a fork; start the process by spawn or "
                    "forkserver, or fork before the first file is judged"
                )
            _loaded_in = os.getpid()
    return enry  # type: ignore[no-any-return, unused-ignore]


def _plain(path: str) -> str:
    """Return the path as C takes it: no NUL, no lone surrogate."""
    return path.replace("\0", " ").encode("utf-8", "replace").decode()
