"""C, C++ and CUDA: `#include`, and C++20 modules. One family, since headers are shared.

A quoted include is looked up beside the includer, then in the include folders of
`compile_commands.json` where there is one, then where the tree suggests: among the files whose path
ends in what is included, the one under a folder above the includer, or under a folder named like an
include folder, or the only one. A bracketed include skips the includer's folder, and a header of the
standard libraries counts only under a folder named like an include folder.
"""

import re
from collections.abc import Iterator, Mapping
from posixpath import basename, dirname, join, normpath

from gristmill.corpus.imports.compile_commands import include_folders
from gristmill.corpus.imports.model import (
    Captures,
    Edge,
    Found,
    Import,
    LanguageRules,
    Repository,
)
from gristmill.corpus.imports.nearness import nearest
from gristmill.corpus.imports.scopes import text

LANGUAGES = ("C", "C++", "CUDA")
_QUERY = """
(preproc_include path: [(string_literal) (system_lib_string)] @include)
(preproc_call) @call
(comment) @comment
(ERROR) @error
"""
_CALL = re.compile(r"""#\s*(?:include_next|import)\s*(["<][^">\n]+[">])""")
_DIRECTIVE = re.compile(
    rb"""^[ \t]*#[ \t]*include(?:_next)?[ \t]*(["<][^">\n]+[">])""", re.MULTILINE
)
_MODULE = re.compile(
    rb"^[ \t]*(export[ \t]+)?(module|import)[ \t]+([\w.:]+|<[^>\n]+>|\"[^\"\n]+\")[ \t]*;",
    re.MULTILINE,
)
_FOLDER_NAMES = frozenset({"include", "includes", "inc", "src", "source", "sources", "lib", "libs"})
_STANDARD_HEADERS = """
assert.h complex.h ctype.h errno.h fenv.h float.h inttypes.h iso646.h limits.h locale.h math.h
setjmp.h signal.h stdalign.h stdarg.h stdatomic.h stdbit.h stdbool.h stdckdint.h stddef.h stdint.h
stdio.h stdlib.h stdnoreturn.h string.h tgmath.h threads.h time.h uchar.h wchar.h wctype.h
aio.h alloca.h arpa/inet.h byteswap.h cpio.h dirent.h dlfcn.h elf.h endian.h err.h execinfo.h
fcntl.h features.h fnmatch.h ftw.h getopt.h glob.h grp.h iconv.h ifaddrs.h langinfo.h libgen.h
link.h linux/limits.h malloc.h memory.h mntent.h monetary.h net/if.h netdb.h netinet/in.h
netinet/tcp.h nl_types.h poll.h pthread.h pty.h pwd.h regex.h resolv.h sched.h search.h
semaphore.h shadow.h spawn.h strings.h stropts.h sysexits.h syslog.h tar.h termios.h ucontext.h
ulimit.h unistd.h utime.h utmp.h utmpx.h values.h wordexp.h windows.h winsock2.h io.h direct.h
process.h conio.h tchar.h Python.h zlib.h
"""
_STANDARD = frozenset(_STANDARD_HEADERS.split())


def extract(captures: Captures, data: bytes) -> Found:
    """Return the includes; `form` says whether in quotes or brackets."""
    imports = [
        _include(text(node, data), node.start_point[0] + 1) for node in captures.get("include", ())
    ]
    for node in captures.get("call", ()):
        match = _CALL.match(text(node, data))
        if match is not None:
            imports.append(_include(match[1], node.start_point[0] + 1))
    if "error" in captures:
        imports += _lost(captures, data, {found.line for found in imports})
    declared: set[str] = set()
    if b"module" in data or b"import" in data:
        own = ""
        for match_ in _MODULE.finditer(data):
            name = match_[3].decode("utf-8", "replace")
            line = data.count(b"\n", 0, match_.start(2)) + 1
            if match_[2] == b"module":
                own = name.partition(":")[0]
                if match_[1]:
                    declared.add(name)
                elif name == own:
                    imports.append(Import(name, line, kind="module"))
            elif name[0] in '<"':
                imports.append(_include(name, line))
            else:
                target = own + name if name.startswith(":") else name
                imports.append(Import(target, line, kind="module"))
    return Found(tuple(imports), declared=frozenset(declared))


