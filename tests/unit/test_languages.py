"""Languages by name and content, and their comment lines."""

import pytest

from gristmill.corpus.imports import LANGUAGES as PARSED_LANGUAGES
from gristmill.corpus.languages import (
    DEFAULT_LANGUAGES,
    LANGUAGES,
    comment_line,
    is_settled_by_name,
    language_of,
    language_of_name,
)


def test_the_paper_s_87_languages_are_there() -> None:
    assert sum(row.origin == "paper" for row in LANGUAGES.values()) == 87
    assert {"Swift", "Objective-C"} <= DEFAULT_LANGUAGES


@pytest.mark.parametrize(
    ("path", "text", "wanted"),
    [
        ("a/b.py", "x = 1", "Python"),
        ("Makefile", "all:\n", "Makefile"),
        ("src/CMakeLists.txt", "project(x)", "CMake"),
        ("Dockerfile.dev", "FROM x", "Dockerfile"),
        ("run", "#!/usr/bin/env python3\n", "Python"),
        ("run", "#!/bin/bash -e\n", "Shell"),
        ("run", "#!/usr/bin/env -S node --x\n", "JavaScript"),
        ("run", "just words\n", None),
        ("a.h", "int f(void);\n", "C"),
        ("a.h", "/* std::vector */ int f(void);\n", "C"),
        ("a.h", "namespace a { class B; }\n", "C++"),
        ("a.h", "#include <vector>\n", "C++"),
        ("a.h", "@interface A : NSObject\n@end\n", "Objective-C"),
        ("a.m", "@implementation A\n@end\n", "Objective-C"),
        ("a.m", "function y = f(x)\n", "MATLAB"),
        ("a.pl", ":- module(a, [b/1]).\n", "Prolog"),
        ("a.pl", "use strict;\n", "Perl"),
        ("a.ts", '<?xml version="1.0"?><TS>', None),
        ("a.ts", "export const a = 1", "TypeScript"),
        ("a.v", "Theorem t : True.\n", None),
        ("a.unknown", "x", None),
        (".hidden", "x", None),
        ("a.h", "// -*- C++ -*-\nint f();\n", "C++"),
        ("a.h", "/* an operator == of C++ code */ int f(void);\n", "C"),
        ("main.m", "#include <stdio.h>\nint main() {}\n", "Objective-C"),
        ("a.d", "a.o: a.c a.h\n", "D"),
        ("queries/tags.scm", "(call function: (identifier) @name)\n", None),
        ("a.scm", "(define (f x) x)\n", "Scheme"),
        ("default.pro", "-keep public class * { *; }\n-dontobfuscate\n", None),
        ("a.r", "x <- c(1, 2)\nf <- function(y) y\n", "R"),
        ("a.pod", "=head1 NAME\n", "Pod"),
        ("Vagrantfile", "Vagrant.configure('2')\n", "Ruby"),
        ("sub/x.psgi", "my $app;\n", "Perl"),
        ("x.fsh", "void main() {}\n", "GLSL"),
        ("x.tcc", "template <class T> T f();\n", "C++"),
        ("x.txx", "template <class T> T f();\n", "C++"),
        ("ops.def", "OPCODE(ADD, 1)\nOPCODE(SUB, 2)\n", "C"),
        ("dll.def", "EXPORTS\n  f @1\n", None),
        ("elf.inc", "// Of the project.\n#include <vector>\nnamespace a {}\n", "C++"),
        ("table.inc", "static const int table[] = {\n  1,\n};\n", "C"),
        ("page.inc", "<?php\necho 1;\n", "PHP"),
        ("legend.inc", ".. rubric:: Legend\n", None),
        (
            "include/vector",
            "// <vector> -*- C++ -*-\n\n/** @file */\n#ifndef V\n#define V 1\n",
            "C++",
        ),
        ("cmath", "// -*- C++ -*- forwarding header.\n\n#pragma GCC system_header\n", "C++"),
        ("Eigen/Dense", '#include "Core"\n#include "LU"\n', "C++"),
        ("README", "Put this first:\n#include <a.h>\n", None),
        ("config.h.in", "#undef X\n", None),
        ("map.geojson", "{}", None),
        ("Makefile.msc", "all:\n", "Makefile"),
        ("LICENSE", "words", None),
        ("a.txt", "words", "Text"),
        ("a\0b.m", "x = 1", "MATLAB"),
    ],
)
def test_language_of(path: str, text: str, wanted: str | None) -> None:
    assert language_of(path, text) == wanted


@pytest.mark.parametrize("path", ["a.h", "a.m", "a.ts", "tool", "x/a.v", "a.inc", "a.def"])
def test_content_may_change_what_these_names_say(path: str) -> None:
    assert not is_settled_by_name(path)


@pytest.mark.parametrize("path", ["a.py", "a.toml", "a.png", "Dockerfile", "a.rs"])
def test_content_changes_nothing_for_these_names(path: str) -> None:
    assert is_settled_by_name(path)


def test_a_name_without_extension_leaves_it_to_the_content() -> None:
    assert language_of_name("bin/tool") == ""
    assert language_of_name("a.so") is None


@pytest.mark.parametrize(
    ("language", "wanted"),
    [
        ("Python", "# a/b\n"),
        ("C", "// a/b\n"),
        ("HTML", "<!-- a/b -->\n"),
        ("CSS", "/* a/b */\n"),
        ("OCaml", "(* a/b *)\n"),
        ("SQL", "-- a/b\n"),
        ("Text", "a/b\n"),
    ],
)
def test_a_path_comment_is_one_line_of_the_language(language: str, wanted: str) -> None:
    assert comment_line(language, "a/b") == wanted


def test_a_path_cannot_end_its_comment() -> None:
    assert comment_line("Python", "a\nimport os\r.py") == "# a import os .py\n"
    assert comment_line("CSS", "a*/b.css") == "/* a b.css */\n"


def test_every_language_that_is_parsed_is_known() -> None:
    assert set(PARSED_LANGUAGES) <= set(LANGUAGES)
    assert set(PARSED_LANGUAGES) <= DEFAULT_LANGUAGES


def test_every_language_can_comment() -> None:
    for name in LANGUAGES:
        line = comment_line(name, "p")
        assert line.endswith("\n") and line.count("\n") == 1 and "p" in line
