"""Files by how their paths end: for languages whose search roots nobody wrote down.

An import of `a/b` is then one of the files whose path ends in `/a/b`, or is it. The folder left of
the ending is the root that such a lookup supposes.
"""

from collections.abc import Iterable
from posixpath import basename

from gristmill.corpus.imports.nearness import shared


class Endings:
    """Some paths, found by their ends."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._named: dict[str, list[str]] = {}
        for path in sorted(paths):
            self._named.setdefault(basename(path), []).append(path)

    def roots(self, ending: str) -> list[str]:
        """Return the folders under which a path of this ending lies; the repository's is ``""``."""
        found = []
        for path in self._named.get(basename(ending), ()):
            if path == ending:
                found.append("")
            elif path.endswith(f"/{ending}"):
                found.append(path[: -len(ending) - 1])
        return found

    def best(self, ending: str, folder: str, favoured: Iterable[str] = ()) -> str | None:
        """Return the path of this ending that a file in a folder means, if there is one.

        First those under a favoured root, then those under a folder that the asker is in, then those
        whose root shares most with the asker's folder; of equals the shortest root.
        """
        roots = self.roots(ending)
        if not roots:
            return None
        known = frozenset(favoured)
        root = min(
            roots,
            key=lambda root: (
                root not in known,
                not above(root, folder),
                -shared(root, folder),
                root.count("/"),
                root,
            ),
        )
        return f"{root}/{ending}" if root else ending


def above(root: str, folder: str) -> bool:
    """Return whether a folder is or is in a root."""
    return not root or folder == root or folder.startswith(f"{root}/")
