"""C, C++ and CUDA: `#include`, and C++20 modules. One family, since headers are shared.

Where an include is looked up is told in `imports.headers`. Branches of conditions count alike, since
the tree does not say which of them a build takes; only `#if 0` is left out. `#include NAME` means the
header that the file, or else one definition for the whole repository, gives to the name.
"""

import re
from collections.abc import Iterator, Mapping
from posixpath import basename

from gristmill.corpus.imports.compile_commands import include_folders
from gristmill.corpus.imports.headers import TEMPLATES, Headers
from gristmill.corpus.imports.model import (
    Captures,
    Edge,
    Found,
    Import,
    LanguageRules,
    Repository,
)
from gristmill.corpus.imports.scopes import text

LANGUAGES = ("C", "C++", "CUDA")
_QUERY = """
(preproc_include path: [(string_literal) (system_lib_string) (identifier)] @include)
(preproc_if condition: (number_literal) @never)
(preproc_call) @call
(comment) @comment
"""
_NEAR = re.compile(rb"#[ \t]*(?:include|import|if[ \t]+0\b)")
_DIRECTIVES = frozenset({"preproc_include", "preproc_if", "preproc_call", "comment"})
_CALL = re.compile(r"""#\s*(?:include_next|import)\s*(["<][^">\n]+[">])""")
_DIRECTIVE = re.compile(
    rb"""^[ \t]*#[ \t]*include(?:_next)?[ \t]*(["<][^">\n]+[">])""", re.MULTILINE
)
_MODULE = re.compile(
    rb"^[ \t]*(export[ \t]+)?(module|import)[ \t]+([\w.:]+|<[^>\n]+>|\"[^\"\n]+\")[ \t]*;",
    re.MULTILINE,
)
_DEFINE = re.compile(rb"""define[ \t]+(\w+)[ \t]+(["<][\w./+-]+\.\w+[">])""")


def extract(captures: Captures, data: bytes) -> Found:
    """Return the includes and module imports; an include's `form` is `quote`, `angle` or `macro`.

    Declared are modules, and names defined as a header: `NAME "header.h"`.
    """
    dead = list(_dead(captures, data))
    imports = [
        found
        for offset, found in sorted(_includes(captures, data), key=lambda each: each[0])
        if not any(low <= offset < high for low, high in dead)
    ]
    declared = {b" ".join(match.groups()).decode() for match in _DEFINE.finditer(data)}
    own = ""
    for match in _MODULE.finditer(data) if b"module" in data or b"import" in data else ():
        name = match[3].decode("utf-8", "replace")
        line = data.count(b"\n", 0, match.start(2)) + 1
        if match[2] == b"module":
            own = name.partition(":")[0]
            if match[1]:
                declared.add(name)
            elif name == own:
                imports.append(Import(name, line, kind="module"))
        elif name[0] in '<"':
            imports.append(_include(name, line))
        else:
            target = own + name if name.startswith(":") else name
            imports.append(Import(target, line, kind="module"))
    return Found(tuple(imports), declared=frozenset(declared))


def _includes(captures: Captures, data: bytes) -> Iterator[tuple[int, Import]]:
    """Yield the include directives with their places."""
    lines: set[int] = set()
    for node in captures.get("include", ()):
        lines.add(node.start_point[0] + 1)
        yield node.start_byte, _include(text(node, data), node.start_point[0] + 1)
    for node in captures.get("call", ()):
        match = _CALL.match(text(node, data))
        if match is not None:
            lines.add(node.start_point[0] + 1)
            yield node.start_byte, _include(match[1], node.start_point[0] + 1)
    if captures.get("error"):  # the grammar has no directive in the middle of a list, say
        comments = [(node.start_byte, node.end_byte) for node in captures.get("comment", ())]
        line, end = 1, 0
        for match_ in _DIRECTIVE.finditer(data):
            line, end = line + data.count(b"\n", end, match_.start(1)), match_.start(1)
            if line not in lines and not any(low <= end < high for low, high in comments):
                yield end, _include(match_[1].decode("utf-8", "replace"), line)


def _dead(captures: Captures, data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the spans of `#if 0`, up to its `#else`."""
    for node in captures.get("never", ()):
        if text(node, data) == "0" and node.parent is not None:
            other = node.parent.child_by_field_name("alternative")
            yield node.end_byte, node.parent.end_byte if other is None else other.start_byte


def _include(written: str, line: int) -> Import:
    form = {'"': "quote", "<": "angle"}.get(written[:1], "macro")
    target = written.strip('<>" \t').replace("\\", "/")
    return Import(target, line, kind="include", form=form)


def resolve(repository: Repository) -> Iterator[Edge]:
    """Yield the edges of the C, C++ and CUDA files of a repository."""
    modules: dict[str, list[str]] = {}
    defined: dict[str, set[str]] = {}
    for path, parsed in repository.of(LANGUAGES):
        for name, _, header in map(_split, parsed.declared):
            if header:
                defined.setdefault(name, set()).add(header)
            else:
                modules.setdefault(name, []).append(path)
    includes: list[tuple[str, Import]] = []
    for importer, parsed in repository.of(LANGUAGES):
        for found in parsed.imports:
            if found.kind == "module":
                for target in modules.get(found.target, ()):
                    yield Edge(importer, target, "module", parsed.language, found.line)
            elif found.form != "macro":
                includes.append((importer, found))
            elif found.target in defined:
                own = {
                    header
                    for name, _, header in map(_split, parsed.declared)
                    if name == found.target
                }
                known = sorted(own or defined[found.target])
                if len(known) == 1:
                    includes.append((importer, _include(known[0], found.line)))
    headers = Headers(repository.parsed, repository.configs, _commands(repository))
    for importer, found, header in headers.find(includes):
        language = repository.parsed[importer].language
        yield Edge(importer, header, "include", language, found.line)


def _split(declared: str) -> tuple[str, str, str]:
    return declared.partition(" ")


def _commands(repository: Repository) -> Mapping[str, list[str]]:
    """Return the include folders of each file that a `compile_commands.json` names."""
    found: dict[str, list[str]] = {}
    for path in sorted(repository.configs):
        if basename(path) == "compile_commands.json":
            found.update(include_folders(repository.configs[path], repository.parsed))
    return found


def _grammar(language: str, _path: str) -> tuple[str, str]:
    return (f"tree_sitter_{language.lower().replace('+', 'p')}", "language")


RULES = LanguageRules(
    languages=LANGUAGES,
    grammar=_grammar,
    query=_QUERY,
    extract=extract,
    resolve=resolve,
    config_names=TEMPLATES | {"compile_commands.json"},
    near=_NEAR,
    near_within=_DIRECTIVES,
)
