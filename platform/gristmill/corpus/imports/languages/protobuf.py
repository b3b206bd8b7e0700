"""Protocol Buffers: `import`, `import public`, `import weak`; roots are found from the tree.

There is no grammar package to rely on, and none is needed: imports are statements of their own, so
they are read from the text between comments and strings. `protoc` looks an import up under its
include folders. Those are the modules of `buf.yaml` and the `directories` of `buf.work.yaml`, else
the folder above the importer under which the path lies, else the nearest such folder. A weak import
is `local`: the importer can do without it. What a public import passes on needs no edge of its own.
"""

import re
from collections.abc import Iterator
from posixpath import basename, dirname, join, normpath
from typing import Any

import yaml

from gristmill.corpus.imports.endings import Endings
from gristmill.corpus.imports.model import (
    Captures,
    Edge,
    Found,
    Import,
    Kind,
    LanguageRules,
    Repository,
)

LANGUAGE = "Protocol Buffer"
_TOKEN = re.compile(
    rb"""//[^\n]*|/\*.*?\*/|(?<!\w)(?:import|package)\b|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""",
    re.DOTALL,
)
_IMPORT = re.compile(
    rb"""import\s*(public\b|weak\b|option\b)?\s*((?:(?:"[^"\n]*"|'[^'\n]*')\s*)+);""", re.DOTALL
)
_PACKAGE = re.compile(rb"package\s+([\w.]+)\s*;")
_QUOTED = re.compile(rb""""([^"\n]*)"|'([^'\n]*)'""")


def extract(_captures: Captures, data: bytes) -> Found:
    """Return the imports, the word behind `import` as their form, and the package."""
    imports, package = [], ""
    for token in _TOKEN.finditer(data):
        if token[0] == b"import":
            match = _IMPORT.match(data, token.start())
            if match is not None:
                parts = _QUOTED.findall(match[2])  # adjacent strings are one
                target = b"".join(one or other for one, other in parts).decode("utf-8", "replace")
                word = (match[1] or b"").decode()
                line = data.count(b"\n", 0, token.start()) + 1
                kind: Kind = "local" if word == "weak" else "import"
                imports.append(Import(target, line, kind=kind, form=word))
        elif token[0] == b"package" and not package:
            named = _PACKAGE.match(data, token.start())
            package = named[1].decode() if named else ""
    return Found(tuple(imports), package)


def resolve(repository: Repository) -> Iterator[Edge]:
    """Yield the edges between the schema files of a repository."""
    files = dict(repository.of([LANGUAGE]))
    endings = Endings(files)
    roots = _roots(repository)
    for importer, parsed in files.items():
        for found in parsed.imports:
            target = endings.best(found.target.removeprefix("./"), dirname(importer), roots)
            if target is not None:
                yield Edge(importer, target, found.kind, LANGUAGE, found.line)


def _roots(repository: Repository) -> set[str]:
    """Return the include folders that buf's configuration names."""
    roots: set[str] = set()
    for path, text in repository.configs.items():
        if basename(path) not in RULES.config_names:
            continue
        try:
            config: Any = yaml.safe_load(text)
        except (yaml.YAMLError, RecursionError, ValueError):
            continue
        config = config if isinstance(config, dict) else {}
        places = list(config.get("directories") or ())
        modules = config.get("modules") or ()
        places += [one.get("path", ".") for one in modules if isinstance(one, dict)]
        if basename(path) == "buf.yaml" and not modules:
            build = config.get("build")
            inside = build.get("roots") if isinstance(build, dict) else None
            places += inside or ["."]
        for place in places:
            if isinstance(place, str):
                root = normpath(join(dirname(path), place))
                roots.add("" if root == "." else root)
    return roots


RULES = LanguageRules(
    languages=(LANGUAGE,),
    grammar=None,
    query="",
    extract=extract,
    resolve=resolve,
    config_names=frozenset({"buf.yaml", "buf.work.yaml"}),
)
