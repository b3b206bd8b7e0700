"""Which file of a repository an `#include` means, when nobody says which folders the compiler searches.

Certain are the file beside the includer (in quotes only) and what a compile database says. Else the
candidates are the files whose path ends in what is included; what remains of such a path is the
include folder that the compiler must have been given. A lone candidate is taken, and shows that its
includer's build searches that folder. Several candidates are told apart by such folders: shown by
other includes of the same file; above the includer; shown by files around it; named like an include
folder; nearest. Where that leaves more than one, the include means none.

No candidate is a header of the standard libraries in brackets, unless an include folder of the
includer's own project holds it; nor one in a folder of another platform, seen from outside; nor one
far from the template (`config.h.in`) from which the build makes the header.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from posixpath import basename, dirname, join, normpath

from gristmill.corpus.imports.model import Import
from gristmill.corpus.imports.nearness import nearest

_FOLDER_NAMES = frozenset({"include", "includes", "inc", "src", "source", "sources", "lib", "libs"})
_PLATFORMS = re.compile(
    r"(win(dows|32|64|ce|nt)?|w32|msvc|msw|visualc|vc\d*|vms|os400|os2|macos|mac|osx|darwin|android|ios|"
    r"amiga|symbian|djgpp|dos|msdos|watcom|mingw(32|64)?|beos|haiku|nt|riscos|netware|epoc|xbox)",
    re.IGNORECASE,
)
_TEMPLATE = re.compile(r"(?P<header>.+\.(?:h|hh|hpp|hxx))(?:\.(?:in|cmake|meson|mesonbuild))+")
TEMPLATES = frozenset({"*.h.in", "*.hpp.in", "*.h.cmake", "*.hpp.cmake", "*.h.cmake.in",
                       "*.h.in.cmake", "*.h.meson"})  # fmt: skip
"""Names of files from which a build makes headers."""
_STANDARD_HEADERS = """
assert.h complex.h ctype.h errno.h fenv.h float.h inttypes.h iso646.h limits.h locale.h math.h
setjmp.h signal.h stdalign.h stdarg.h stdatomic.h stdbit.h stdbool.h stdckdint.h stddef.h stdint.h
stdio.h stdlib.h stdnoreturn.h string.h tgmath.h threads.h time.h uchar.h wchar.h wctype.h
aio.h alloca.h byteswap.h cpio.h dirent.h dlfcn.h elf.h endian.h err.h execinfo.h
fcntl.h features.h fnmatch.h ftw.h getopt.h glob.h grp.h iconv.h ifaddrs.h langinfo.h libgen.h
link.h malloc.h memory.h mntent.h monetary.h netdb.h nl_types.h poll.h pthread.h pty.h pwd.h regex.h
resolv.h sched.h search.h semaphore.h shadow.h spawn.h strings.h stropts.h sysexits.h syslog.h tar.h
termios.h ucontext.h ulimit.h unistd.h utime.h utmp.h utmpx.h values.h wordexp.h windows.h
winsock2.h io.h direct.h process.h conio.h tchar.h Python.h zlib.h
"""
_STANDARD = frozenset(_STANDARD_HEADERS.split())
_STANDARD_FOLDERS = (
    "sys/",
    "net/",
    "netinet/",
    "arpa/",
    "linux/",
    "asm/",
    "bits/",
    "mach/",
    "rpc/",
)


class Headers:
    """Finds included files among all source files of a repository."""

    def __init__(
        self,
        files: Iterable[str],
        configs: Iterable[str] = (),
        folders: Mapping[str, list[str]] | None = None,
    ) -> None:
        self._files = frozenset(files)
        self._named: dict[str, list[str]] = {}
        for path in sorted(self._files):
            self._named.setdefault(basename(path), []).append(path)
        self._templates: dict[str, list[str]] = {}
        for path in sorted(configs):
            if match := _TEMPLATE.fullmatch(basename(path)):
                self._templates.setdefault(match["header"], []).append(dirname(path))
        self._folders = folders or {}
        counts = Counter(folder for some in self._folders.values() for folder in set(some))
        self._all_folders = sorted(counts, key=lambda folder: (-counts[folder], folder))

    def find(self, includes: Iterable[tuple[str, Import]]) -> Iterator[tuple[str, Import, str]]:
        """Yield each include of an importer with the file that it means, where it means one."""
        shown: dict[
            str, Counter[str]
        ] = {}  # files and folders -> include folders of lone candidates
        doubtful: list[tuple[str, Import, dict[str, str]]] = []
        for importer, found in includes:
            path = self._certain(importer, found)
            if path is None:
                roots = self._candidates(importer, found)
                if len(roots) > 1:
                    doubtful.append((importer, found, roots))
                    continue
                path = next(iter(roots), None)
                if path is not None:
                    for place in _upwards(importer):
                        shown.setdefault(place, Counter())[roots[path]] += 1
            if path is not None:
                yield importer, found, path
        for importer, found, roots in doubtful:
            path = _told_apart(importer, found, roots, shown)
            if path is not None:
                yield importer, found, path

    def _certain(self, importer: str, found: Import) -> str | None:
        places = self._folders.get(importer, self._all_folders)
        for folder in [dirname(importer), *places] if found.form == "quote" else places:
            path = normpath(join(folder, found.target))
            if path in self._files:
                return path
        return None

    def _candidates(self, importer: str, found: Import) -> dict[str, str]:
        """Return the files that the include may mean, each with its include folder."""
        if not found.target or found.target.startswith("/"):
            return {}
        suffix = normpath(found.target)
        while suffix.startswith("../"):
            suffix = suffix[3:]
        here = dirname(importer)
        roots = {
            path: path.removesuffix(suffix).rstrip("/")
            for path in self._named.get(basename(suffix), ())
            if path == suffix or path.endswith("/" + suffix)
        }
        if found.form == "angle" and _is_standard(found.target):
            return {
                path: root
                for path, root in roots.items()
                if basename(root).startswith("inc") and _above(dirname(root), here)
            }
        made = self._templates.get(basename(suffix), ())
        return {
            path: root
            for path, root in roots.items()
            if (_above(root, here) or not _PLATFORMS.fullmatch(basename(root)))
            and (not made or dirname(path) in (here, *made))
        }


def _told_apart(
    importer: str, found: Import, roots: Mapping[str, str], shown: Mapping[str, Counter[str]]
) -> str | None:
    here = dirname(importer)
    file, *folders = (shown.get(place, Counter[str]()) for place in _upwards(importer))
    above = [path for path in roots if _above(roots[path], here)]
    if found.form == "angle" and len(above) > 1:
        above = [path for path in above if roots[path] != here or file[here]]
    for known in (
        _most(roots, file),
        [max(above, key=lambda path: len(roots[path]))] if above else [],
        *(_most(roots, counts) for counts in folders),
        nearest(
            [path for path in roots if basename(roots[path]) in _FOLDER_NAMES],
            here,
            roots.__getitem__,
        ),
        nearest(roots, here, roots.__getitem__),
    ):
        if known:
            return known[0] if len(known) == 1 else None
    return None


def _most(roots: Mapping[str, str], counts: Counter[str]) -> list[str]:
    """Return the candidates whose include folder is shown most often, if any is."""
    best = max(counts[root] for root in roots.values())
    return [path for path, root in roots.items() if best and counts[root] == best]


def _upwards(path: str) -> Iterator[str]:
    """Yield the path and every folder above it, to the top."""
    yield path
    while path:
        path = dirname(path)
        yield f"{path}/"


def _above(root: str, here: str) -> bool:
    return not root or f"{here}/".startswith(f"{root}/")


def _is_standard(target: str) -> bool:
    return target in _STANDARD or target.startswith(_STANDARD_FOLDERS)
