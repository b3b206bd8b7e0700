"""Go's build constraints: whether two files can ever be part of one build.

A file is limited by the end of its name (`_linux`, `_amd64`, `_linux_amd64`, before `_test`) and by its
`//go:build` line. A constraint is kept as the systems and processors under which it can hold, every
other tag being free; two files go together when they share one of each.
"""

import re
from dataclasses import dataclass
from functools import cache

_SYSTEMS = frozenset("""
aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris
wasip1 windows zos
""".split())  # fmt: skip # noqa: SIM905
_UNIX = frozenset("""
aix android darwin dragonfly freebsd hurd illumos ios linux netbsd openbsd solaris
""".split())  # fmt: skip # noqa: SIM905
_PROCESSORS = frozenset("""
386 amd64 amd64p32 arm arm64 arm64be armbe loong64 mips mips64 mips64le mips64p32 mips64p32le mipsle
ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm
""".split())  # fmt: skip # noqa: SIM905
_IMPLIED = {"android": "linux", "illumos": "solaris", "ios": "darwin"}
_TOKEN = re.compile(r"\s*(&&|\|\||[!()]|[\w.]+)")


@dataclass(frozen=True, slots=True)
class Builds:
    """Where a file can be part of a build."""

    systems: frozenset[str] = _SYSTEMS
    processors: frozenset[str] = _PROCESSORS

    def together(self, other: "Builds") -> bool:
        """Return whether some build has both files."""
        return bool(self.systems & other.systems) and bool(self.processors & other.processors)


ANYWHERE = Builds()


@cache
def builds(name: str, constraint: str) -> Builds:
    """Return where a file of this name with this `//go:build` expression is built."""
    systems, processors = _SYSTEMS, _PROCESSORS
    words = name.removesuffix(".go").removesuffix("_test").split("_")[1:]
    if words and words[-1] in _PROCESSORS:
        processors = frozenset({words.pop()})
    if words and words[-1] in _SYSTEMS:
        systems = frozenset(system for system in _SYSTEMS if words[-1] in _tags(system))
    if constraint:
        tokens = _TOKEN.findall(constraint)
        systems = frozenset(s for s in systems if _can(tokens, _SYSTEMS | {"unix"}, _tags(s)))
        processors = frozenset(p for p in processors if _can(tokens, _PROCESSORS, frozenset({p})))
    return Builds(systems, processors)


def _tags(system: str) -> frozenset[str]:
    implied = {_IMPLIED[system]} if system in _IMPLIED else set()
    return frozenset({system, *implied, *(("unix",) if system in _UNIX else ())})


def _can(tokens: list[str], known: frozenset[str], true: frozenset[str]) -> bool:
    """Return whether an expression can hold when of the `known` tags just the `true` ones do."""
    expression = _Expression(list(tokens), known, true)
    return bool(expression.either()[0]) or bool(expression.tokens)


class _Expression:
    """Evaluates a constraint to (can be true, can be false); one that is malformed can be both."""

    def __init__(self, tokens: list[str], known: frozenset[str], true: frozenset[str]) -> None:
        self.tokens = tokens
        self._known = known
        self._true = true

    def either(self) -> tuple[bool, bool]:
        value = self._both()
        while self._took("||"):
            other = self._both()
            value = (value[0] or other[0], value[1] and other[1])
        return value

    def _both(self) -> tuple[bool, bool]:
        value = self._one()
        while self._took("&&"):
            other = self._one()
            value = (value[0] and other[0], value[1] or other[1])
        return value

    def _one(self) -> tuple[bool, bool]:
        if self._took("!"):
            can, cannot = self._one()
            return cannot, can
        if self._took("("):
            value = self.either()
            self._took(")")
            return value
        tag = self.tokens.pop(0) if self.tokens else ""
        if tag not in self._known:
            return True, True
        return tag in self._true, tag not in self._true

    def _took(self, token: str) -> bool:
        if self.tokens[:1] == [token]:
            del self.tokens[0]
            return True
        return False
