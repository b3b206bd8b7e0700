"""Which pairs of Java files jdeps and a reader of the source can agree on, told by words alone.

A pair counts if the importer names the imported type outside comments, strings and imports (else the
import is unused, or the type stands only in the descriptor of something that the importer calls), and
not only to read constants that the compiler copies (`ConstantValue` in the type's class file) or to give
one to an annotation (`@Contract(threading = Behaviour.SAFE)`: jdeps does not look at enum values there),
and if the type is no annotation that jdeps does not look at. Nothing here looks at what a resolver found.
"""

import re
from collections.abc import Mapping

from tests.bench.jdeps import Compiled

_SKIPPED = re.compile(
    r'//[^\n]*|/\*.*?\*/|"""(?:\\.|[^\\])*?"""|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'',
    re.DOTALL,
)
_IMPORT = re.compile(r"\bimport\s+(static\s+)?([\w.]+)(\s*\.\s*\*)?\s*;")
_PACKAGE = re.compile(r"\bpackage\s+([\w.]+)\s*;")
_WORD = re.compile(r"[A-Za-z_$][\w$]*")
_ANNOTATED = re.compile(r"@[\w.]+\s*(\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))")
_VALUE = re.compile(r"\b[\w$.]+\s*\.\s*(?!class\b)[A-Za-z_$][\w$]*")
_MEMBER = re.compile(r"([A-Za-z_$][\w$]*)\s*\.\s*([A-Za-z_$][\w$]*)")


class Uses:
    """The words of each file of a tree, beside the classes made of it."""

    def __init__(self, texts: Mapping[str, str], compiled: Compiled) -> None:
        self._compiled = compiled
        self._names: dict[str, set[str]] = {}
        for name in compiled.classes:
            path = compiled.path(name)
            if path is not None:
                simple = name.rpartition(".")[2].split("$")
                self._names.setdefault(path, set()).update(p for p in simple if not p.isdigit())
        self._words: dict[str, set[str]] = {}
        self._members: dict[str, dict[str, list[str]]] = {}
        self._counts: dict[str, dict[str, int]] = {}
        self._static: dict[str, dict[str, set[str]]] = {}
        for path, text in texts.items():
            self._read(path, _SKIPPED.sub(" ", text))

    def traced(self, importer: str, imported: str) -> bool:
        """Return whether the importer uses a type of the imported file in a way that both can see."""
        if imported in self._compiled.erased:
            return False
        names = self._names.get(imported, set())
        constants = self._compiled.constants.get(imported, frozenset())
        for name in names & self._words[importer]:
            members = self._members[importer].get(name, [])
            inlined = sum(member in constants for member in members)
            if self._counts[importer][name] > inlined:
                return True
        for name in names & self._static[importer].keys():
            taken = self._static[importer][name]
            if "*" in taken or any(m in self._words[importer] for m in taken - constants):
                return True
        return False

    def _read(self, path: str, code: str) -> None:
        self._static[path] = {}
        for static, target, star in _IMPORT.findall(code):
            if static:
                owner, _, member = target.rpartition(".")
                owner, member = (target, "*") if star else (owner, member)
                taken = self._static[path].setdefault(owner.rpartition(".")[2], set())
                taken.add(member)
        body = _PACKAGE.sub(" ", _IMPORT.sub(" ", code))
        body = _ANNOTATED.sub(lambda match: _VALUE.sub(" ", match[0]), body)
        counts: dict[str, int] = {}
        for word in _WORD.findall(body):
            counts[word] = counts.get(word, 0) + 1
        self._counts[path] = counts
        self._words[path] = set(counts)
        members: dict[str, list[str]] = {}
        for owner, member in _MEMBER.findall(body):
            members.setdefault(owner, []).append(member)
        self._members[path] = members