def _lost(captures: Captures, data: bytes, seen: set[int]) -> Iterator[Import]:
    """Yield the includes in places where the grammar has none, such as the middle of a list."""
    comments = [(node.start_byte, node.end_byte) for node in captures.get("comment", ())]
    line, end = 1, 0
    for match in _DIRECTIVE.finditer(data):
        line, end = line + data.count(b"\n", end, match.start(1)), match.start(1)
        if line not in seen and not any(low <= end < high for low, high in comments):
            yield _include(match[1].decode("utf-8", "replace"), line)


def _include(written: str, line: int) -> Import:
    form = "quote" if written.startswith('"') else "angle"
    target = written.strip('<>" \t').replace("\\", "/")
    return Import(target, line, kind="include", form=form)


def resolve(repository: Repository) -> Iterator[Edge]:
    """Yield the edges of the C, C++ and CUDA files of a repository."""
    headers = _Headers(repository)
    modules: dict[str, list[str]] = {}
    for path, parsed in repository.of(LANGUAGES):
        for name in parsed.declared:
            modules.setdefault(name, []).append(path)
    for importer, parsed in repository.of(LANGUAGES):
        for found in parsed.imports:
            if found.kind == "module":
                for target in modules.get(found.target, ()):
                    yield Edge(importer, target, "module", parsed.language, found.line)
            else:
                header = headers.find(importer, found)
                if header is not None:
                    yield Edge(importer, header, "include", parsed.language, found.line)


class _Headers:
    """Finds included files among all source files of a repository."""

    def __init__(self, repository: Repository) -> None:
        self._files = repository.parsed
        self._named: dict[str, list[str]] = {}
        for path in sorted(self._files):
            self._named.setdefault(basename(path), []).append(path)
        self._folders = _commands(repository)
        self._all_folders = sorted({f for folders in self._folders.values() for f in folders})

    def find(self, importer: str, found: Import) -> str | None:
        """Return the file that an include means; None when it is elsewhere or cannot be told."""
        target, here = found.target, dirname(importer)
        if not target or target.startswith("/"):
            return None
        if found.form == "quote" and (path := self._at(here, target)) is not None:
            return path
        for folder in self._folders.get(importer, self._all_folders):
            if (path := self._at(folder, target)) is not None:
                return path
        return self._by_suffix(here, target, found.form)

    def _at(self, folder: str, target: str) -> str | None:
        path = normpath(join(folder, target))
        return path if path in self._files else None

    def _by_suffix(self, here: str, target: str, form: str) -> str | None:
        suffix = normpath(target)
        while suffix.startswith("../"):
            suffix = suffix[3:]
        known = [
            path
            for path in self._named.get(basename(suffix), ())
            if path == suffix or path.endswith("/" + suffix)
        ]
        roots = {path: path.removesuffix(suffix).rstrip("/") for path in known}
        named = [path for path in known if basename(roots[path]) in _FOLDER_NAMES]
        if form == "angle" and target in _STANDARD:
            known = [path for path in named if basename(roots[path]).startswith("inc")]
        else:
            above = [path for path in known if f"{here}/".startswith(f"{roots[path]}/".lstrip("/"))]
            if above:
                return max(above, key=lambda path: len(roots[path]))
        if len(known) == 1:
            return known[0]
        best = nearest(named if form != "angle" or target not in _STANDARD else known, here,
                       roots.__getitem__)  # fmt: skip
        return best[0] if len(best) == 1 else None


def _commands(repository: Repository) -> Mapping[str, list[str]]:
    """Return the include folders of each file that a `compile_commands.json` names."""
    found: dict[str, list[str]] = {}
    for path in sorted(repository.configs):
        if basename(path) == "compile_commands.json":
            found.update(include_folders(repository.configs[path], repository.parsed))
    return found


def _grammar(language: str, _path: str) -> tuple[str, str]:
    return ("tree_sitter_c" if language == "C" else "tree_sitter_cpp", "language")


RULES = LanguageRules(
    languages=LANGUAGES,
    grammar=_grammar,
    query=_QUERY,
    extract=extract,
    resolve=resolve,
    config_names=frozenset({"compile_commands.json"}),
)
