"""Where `composer.json` files of a repository say that classes are found: PSR-4 and PSR-0 prefixes."""

import json
from collections.abc import Iterator, Mapping
from posixpath import dirname, join, normpath
from typing import Any


class Autoload:
    """The prefixes of all packages in a repository."""

    def __init__(self, configs: Mapping[str, str]) -> None:
        self._prefixes: list[tuple[str, str, bool]] = []
        """(prefix in lower case, folder, whether the prefix stays in the path)."""
        for path, text in sorted(configs.items()):
            if path.rpartition("/")[2] == "composer.json":
                self._prefixes += _read(text, dirname(path))
        self._prefixes.sort(key=lambda entry: -len(entry[0]))

    def candidates(self, name: str) -> Iterator[str]:
        """Yield the paths that a full class name may have, the longest prefix first."""
        for prefix, folder, whole in self._prefixes:
            if name.lower().startswith(prefix):
                rest = name if whole else name[len(prefix) :]
                yield join(folder, rest.lstrip("\\").replace("\\", "/") + ".php")


def _read(text: str, base: str) -> Iterator[tuple[str, str, bool]]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return
    for section in ("autoload", "autoload-dev"):
        loading = _table(value, section)
        for standard in ("psr-4", "psr-0"):
            for prefix, folders in _table(loading, standard).items():
                for folder in folders if isinstance(folders, list) else [folders]:
                    if isinstance(folder, str):
                        place = normpath(join(base, folder))
                        whole = standard == "psr-0"
                        yield prefix.lower(), "" if place == "." else place, whole


def _table(value: Any, key: str) -> dict[str, Any]:
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}
