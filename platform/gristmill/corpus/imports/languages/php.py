"""PHP: names by namespace and `use`, found through Composer's prefixes or by who declares them.

A name's full form is settled in its file: `use` first, then the namespace; a function or constant that
the namespace lacks is the global one. Which file holds a class: the one that declares it; of several,
the one that Composer's PSR-4 or PSR-0 prefixes lead to, else the nearest. `require` and `include` with
a path that the text tells are edges of kind `include`. In `declared` and `used`, a function ends in
`()` and a constant in `=`; `?` marks a name that may be global instead.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from posixpath import dirname

from tree_sitter import Node

from gristmill.corpus.imports.composer import Autoload
from gristmill.corpus.imports.model import (
    Captures,
    Edge,
    Found,
    Import,
    LanguageRules,
    Repository,
)
from gristmill.corpus.imports.nearness import nearest
from gristmill.corpus.imports.php_paths import find_required, required_path
from gristmill.corpus.imports.scopes import text

LANGUAGE = "PHP"
_QUERY = """
(namespace_definition) @namespace
(namespace_use_declaration) @use
[(include_expression (_) @required) (include_once_expression (_) @required)
 (require_expression (_) @required) (require_once_expression (_) @required)]
(class_declaration name: (name) @declared)
(interface_declaration name: (name) @declared)
(trait_declaration name: (name) @declared)
(enum_declaration name: (name) @declared)
(function_definition name: (name) @function)
(const_declaration (const_element . (name) @constant))
(declaration_list (const_declaration (const_element . (name) @inner)))
(enum_declaration_list (const_declaration (const_element . (name) @inner)))
((function_call_expression function: (name) @define arguments: (arguments . (argument (string) @defined)))
 (#eq? @define "define"))
(base_clause [(name) (qualified_name)] @class)
(class_interface_clause [(name) (qualified_name)] @class)
(use_declaration [(name) (qualified_name)] @class)
(named_type [(name) (qualified_name)] @class)
(object_creation_expression . [(name) (qualified_name)] @class)
(scoped_call_expression scope: [(name) (qualified_name)] @class)
(scoped_property_access_expression scope: [(name) (qualified_name)] @class)
(class_constant_access_expression . [(name) (qualified_name)] @class)
(binary_expression "instanceof" right: [(name) (qualified_name)] @class)
(attribute . [(name) (qualified_name)] @class)
(function_call_expression function: [(name) (qualified_name)] @called)
(argument [(name) (qualified_name)] @value)
(binary_expression [(name) (qualified_name)] @value)
(assignment_expression right: [(name) (qualified_name)] @value)
(return_statement [(name) (qualified_name)] @value)
(array_element_initializer [(name) (qualified_name)] @value)
"""
_NAMESPACE = re.compile(r"namespace\s+([\w\\]+)")
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*|#[^\n\[]*", re.DOTALL)
_CLAUSE = re.compile(r"(?:(function|const)\s+)?([\w\\]+)(?:\s+as\s+(\w+))?$", re.IGNORECASE)
_OWN = frozenset({"self", "static", "parent"})
_ENDINGS = {"class": "", "function": "()", "const": "="}


def extract(captures: Captures, data: bytes) -> Found:
    """Return the imports, and declared and used names in full."""
    names = _Names(captures, data)
    imports = list(names.imports)
    for node in captures.get("required", ()):
        path = required_path(text(node, data))
        if path is not None:
            imports.append(Import(path, node.start_point[0] + 1, kind="include", form="require"))
    used: set[str] = set()
    lines: dict[tuple[str, str], int] = {}
    for capture, form in (("class", "class"), ("called", "function"), ("value", "const")):
        for node in captures.get(capture, ()):
            name = text(node, data).replace(" ", "")
            if name.lower() in _OWN or (form == "class" and names.imported(name, form)):
                continue
            full = names.full(node, name, form)
            if "\\" in name:
                lines.setdefault((full, form), node.start_point[0] + 1)
            elif not names.imported(name, form):
                used.add(("" if form == "class" else "?") + full + _ENDINGS[form])
    imports += [Import(name, line, form=form) for (name, form), line in sorted(lines.items())]
    return Found(
        imports=tuple(imports),
        package=names.first,
        declared=frozenset(names.declared(captures)),
        used=frozenset(used),
    )


class _Names:
    """The namespaces of a file, and what its `use` statements say."""

    def __init__(self, captures: Captures, data: bytes) -> None:
        self._data = data
        self._spaces: list[tuple[int, str]] = []
        for node in sorted(captures.get("namespace", ()), key=lambda node: node.start_byte):
            match = _NAMESPACE.match(text(node, data)[:400])
            self._spaces.append((node.start_byte, match[1] if match else ""))
        self.first = self._spaces[0][1] if self._spaces else ""
        self.imports: list[Import] = []
        self._aliases: dict[tuple[str, str], str] = {}
        for node in captures.get("use", ()):
            for form, name, alias in _clauses(_COMMENT.sub(" ", text(node, data))):
                self.imports.append(Import(name, node.start_point[0] + 1, (alias,), form=form))
                self._aliases[form, _key(alias, form)] = name

    def imported(self, name: str, form: str) -> bool:
        """Return whether a plain name is what a `use` statement gives."""
        return (form, _key(name, form)) in self._aliases

    def full(self, node: Node, name: str, form: str) -> str:
        """Return the full form of a name at its place."""
        if name.startswith("\\"):
            return name[1:]
        head, slash, rest = name.partition("\\")
        if head.lower() == "namespace" and slash:
            return self._inside(node, rest)
        if slash and self.imported(head, "class"):
            return f"{self._aliases['class', _key(head, 'class')]}\\{rest}"
        if not slash and self.imported(name, form):
            return self._aliases[form, _key(name, form)]
        return self._inside(node, name)

    def declared(self, captures: Captures) -> Iterator[str]:
        """Yield what the file declares."""
        for node in captures.get("declared", ()):
            yield self._inside(node, text(node, self._data))
        for node in captures.get("function", ()):
            yield self._inside(node, text(node, self._data)) + "()"
        inner = {node.start_byte for node in captures.get("inner", ())}
        for node in captures.get("constant", ()):
            if node.start_byte not in inner:
                yield self._inside(node, text(node, self._data)) + "="
        for node in captures.get("defined", ()):
            yield text(node, self._data).strip("'\"").replace("\\\\", "\\").lstrip("\\") + "="

    def _inside(self, node: Node, name: str) -> str:
        before = [space for start, space in self._spaces if start <= node.start_byte]
        return f"{before[-1]}\\{name}" if before and before[-1] else name


def _key(name: str, form: str) -> str:
    return name if form == "const" else name.lower()


def _clauses(statement: str) -> Iterator[tuple[str, str, str]]:
    """Yield (what it is, full name, alias) of each name in a `use` statement."""
    body = re.sub(r"^use\s+", "", statement.strip().rstrip(";"), flags=re.IGNORECASE)
    prefix, brace, group = body.partition("{")
    outer = re.match(r"(function|const)\s+", prefix, re.IGNORECASE)
    kind = outer[1].lower() if outer else "class"
    start = prefix[outer.end() :] if outer else prefix
    base = start.strip() if brace else ""
    for clause in (group.rstrip("} \n") if brace else start).split(","):
        match = _CLAUSE.match(" ".join(clause.split()))
        if match is not None:
            name = (base + match[2]).lstrip("\\")
            yield (match[1] or kind).lower(), name, match[3] or name.rpartition("\\")[2]


def resolve(repository: Repository) -> Iterator[Edge]:
    """Yield the edges between the PHP files of a repository."""
    files = dict(repository.of([LANGUAGE]))
    owners = _Owners(repository)
    for importer, parsed in files.items():
        for found in parsed.imports:
            if found.form == "require":
                target = find_required(found.target, importer, files)
                if target is not None:
                    yield Edge(importer, target, "include", LANGUAGE, found.line)
                continue
            for target in owners.of(importer, found.target + _ENDINGS[found.form]):
                yield Edge(importer, target, "import", LANGUAGE, found.line)
        for name in sorted(parsed.used):
            targets = owners.of(importer, name.removeprefix("?"))
            if not targets and name.startswith("?"):
                targets = owners.of(importer, name.rpartition("\\")[2].removeprefix("?"))
            for target in targets:
                yield Edge(importer, target, "same_package", LANGUAGE, None)


@dataclass
class _Owners:
    """Which files declare a full name."""

    repository: Repository
    declaring: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._autoload = Autoload(self.repository.configs)
        self._files = dict(self.repository.of([LANGUAGE]))
        for path, parsed in self._files.items():
            for name in parsed.declared:
                self.declaring.setdefault(_folded(name), []).append(path)

    def of(self, importer: str, name: str) -> list[str]:
        """Return the files that a name comes from; the importer itself if it declares the name."""
        known = self.declaring.get(_folded(name), [])
        if importer in known:
            return [importer]
        if name.endswith(("()", "=")):
            return nearest(known, dirname(importer), dirname) if len(known) > 1 else known
        if len(known) == 1:
            return known
        led = [path for path in self._autoload.candidates(name) if path in (known or self._files)]
        return led[:1] or nearest(known, dirname(importer), dirname)[:1]


def _folded(name: str) -> str:
    """Return a name as PHP compares it: without case but for a constant's last part."""
    if name.endswith("="):
        space, slash, last = name.rpartition("\\")
        return space.lower() + slash + last
    return name.lower()


RULES = LanguageRules(
    languages=(LANGUAGE,),
    grammar=lambda _language, _path: ("tree_sitter_php", "language_php"),
    query=_QUERY,
    extract=extract,
    resolve=resolve,
    config_names=frozenset({"composer.json"}),
)
