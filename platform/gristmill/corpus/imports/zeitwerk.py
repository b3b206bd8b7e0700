"""Constants that are loaded by name: which folders are roots, and which file a constant means.

In a Rails application every folder directly below `app`, and `concerns` below those, is a root; a gem
that sets up Zeitwerk has its `lib`. Below a root the path spells the constant: `admin/user.rb` is
`Admin::User`. A constant is looked up from the innermost module around its use outwards.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from posixpath import dirname, join

_HUMP = re.compile(r"(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_APPLICATION = "config/application.rb"


class Constants:
    """The constants that the roots of a repository give."""

    def __init__(self, declared: Mapping[str, frozenset[str]], gems: Iterable[str]) -> None:
        """`declared` holds constants by file, `gems` the folders of gems that set up Zeitwerk."""
        self._files = declared
        self._roots: dict[str, set[str]] = {}
        for path in declared:
            if path == _APPLICATION or path.endswith("/" + _APPLICATION):
                base = path.removesuffix(_APPLICATION).rstrip("/")
                self._roots[base] = _rails_roots(base, declared)
        for base in gems:
            self._roots.setdefault(base, set()).add(join(base, "lib"))
        self._declaring: dict[tuple[str, str], list[str]] = {}
        for path, names in declared.items():
            for base, roots in self._roots.items():
                if any(path.startswith(root + "/") for root in roots):
                    for name in names:
                        self._declaring.setdefault((base, name), []).append(path)

    def find(self, importer: str, nesting: str, name: str) -> str | None:
        """Return the file of the constant that a name means inside a module; None if there is none."""
        base = self._base(importer)
        if base is None:
            return None
        for full in _outwards(nesting, name):
            parts = full.split("::")
            least = len(parts) - len(name.removeprefix("::").split("::"))
            for end in range(len(parts), least, -1):  # A::B::LIMIT is in the file of A::B
                found = self._file(base, "::".join(parts[:end]))
                if found is not None:
                    return found
        return None

    def _base(self, importer: str) -> str | None:
        folder = dirname(importer)
        while True:
            if folder in self._roots:
                return folder
            if not folder:
                return None
            folder = dirname(folder)

    def _file(self, base: str, full: str) -> str | None:
        spelled = underscore(full) + ".rb"
        for root in sorted(self._roots[base]):
            if join(root, spelled) in self._files:
                return join(root, spelled)
        known = self._declaring.get((base, full), [])
        return known[0] if len(known) == 1 else None


def _rails_roots(base: str, paths: Collection[str]) -> set[str]:
    app = join(base, "app") + "/"
    found: set[str] = set()
    for path in paths:
        if path.startswith(app):
            parts = path.removeprefix(app).split("/")
            if len(parts) > 1:
                found.add(app + parts[0])
            if len(parts) > 2 and parts[1] == "concerns":
                found.add(f"{app}{parts[0]}/concerns")
    return found


def _outwards(nesting: str, name: str) -> Iterator[str]:
    """Yield the full names that a name may have, from the innermost module to the top."""
    if name.startswith("::"):
        yield name[2:]
        return
    while nesting:
        yield f"{nesting}::{name}"
        nesting = nesting.rpartition("::")[0]
    yield name


def underscore(name: str) -> str:
    """Return the path that spells a constant, as ActiveSupport does without extra inflections."""
    return "/".join(_HUMP.sub("_", part).lower() for part in name.split("::"))
