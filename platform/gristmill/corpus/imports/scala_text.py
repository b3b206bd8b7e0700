"""The parts of Scala's syntax that are easier read as text than as a tree: import clauses."""

import re
from collections.abc import Iterator

from gristmill.corpus.imports.model import Import

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_KEYWORD = re.compile(r"(?:import|export)\s+")
_RENAMED = re.compile(r"^(\S+)\s*(?:=>|\bas\b)\s*(\S+)$")
_CLAUSE = re.compile(r"[^,{]+(?:\{[^}]*\})?")
_ARGUMENTS = re.compile(r"\[[^\[\]]*\]")
_WILDCARDS = frozenset({"_", "*", "given"})
_QUALIFIED = re.compile(r"[a-z_]\w*(?:\.\w+)*?\.[A-Z]\w*")


def import_clauses(statement: str, line: int) -> Iterator[Import]:
    """Yield what one `import` statement names; `names` holds the alias where there is one.

    A name that is hidden (`Name => _`) is not imported.
    """
    code = _KEYWORD.sub("", _COMMENT.sub(" ", statement), count=1)
    for clause in _CLAUSE.findall(code):
        path, brace, selectors = clause.strip().partition("{")
        if brace:
            base = plain_name(path).rstrip(".")
            for selector in selectors.rstrip("} \n").split(","):
                yield from _selected(base, " ".join(selector.split()), line)
        else:
            renamed = _RENAMED.match(" ".join(path.split()))
            whole = plain_name(renamed[1] if renamed else path)
            base, _, name = whole.rpartition(".")
            yield from _selected(base, f"{name} as {renamed[2]}" if renamed else name, line)


def _selected(base: str, selector: str, line: int) -> Iterator[Import]:
    renamed = _RENAMED.match(selector)
    if renamed is not None:
        if renamed[2] != "_":
            target = f"{base}.{plain_name(renamed[1])}" if base else plain_name(renamed[1])
            yield Import(target, line, (plain_name(renamed[2]),))
    elif selector.split(" ")[0] in _WILDCARDS:
        yield Import(base, line, form="*")
    elif selector:
        name = plain_name(selector)
        yield Import(f"{base}.{name}" if base else name, line)


def plain_name(name: str) -> str:
    """Return a dotted name without comments, type arguments, spaces, backquotes and `_root_`."""
    name = _COMMENT.sub("", name)
    while "[" in name and _ARGUMENTS.search(name):
        name = _ARGUMENTS.sub("", name)
    return "".join(name.replace("`", "").split()).removeprefix("_root_.")


def qualified_name(code: str) -> str | None:
    """Return the start of a text that reads as a package and a type in it: `a.b.Name`."""
    match = _QUALIFIED.match(code.removeprefix("_root_."))
    return None if match is None else match[0]
