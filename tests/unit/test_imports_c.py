"""C and C++: where an include is looked up, and when it cannot be told."""

import pytest

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import import_edges, parse


@pytest.mark.parametrize(
    ("include", "headers", "wanted"),
    [
        ('"x.h"', "src/x.h include/x.h", "src/x.h"),
        ("<x.h>", "src/x.h include/x.h", "src/x.h"),
        ("<p/x.h>", "include/p/x.h other/p/x.h", "include/p/x.h"),
        ('"p/x.h"', "deep/er/p/x.h", "deep/er/p/x.h"),
        ('"x.h"', "one/x.h two/x.h", None),
        ('"x.h"', "one/include/x.h src/include/x.h", "src/include/x.h"),
        ("<string.h>", "compat/string.h", None),
        ("<string.h>", "include/string.h", "include/string.h"),
        ('"string.h"', "compat/string.h", "compat/string.h"),
        ('"../x.h"', "x.h", "x.h"),
        ('"../../../x.h"', "lib/x.h", "lib/x.h"),
        ("</etc/x.h>", "etc/x.h", None),
        ('"p\\\\x.h"', "src/p/x.h", None),
    ],
)
def test_an_include_means_a_file(include: str, headers: str, wanted: str | None) -> None:
    files = [SourceFile(path, "C", "") for path in headers.split()]
    edges = import_edges([*files, SourceFile("src/a.c", "C", f"#include {include}\n")])
    found = [edge.imported for edge in edges]
    if "\\" in include:
        assert found == ["src/p/x.h"]  # a separator of Windows
    else:
        assert found == ([wanted] if wanted else [])


def test_includes_are_found_where_the_grammar_has_none_and_not_in_comments() -> None:
    text = 'int a[] = {\n#include "a.inc"\n};\n/*\n#include "b.h"\n*/\n# include_next <c.h>\n'
    found = [(one.target, one.line, one.form) for one in parse("C", text).imports]
    assert sorted(found) == [("a.inc", 2, "quote"), ("c.h", 7, "angle")]


def test_module_partitions_belong_to_their_module() -> None:
    part = SourceFile("part.cppm", "C++", "export module m:part;\n")
    whole = SourceFile("m.cppm", "C++", "export module m;\nexport import :part;\n")
    inside = SourceFile("m.cpp", "C++", "module m;\n")
    edges = [
        (edge.importer, edge.imported, edge.kind) for edge in import_edges([part, whole, inside])
    ]
    assert edges == [("m.cpp", "m.cppm", "module"), ("m.cppm", "part.cppm", "module")]


def test_if_0_hides_its_includes_but_not_those_of_its_else() -> None:
    text = "#if 0\n#include <a.h>\n#if X\n#include <b.h>\n#endif\n#else\n#include <c.h>\n#endif\n"
    text += (
        "#if 1\n#include <d.h>\n#endif\n#ifdef X\n#include <e.h>\n#else\n#include <f.h>\n#endif\n"
    )
    found = [one.target for one in parse("C", text).imports]
    assert found == ["c.h", "d.h", "e.h", "f.h"]


def test_a_name_may_stand_for_a_header() -> None:
    files = [
        SourceFile("include/ft/names.h", "C", "#define FT_GLYPH_H <ft/glyph.h>\n"),
        SourceFile("include/ft/glyph.h", "C", ""),
        SourceFile("src/own.h", "C", ""),
        SourceFile("src/other.h", "C", ""),
        SourceFile("src/a.c", "C", '#include FT_GLYPH_H\n#define OWN "own.h"\n#include OWN\n'),
        SourceFile("src/b.c", "C", '#define OWN "other.h"\n#include OWN\n#include UNKNOWN\n'),
        SourceFile("src/c.c", "C", "#include OWN\n"),
    ]
    edges = [(edge.importer, edge.imported, edge.line) for edge in import_edges(files)]
    assert edges == [
        ("src/a.c", "include/ft/glyph.h", 1),
        ("src/a.c", "src/own.h", 3),
        ("src/b.c", "src/other.h", 2),
    ]
