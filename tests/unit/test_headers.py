"""Which header an include means: the clues of a tree, strongest first, and what is no clue."""

from gristmill.corpus.imports.headers import Headers
from gristmill.corpus.imports.model import Import


def meant(
    includes: dict[str, str],
    files: str,
    configs: str = "",
    folders: dict[str, list[str]] | None = None,
) -> dict[tuple[str, str], str]:
    """Return what each include means; `includes` maps importers to directives as written."""
    wanted = [
        (importer, Import(written[1:-1], line, form="quote" if written[0] == '"' else "angle"))
        for importer, all_written in includes.items()
        for line, written in enumerate(all_written.split())
    ]
    headers = Headers([*includes, *files.split()], configs.split(), folders)
    return {(who, found.target): path for who, found, path in headers.find(wanted)}


def test_other_includes_of_the_same_file_show_the_folder() -> None:
    found = meant(
        {"src/cli.c": "<hiredis.h> <sds.h>", "src/server.c": '"sds.h"'},
        "src/sds.h deps/hiredis/sds.h deps/hiredis/hiredis.h",
    )
    assert found["src/cli.c", "sds.h"] == "deps/hiredis/sds.h"
    assert found["src/server.c", "sds.h"] == "src/sds.h"


def test_files_around_show_the_folder() -> None:
    found = meant(
        {"app/one.c": '"lib_one.h"', "app/two.c": '"util.h"'},
        "deps/x/util.h deps/y/util.h deps/y/lib_one.h",
    )
    assert found["app/two.c", "util.h"] == "deps/y/util.h"
    assert ("app/two.c", "util.h") not in meant(
        {"app/two.c": '"util.h"'}, "deps/x/util.h deps/y/util.h"
    )


def test_a_folder_above_is_nearer_than_any_other() -> None:
    found = meant(
        {"lib/a/src/x.c": '"a/p.h"'}, "lib/a/p.h lib/a/src/q.h other/a/p.h other/lib/a/p.h"
    )
    assert found == {("lib/a/src/x.c", "a/p.h"): "lib/a/p.h"}


def test_a_header_of_another_platform_is_seen_from_its_folder_only() -> None:
    found = meant({"src/a.c": '"config.h"', "win32/b.c": '"config.h"'}, "win32/config.h")
    assert found == {("win32/b.c", "config.h"): "win32/config.h"}


def test_a_header_that_the_build_makes_is_not_its_namesake_elsewhere() -> None:
    files = "ports/config.h src/x.h"
    assert meant({"src/a.c": '"config.h"'}, files) == {("src/a.c", "config.h"): "ports/config.h"}
    assert meant({"src/a.c": '"config.h"'}, files, "src/config.h.in") == {}
    kept = meant({"src/a.c": '"config.h"'}, files, "ports/config.h.in.cmake")
    assert kept == {("src/a.c", "config.h"): "ports/config.h"}


def test_headers_of_the_system_are_not_the_repositorys() -> None:
    includes = {"src/a.c": "<string.h> <sys/stat.h> <local.h>"}
    assert meant(includes, "compat/string.h compat/sys/stat.h compat/local.h") == {
        ("src/a.c", "local.h"): "compat/local.h"
    }
    own = {"libc/src/a.c": "<sys/stat.h>", "app/b.c": "<sys/stat.h>"}
    assert meant(own, "libc/include/sys/stat.h") == {
        ("libc/src/a.c", "sys/stat.h"): "libc/include/sys/stat.h"
    }


def test_a_compile_database_decides() -> None:
    files = "one/util.h two/util.h src/util.h"
    folders = {"src/a.c": ["two", "one"], "src/z.c": ["two"]}
    includes = {"src/a.c": "<util.h>", "src/b.c": '"util.h"', "src/c.c": "<util.h>"}
    assert meant(includes, files, folders=folders) == {
        ("src/a.c", "util.h"): "two/util.h",
        ("src/b.c", "util.h"): "src/util.h",
        ("src/c.c", "util.h"): "two/util.h",  # not in the database: as most of its files do
    }
