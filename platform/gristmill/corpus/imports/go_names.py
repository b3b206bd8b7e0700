"""The names that a Go file uses, without a look at every node that holds one.

A file uses a name when one place of it is an identifier that nothing in the file binds there. Most places
are of a few names (`err`, `i`), so tokens are read by one regular expression, which Go's simple lexical
rules allow, and the tree is asked about a place only when its name could be new: half the cost of a query
for all identifiers, with the same answer. A tree with errors is not read so (`go.extract`).
"""

import re
from collections.abc import Mapping

from tree_sitter import Node

from gristmill.corpus.imports.scopes import Bound

_NAME = rb"[A-Za-z_\x80-\xff][\w\x80-\xff]*+"
_SPACE = rb"(?:\s|//[^\n]*+\n|/\*.*?\*/)*+"
_SKIPPED = rb"\"(?:[^\"\\\n]++|\\.)*+\"|`[^`]*+`|//[^\n]*+|/\*.*?\*/|'(?:[^'\\\n]++|\\.)*+'"
_TOKEN = re.compile(
    _SKIPPED
    + rb"|(?:(?<![\w.\x80-\xff])|(?<=\.\.\.))(%s)(?:%s\.%s(%s))?+" % (_NAME, _SPACE, _SPACE, _NAME),
    re.DOTALL,
)
_KEYWORDS = frozenset(
    b"""break case chan const continue default defer else fallthrough for func go goto if import
    interface map package range return select struct switch type var nil true false iota""".split()
)
_IDENTIFIERS = frozenset({"identifier", "type_identifier"})


def used_names(
    root: Node, data: bytes, bound: Mapping[bytes, Bound], binders: set[int], labels: set[int]
) -> tuple[set[str], set[str]]:
    """Return the names that are used and free, and `qualifier.Name` of the free qualifiers.

    `binders` are the places that bind a name, `labels` those where a name names a field.
    """
    names: set[bytes] = set()
    members: set[tuple[bytes, bytes]] = set()
    for match in _TOKEN.finditer(data):
        name, member = match.groups()
        if name is None or (name in names and (member is None or (name, member) in members)):
            continue
        start = match.start(1)
        if name in _KEYWORDS or start in binders or (member is None and start in labels):
            continue
        if name in bound and start in bound[name]:
            continue
        node = root.descendant_for_byte_range(start, start + len(name))
        if node is None or not _is_use(node):
            continue
        if start not in labels:
            names.add(name)
        if member is not None and _is_qualifier(node):
            members.add((name, member))
    plain = {name.decode("utf-8", "replace") for name in names}
    return plain, {
        f"{a.decode('utf-8', 'replace')}.{b.decode('utf-8', 'replace')}" for a, b in members
    }


def _is_use(node: Node) -> bool:
    kind = node.type
    if kind in _IDENTIFIERS:
        return True
    parent = node.parent
    return kind == "package_identifier" and parent is not None and parent.type == "qualified_type"


def _is_qualifier(node: Node) -> bool:
    parent = node.parent
    if parent is None:
        return False
    if parent.type == "qualified_type":
        return node.type == "package_identifier"
    return parent.type == "selector_expression" and parent.child_by_field_name("operand") == node
