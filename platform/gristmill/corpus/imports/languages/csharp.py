"""C#: namespaces, `using` in all its forms, partial types, attributes, extension methods.

A namespace is a package: the namespaces around the code have their names in sight, from the innermost
to the global one, then come those of `using`. A `global using`, in a file or in a project file, holds
for all files of its project: the nearest folder above with a project file. A partial type is every
file that declares a part. `value.Name` uses the extension methods called `Name` that are in sight.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from posixpath import dirname

from gristmill.corpus.imports import packages
from gristmill.corpus.imports.model import (
    Captures,
    Edge,
    Found,
    Import,
    LanguageRules,
    Parsed,
    Repository,
)
from gristmill.corpus.imports.scopes import text, texts

LANGUAGE = "C#"
_QUERY = """
(using_directive) @using
(namespace_declaration) @namespace
(file_scoped_namespace_declaration) @namespace
[(class_declaration) (struct_declaration) (interface_declaration) (enum_declaration)
 (record_declaration) (delegate_declaration)] @declaration
((method_declaration name: (identifier) @extension
   parameters: (parameter_list . (parameter (modifier) @this))) (#eq? @this "this"))
((class_declaration (modifier) @static body: (declaration_list [
   (method_declaration name: (identifier) @shared)
   (property_declaration name: (identifier) @shared)
   (field_declaration (variable_declaration (variable_declarator name: (identifier) @shared)))]))
 (#eq? @static "static"))
((_ (modifier) @modifier name: (identifier) @partial) (#eq? @modifier "partial"))
(class_declaration name: (identifier) @name)
(struct_declaration name: (identifier) @name)
(interface_declaration name: (identifier) @name)
(enum_declaration name: (identifier) @name)
(record_declaration name: (identifier) @name)
(delegate_declaration name: (identifier) @name)
(type_parameter name: (identifier) @name)
(method_declaration name: (identifier) @variable)
(local_function_statement name: (identifier) @variable)
(property_declaration name: (identifier) @variable)
(event_declaration name: (identifier) @variable)
(variable_declarator name: (identifier) @variable)
(parameter name: (identifier) @variable)
(enum_member_declaration name: (identifier) @variable)
(constructor_declaration name: (identifier) @skipped)
(destructor_declaration name: (identifier) @skipped)
(declaration_pattern name: (identifier) @variable)
(foreach_statement left: (identifier) @variable)
(catch_declaration name: (identifier) @variable)
(assignment_expression left: (identifier) @skipped)
(argument name: (identifier) @skipped)
(member_access_expression name: (identifier) @member)
(member_access_expression name: (generic_name . (identifier) @member))
(member_binding_expression name: (identifier) @member)
(qualified_name name: (identifier) @skipped)
(qualified_name name: (generic_name . (identifier) @skipped))
(qualified_name qualifier: (qualified_name)) @qualified
(qualified_name qualifier: (identifier)) @qualified
(qualified_name qualifier: (alias_qualified_name)) @qualified
(alias_qualified_name) @qualified
(member_access_expression expression: (member_access_expression)) @qualified
(member_access_expression expression: (identifier)) @qualified
(base_list [(identifier) (generic_name) (qualified_name)] @super)
(base_list (primary_constructor_base_type type: (_) @super))
(attribute name: (identifier) @attribute)
(attribute name: (qualified_name name: (identifier) @attribute))
(_ type: (identifier) @type)
(_ returns: (identifier) @type)
(nullable_type (identifier) @type)
(array_type (identifier) @type)
(base_list (identifier) @type)
(type_argument_list (identifier) @type)
(generic_name . (identifier) @type)
(identifier) @use
"""
_USING = re.compile(
    r"(global\s+)?using\s+(static\s+)?(?:unsafe\s+)?(?:(@?\w+)\s*=\s*)?([\w@.:\s]+)(?:<.*>)?\s*;",
    re.DOTALL,
)
_PROJECT_USING = re.compile(r"<Using\s+([^>]*?)/?>")
_ATTRIBUTE = re.compile(r"(\w+)\s*=\s*\"([^\"]*)\"")
_ARGUMENTS = re.compile(r"<[^<>]*>")
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_QUALIFIED = re.compile(r"(?:global::)?(@?[A-Za-z_]\w*(?:\s*\.\s*@?[A-Za-z_]\w*)+)")
_TEST_FOLDER = re.compile(r"(^|[/.])\w*[tT]ests?([/.]|$)")
_GLOBAL = "global "
_MAX_QUALIFIED_BYTES = 200


def extract(captures: Captures, data: bytes) -> Found:
    """Return the usings, what the file gives to its namespaces, and the names it does not bind."""
    scopes = _Scopes(captures, data)
    imports = [*_usings(captures, data), *_qualified(captures, data)]
    for node in captures.get("super", ()):
        around = scopes.types_around(node.start_byte)
        names = (around,) if around else ()
        target = _plain(text(node, data))
        imports.append(Import(target, node.start_point[0] + 1, names, form=packages.EXTENDS))
    imports += [Import(name, 1, form=packages.PACKAGE) for name in scopes.in_sight()]
    declared = scopes.declared(captures)
    return Found(
        imports=tuple(imports),
        package=scopes.package,
        declared=frozenset(declared),
        used=_used(captures, data),
    )


def _usings(captures: Captures, data: bytes) -> Iterator[Import]:
    for node in captures.get("using", ()):
        match = _USING.match(_COMMENT.sub(" ", text(node, data)))
        if match is not None:
            scope = _GLOBAL if match[1] else ""
            names = (match[3].lstrip("@"),) if match[3] else ()
            form = "static" if match[2] else "" if match[3] else "*"
            yield Import(_plain(match[4]), node.start_point[0] + 1, names, form=scope + form)


def _qualified(captures: Captures, data: bytes) -> Iterator[Import]:
    """Yield the dotted names of the code that do not start from a variable of the file."""
    variables = texts(captures.get("variable", ()), data) | texts(captures.get("name", ()), data)
    lines: dict[str, int] = {}
    seen = -1
    quiet = _quiet(captures)
    for node in sorted(captures.get("qualified", ()), key=lambda n: (n.start_byte, -n.end_byte)):
        if node.start_byte == seen or any(low <= node.start_byte < high for low, high in quiet):
            continue  # the longest one says it all
        seen = node.start_byte
        start = data[seen : min(node.end_byte, seen + _MAX_QUALIFIED_BYTES)]
        match = _QUALIFIED.match(start.decode("utf-8", "replace"))
        if match is not None:
            name = _plain(match[1])
            if name.partition(".")[0] not in variables:
                lines.setdefault(name, node.start_point[0] + 1)
    yield from (Import(name, line, form="qualified") for name, line in sorted(lines.items()))


def _used(captures: Captures, data: bytes) -> frozenset[str]:
    bound = texts(captures.get("name", ()), data)
    variables = texts(captures.get("variable", ()), data)
    types = texts(captures.get("type", ()), data)
    attributes = texts(captures.get("attribute", ()), data)
    types |= attributes | {f"{name}Attribute" for name in attributes}
    members = texts(captures.get("member", ()), data)
    skipped = {
        node.start_byte
        for name in ("name", "variable", "skipped", "member", "attribute", "type")
        for node in captures.get(name, ())
    }
    quiet = _quiet(captures)
    last = max((end for _start, end in quiet), default=0)
    plain = {
        text(node, data)
        for node in captures.get("use", ())
        if node.start_byte not in skipped
        and not (
            node.start_byte < last and any(low <= node.start_byte < high for low, high in quiet)
        )
    }
    parts = texts(captures.get("partial", ()), data) - variables
    names = ((types | (plain - variables)) - bound) | parts
    return frozenset(names | {packages.EXTENSION + name for name in members - variables})


def _quiet(captures: Captures) -> list[tuple[int, int]]:
    """Return where names use nothing by themselves: in usings and in the names of namespaces."""
    named = [node.child_by_field_name("name") for node in captures.get("namespace", ())]
    nodes = [*captures.get("using", ()), *(node for node in named if node is not None)]
    return sorted((node.start_byte, node.end_byte) for node in nodes)


class _Scopes:
    """Where each namespace and each type of a file begins and ends."""

    def __init__(self, captures: Captures, data: bytes) -> None:
        self._data = data
        self._namespaces: list[tuple[int, int, str]] = []
        for node in sorted(captures.get("namespace", ()), key=lambda node: node.start_byte):
            named = node.child_by_field_name("name")
            name = _plain(text(named, data)) if named is not None else ""
            whole = packages.joined(self._namespace_at(node.start_byte), name)
            filed = node.type == "file_scoped_namespace_declaration"
            end = len(data) + 1 if filed else node.end_byte
            self._namespaces.append((node.start_byte, end, whole))
        self._types: list[tuple[int, int, str]] = []
        for node in sorted(captures.get("declaration", ()), key=lambda node: node.start_byte):
            named = node.child_by_field_name("name")
            if named is not None:
                around = self.types_around(node.start_byte)
                dotted = packages.joined(around, _plain(text(named, data)))
                self._types.append((node.start_byte, node.end_byte, dotted))
        filled = {self._namespace_at(start) for start, _end, _name in self._types}
        self.package = filled.pop() if len(filled) == 1 else ""

    def _namespace_at(self, place: int) -> str:
        around = (name for start, end, name in reversed(self._namespaces) if start < place < end)
        return next(around, "")

    def types_around(self, place: int) -> str:
        """Return the dotted name of the innermost type around a place."""
        around = (name for start, end, name in reversed(self._types) if start < place < end)
        return next(around, "")

    def in_sight(self) -> list[str]:
        """Return the namespaces whose names the file sees, the innermost first, the global one last."""
        found: dict[str, None] = {}
        for _start, _end, name in reversed(self._namespaces):
            while name:
                found[name] = None
                name = name.rpartition(".")[0]
        return [*sorted(found, key=lambda name: -name.count(".")), ""]

    def declared(self, captures: Captures) -> set[str]:
        """Return what the file declares, relative to its namespace."""
        found = {self._placed(name, start) for start, _end, name in self._types}
        found |= {
            self._placed(
                packages.joined(self.types_around(node.start_byte), text(node, self._data)),
                node.start_byte,
            )
            for node in captures.get("shared", ())
        }
        return found | {
            self._placed(packages.EXTENSION + text(node, self._data), node.start_byte)
            for node in captures.get("extension", ())
        }

    def _placed(self, name: str, place: int) -> str:
        below = self._namespace_at(place).removeprefix(self.package).lstrip(".")
        return f"{below}/{name}" if below else name


def _plain(name: str) -> str:
    """Return a dotted name without comments, type arguments, spaces, `global::` and `@`."""
    name = _COMMENT.sub("", name)
    while "<" in name and _ARGUMENTS.search(name):
        name = _ARGUMENTS.sub("", name)
    return "".join(name.replace("@", "").split()).removeprefix("global::").replace("::", ".")


def resolve(repository: Repository) -> Iterator[Edge]:
    """Yield the edges between the C# files of a repository."""
    files = dict(repository.of([LANGUAGE]))
    projects = _Projects(repository.configs)
    types = packages.Types(files, projects.of, _is_test)
    shared = projects.global_usings(files)
    complete = {}
    for path, parsed in files.items():
        bases = packages.in_sight(parsed)
        own = [
            found
            for found in parsed.imports
            if not found.form.startswith(_GLOBAL)
            and (found.form != "qualified" or types.in_namespace(found.target, bases))
        ]
        given = shared.get(projects.of(path), ())
        own += [found for found in given if _wanted(found, path, parsed, types)]
        whole = replace(parsed, imports=tuple(own))
        complete[path] = packages.absolute(path, whole, types)
    for edge in packages.edges(complete, LANGUAGE, types):
        yield edge if edge.line else replace(edge, line=None)


def _wanted(found: Import, path: str, parsed: Parsed, types: packages.Types) -> bool:
    """Return whether a file makes use of a global using, as far as it names something of its own."""
    if found.form == "*":
        return True
    if found.form == "static":
        places = types.places(path, found.target)
        return any(name in parsed.used for place in places for name in types.members(place))
    return found.names[0] in parsed.used


class _Projects:
    """The projects of a repository, by the folders of their project files."""

    def __init__(self, configs: Mapping[str, str]) -> None:
        self._configs = configs
        self._folders = {dirname(path) for path in configs if path.endswith("proj")}

    def of(self, path: str) -> str:
        """Return the folder of the project that a file belongs to; the root if there is none."""
        folder = dirname(path)
        while folder and folder not in self._folders:
            folder = dirname(folder)
        return folder

    def global_usings(self, files: Mapping[str, Parsed]) -> dict[str, list[Import]]:
        """Return by project the usings that hold for all of its files; line 0: not in the file."""
        found: dict[str, list[Import]] = {}
        for path, parsed in files.items():
            for one in parsed.imports:
                if one.form.startswith(_GLOBAL):
                    form = one.form.removeprefix(_GLOBAL)
                    found.setdefault(self.of(path), []).append(replace(one, line=0, form=form))
        for path, content in sorted(self._configs.items()):
            if path.endswith((".csproj", ".props")):
                below = [folder for folder in {*self._folders, ""} if _inside(folder, path)]
                for item in _PROJECT_USING.findall(content):
                    for folder in below:
                        found.setdefault(folder, []).extend(_project_using(item))
        return found


def _inside(folder: str, path: str) -> bool:
    """Return whether what a build file says holds for a project's folder."""
    base = dirname(path)
    if path.endswith(".csproj"):
        return folder == base
    return not base or f"{folder}/".startswith(f"{base}/")


def _project_using(item: str) -> Iterator[Import]:
    values = dict(_ATTRIBUTE.findall(item))
    target = values.get("Include", "")
    if target:
        alias = values.get("Alias", "")
        form = "static" if values.get("Static", "").lower() == "true" else "" if alias else "*"
        yield Import(target, 0, (alias,) if alias else (), form=form)


def _is_test(path: str, _parsed: Parsed) -> bool:
    return _TEST_FOLDER.search(dirname(path)) is not None


RULES = LanguageRules(
    languages=(LANGUAGE,),
    grammar=lambda _language, _path: ("tree_sitter_c_sharp", "language"),
    query=_QUERY,
    extract=extract,
    resolve=resolve,
    unordered=frozenset({"attribute", "member", "skipped", "type", "use", "variable"}),
    config_names=frozenset({"*.csproj", "Directory.Build.props"}),
)
