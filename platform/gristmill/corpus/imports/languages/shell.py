"""Shell: `source` and `.`, and scripts of the repository that a script runs.

Where a script lies is often put together at run time, in a few ways that can be read: `$(dirname "$0")`
and `${BASH_SOURCE[0]%/*}` are the script's folder, a variable set from one of them is that folder and
what follows, `git rev-parse --show-toplevel` is the repository. Below any other variable a path is the
file that ends so and is nearest. A plain relative path is looked for beside the script, then from the
folders above. Sourcing is `import`, inside a function `local`; running a script
(`sh x.sh`, `"$DIR/x.sh"`, `exec ./x.sh`) is a process of its own, hence `local`.
"""

import re
from collections.abc import Iterator
from posixpath import dirname, join, normpath

from tree_sitter import Node

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
from gristmill.corpus.imports.scopes import text

LANGUAGE = "Shell"
_QUERY = """
(command) @command
(variable_assignment) @assignment
"""
_SOURCES = frozenset({"source", "."})
_RUNNERS = frozenset(
    {"bash", "sh", "dash", "ksh", "zsh", "exec", "command", "sudo", "nohup", "time"}
)
_HERE, _TOP, _ANY = "\x01", "\x02", "\x03"
"""What a word begins with: the script's folder, the repository, some folder."""
_SELF = r"""(?:\$0|\$\{0\}|\$\{?BASH_SOURCE(?:\[0\]|\[\$\{#BASH_SOURCE\[@\]\}\s*-\s*1\])?\}?|\$\{\(%\):-%[xN]\}|\$_)"""
_READ_SELF = (
    rf"""(?:\$\(\s*(?:readlink|realpath)(?:\s+-\w+)*\s+(?:--\s+)?"?{_SELF}"?\s*\)|{_SELF})"""
)
_FOLDER = re.compile(
    rf"""\$\(\s*dirname\s+(?:--\s+)?"?{_READ_SELF}"?\s*\)|`\s*dirname\s+(?:--\s+)?"?{_SELF}"?\s*`"""
    r"""|\$\{(?:0|BASH_SOURCE(?:\[0\])?)%/\*\}|\$\{0:[aA]:h\}|\$\{0:h\}"""
)
_CHANGED = re.compile(
    r"""(?:\$\(|`)\s*(?:CDPATH=\S*\s+)?(?:builtin\s+|command\s+)?cd\s+(?:-P\s+)?(?:--\s+)?"?([^"&|;)`]*)"?\s*"""
    r"""(?:[12&]?>\s*\S+\s*)*(?:&&|;)\s*(?:builtin\s+|command\s+)?pwd(?:\s+-P)?\s*(?:\)|`)"""
)
_TOPLEVEL = re.compile(r"(?:\$\(|`)\s*git\s+rev-parse\s+--show-toplevel[^)`]*(?:\)|`)")
_PATH = re.compile(
    r"""(?:\$\(|`)\s*(?:dirname|readlink|realpath)(?:\s+-\w+)*\s+(?:--\s+)?"?([^"()`]*)"?\s*(?:\)|`)"""
)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?[-=?][^}]*)?\}|(\w+))")
_MAX_DEPTH = 8


def extract(captures: Captures, data: bytes) -> Found:
    """Return what is sourced and run; a target begins with a mark where a folder was read from it."""
    if not captures.get("command"):
        return Found()
    variables: dict[str, str] = {}
    for node in captures.get("assignment", ()):
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is not None and value is not None:
            variables.setdefault(text(name, data), text(value, data))
    imports = []
    for node in captures["command"]:
        words = _words(node, data)
        if not words:
            continue
        sourced = words[0] in _SOURCES
        if sourced:
            words = words[1:2]
        else:
            while len(words) > 1 and (words[0] in _RUNNERS or words[0].startswith("-")):
                words = words[1:]
        target = _read(words[0], variables, 0) if words else ""
        if target and (sourced or "/" in target or target.endswith("sh")):
            kind: Kind = "local" if not sourced or _in_function(node) else "import"
            form = "source" if sourced else "run"
            imports.append(Import(target, node.start_point[0] + 1, kind=kind, form=form))
    return Found(tuple(imports))


