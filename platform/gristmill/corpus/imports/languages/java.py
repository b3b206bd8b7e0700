"""Java: explicit, wildcard and static imports, fully qualified names, same-package use.

A simple name means, in the language's order: a type of the file itself, a single-type import, a type
of the same package, a type of a package imported with `*`. Same-package and wildcard use give one
edge to each file that declares a used name. A member type inherited from a class of another file comes
before all of these but a single-type import. Which files declare a name is `packages.Types`'s affair.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator

from gristmill.corpus.imports import packages
from gristmill.corpus.imports.model import (
    Captures,
    Edge,
    Found,
    Import,
    LanguageRules,
    Repository,
)
from gristmill.corpus.imports.scopes import text, texts

LANGUAGE = "Java"
_TYPES = """[
  (class_declaration name: (identifier) @{0}) (interface_declaration name: (identifier) @{0})
  (enum_declaration name: (identifier) @{0}) (record_declaration name: (identifier) @{0})
  (annotation_type_declaration name: (identifier) @{0})
]"""
_QUERY = f"""
(package_declaration [(identifier) (scoped_identifier)] @package)
(import_declaration) @import
{_TYPES.format("bound")}
[(class_declaration) (interface_declaration) (enum_declaration) (record_declaration)
 (annotation_type_declaration)] @declaration
(superclass (_) @super)
(super_interfaces (type_list (_) @super))
(extends_interfaces (type_list (_) @super))
(object_creation_expression type: (_) @super (class_body))
(type_parameter (type_identifier) @bound)
(type_identifier) @type
(scoped_type_identifier (type_identifier) @member .)
(scoped_type_identifier) @qualified
(marker_annotation name: (identifier) @type)
(annotation name: (identifier) @type)
(marker_annotation name: (scoped_identifier) @qualified)
(annotation name: (scoped_identifier) @qualified)
(method_invocation object: (identifier) @object)
(field_access object: (identifier) @object)
(method_reference . (identifier) @object)
(field_access) @qualified
(variable_declarator name: (identifier) @variable)
(formal_parameter name: (identifier) @variable)
"""
_IMPORT = re.compile(r"import\s+(static\s+)?([\w$.\s]+?)\s*(\.\s*\*)?\s*;")
_ARGUMENTS = re.compile(r"<[^<>]*>")
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_QUALIFIED = re.compile(r"[a-z_]\w*(?:\.\w+)*?\.[A-Z]\w*")


def extract(captures: Captures, data: bytes) -> Found:
    """Return the imports, the top-level types and the type names that the file does not declare."""
    imports = []
    for node in captures.get("import", ()):
        match = _IMPORT.match(_COMMENT.sub(" ", text(node, data)))
        if match is not None:
            target = "".join(match[2].split())
            form = ("static " if match[1] else "") + ("*" if match[3] else "")
            imports.append(Import(target, node.start_point[0] + 1, form=form.strip()))
    lines: dict[str, int] = {}
    for node in captures.get("qualified", ()):
        match = _QUALIFIED.match("".join(text(node, data).split()))
        if match is not None:
            line = node.start_point[0] + 1
            lines[match[0]] = min(line, lines.get(match[0], line))
    imports += [Import(name, line, form="qualified") for name, line in sorted(lines.items())]
    nesting = _nested_names(captures, data)
    imports += _supertypes(captures, data, nesting)
    members = {node.start_byte for node in captures.get("member", ())}
    types = {text(n, data) for n in captures.get("type", ()) if n.start_byte not in members}
    objects = texts(captures.get("object", ()), data) - texts(captures.get("variable", ()), data)
    types |= {name for name in objects if name[:1].isupper()}
    package = next((text(node, data) for node in captures.get("package", ())), "")
    return Found(
        imports=tuple(imports),
        package="".join(package.split()),
        declared=frozenset(nesting.values()),
        used=frozenset(types) - texts(captures.get("bound", ()), data),
    )


def _nested_names(captures: Captures, data: bytes) -> dict[int, str]:
    """Return the dotted name of each declared type by the end of its declaration's name.

    A type inside a method is named after the type around it, as if it were a member.
    """
    found: dict[int, str] = {}
    stack: list[tuple[int, str]] = []
    nodes = sorted(captures.get("declaration", ()), key=lambda node: node.start_byte)
    for node in nodes:
        name = node.child_by_field_name("name")
        if name is None:
            continue
        while stack and stack[-1][0] <= node.start_byte:
            stack.pop()
        dotted = f"{stack[-1][1]}.{text(name, data)}" if stack else text(name, data)
        stack.append((node.end_byte, dotted))
        found[name.end_byte] = dotted
    return found


def _supertypes(captures: Captures, data: bytes, nesting: dict[int, str]) -> list[Import]:
    """Return an `extends` import for each supertype, with the type that derives from it.

    The deriving type is the last whose name stands before; an anonymous class counts as that too.
    """
    ends = sorted(nesting)
    found = []
    for node in captures.get("super", ()):
        target = _ARGUMENTS.sub("", _COMMENT.sub(" ", text(node, data)))
        while "<" in target and _ARGUMENTS.search(target):
            target = _ARGUMENTS.sub("", target)
        index = bisect_right(ends, node.start_byte) - 1
        names = (nesting[ends[index]],) if index >= 0 else ()
        clean = "".join(re.sub(r"@[\w.]+", " ", target).split())
        found.append(Import(clean, node.start_point[0] + 1, names, form=packages.EXTENDS))
    return found


def resolve(repository: Repository) -> Iterator[Edge]:
    """Yield the edges from the Java files of a repository to its Java, Kotlin and Scala files."""
    files = dict(repository.of(packages.JVM))
    yield from packages.edges(files, LANGUAGE, packages.Types(files))


RULES = LanguageRules(
    languages=(LANGUAGE,),
    grammar=lambda _language, _path: ("tree_sitter_java", "language"),
    query=_QUERY,
    extract=extract,
    resolve=resolve,
    unordered=frozenset({"member", "object", "qualified", "type", "variable"}),
)