def _words(command: Node, data: bytes) -> list[str]:
    """Return the words of a command as written, without assignments and redirections."""
    kinds = ("variable_assignment", "file_redirect", "herestring_redirect")
    return [text(child, data) for child in command.named_children if child.type not in kinds]


def _in_function(node: Node) -> bool:
    above = node.parent
    while above is not None:
        if above.type == "function_definition":
            return True
        above = above.parent
    return False


def _read(word: str, variables: dict[str, str], depth: int) -> str:
    """Return a word as a path, its folder a mark where it is known; "" where it is no path."""
    if depth > _MAX_DEPTH:
        return _ANY
    word = word.strip()
    if "$" in word or "`" in word:
        word = _expanded(word, variables, depth)
    word = word.replace('"', "").replace("'", "").replace("\\ ", " ")
    start = max(word.rfind(mark) for mark in (_HERE, _TOP, _ANY))
    word = word[start:] if start >= 0 else word
    if any(sign in word for sign in "$`(){}*?[]|<>;&\n") or word.startswith(("-", "/", "~")):
        return ""
    return word


def _expanded(word: str, variables: dict[str, str], depth: int) -> str:
    """Return a word with its variables and the commands that name folders read."""
    word = _FOLDER.sub(_HERE, word)
    word = _TOPLEVEL.sub(_TOP, word)
    word = _CHANGED.sub(lambda match: _read(match[1] or ".", variables, depth + 1), word)
    called = _PATH.search(word)
    if called is not None:
        inner = _read(called[1], variables, depth + 1)
        step = "/.." if "dirname" in called[0] else ""
        word = word[: called.start()] + inner + step + word[called.end() :]
    return _VARIABLE.sub(lambda match: _value(match, variables, depth), word)


def _value(match: re.Match[str], variables: dict[str, str], depth: int) -> str:
    name = match[1] or match[2]
    if name in ("0", "BASH_SOURCE"):
        return f"{_HERE}/self"
    if name == "PWD":
        return "."
    value = variables.pop(name, None)  # a value may speak of its own name: not again inside
    if value is None:
        return _ANY
    try:
        return _read(value, variables, depth + 1) or _ANY
    finally:
        variables[name] = value


def resolve(repository: Repository) -> Iterator[Edge]:
    """Yield the edges between the shell scripts of a repository."""
    files = dict(repository.of([LANGUAGE]))
    endings = Endings(files)
    for importer, parsed in files.items():
        for found in parsed.imports:
            target = _target(endings, dirname(importer), found)
            if target is not None:
                yield Edge(importer, target, found.kind, LANGUAGE, found.line)


def _target(endings: Endings, folder: str, found: Import) -> str | None:
    """Return the script that a word means for a script in a folder."""
    mark, path = found.target[:1], found.target[1:].lstrip("/")
    if mark == _HERE:
        return _at(endings, join(folder, path))
    if mark == _TOP:
        return _at(endings, path)
    if mark == _ANY:
        place = normpath(path)
        while place.startswith("../"):
            place = place[3:]
        return endings.best(place, folder) if place and not place.startswith(".") else None
    above = folder
    while True:
        beside = _at(endings, join(above, found.target))
        if beside is not None or not above or (found.form == "run" and "/" not in found.target):
            return beside
        above = dirname(above)


def _at(endings: Endings, path: str) -> str | None:
    place = normpath(path)
    return place if "" in endings.roots(place) else None


RULES = LanguageRules(
    languages=(LANGUAGE,),
    grammar=lambda _language, _path: ("tree_sitter_bash", "language"),
    query=_QUERY,
    extract=extract,
    resolve=resolve,
)
