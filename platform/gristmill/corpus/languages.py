"""Which language a file is written in, by its name first and its content where the name leaves it open.

The table holds the paper's 87 languages (its Table 1), the ones its authors regretted to have missed,
and some that are kept when a recipe names them. Names are the paper's. What the table does not name is
asked of linguist (`.fsh`, `.psgi`, `Vagrantfile`); a file that neither claims is of no language.

Who decides was settled on 37,000 real files (Debian sources, npm, wheels) where the two differ:

- by content, linguist's rules decide where a name has several owners (`.m`, `.d`, `.scm`, `.pro`,
  `.v`, `.cls`, `.r` and their like: `_OWNERS`). All 50 tree-sitter queries named `.scm` were no
  Scheme, 7 of 8 `.pro` no Prolog.
- a header is ours to tell: both are right for 96.9 % of 1,352 (`tests/bench/test_languages_truth.py`;
  the rest are macros alone, which are C by content), and linguist takes longer. An Emacs mode line that says C++ is believed (15 of libstdc++ and LLVM).
- `Makefile.msc` and `Dockerfile.lint` are what they say; linguist knows only `Makefile` alone.
- linguist's data types (`.geojson`, `.webmanifest`, `.lock`) are not taken in: they are JSON by form
  and data by content.
"""

import re
from dataclasses import dataclass

from gristmill.corpus import linguist


@dataclass(frozen=True)
class Language:
    """One language: how its files are called and how it writes a line comment."""

    name: str
    extensions: tuple[str, ...]
    opening: str
    closing: str = ""
    origin: str = "paper"
    """`paper` (Table 1), `missed` (kept by default too) or `other` (kept when a recipe names it)."""


# name | extensions | opening of a line comment | closing, for languages without line comments
_PAPER = """
Ada|adb ads ada|--
Agda|agda|--
Alloy|als|//
ANTLR|g4|//
AppleScript|applescript scpt|--
Assembly|asm s nasm|;
Augeas|aug|(*|*)
AWK|awk|#
Batchfile|bat cmd|REM
Bluespec|bsv|//
C|c h inc def|//
C#|cs csx|//
Clojure|clj cljs cljc edn|;
CMake|cmake|#
CoffeeScript|coffee|#
Common Lisp|lisp lsp cl asd|;
C++|cpp cc cxx hpp hh hxx c++ h++ inl ipp tpp tcc txx ixx cppm|//
CSS|css|/*|*/
CUDA|cu cuh|//
Dart|dart|//
Dockerfile|dockerfile|#
Elixir|ex exs|#
Elm|elm|--
Emacs Lisp|el|;
Erlang|erl hrl|%
F#|fs fsi fsx|//
Fortran|f f77 f90 f95 f03 f08 for|!
GLSL|glsl vert frag geom tesc tese comp|//
Go|go|//
Groovy|groovy gradle gvy|//
Haskell|hs|--
HTML|html htm xhtml|<!--|-->
Idris|idr|--
Isabelle|thy|(*|*)
Java|java|//
Java Server Pages|jsp jspx|<%--|--%>
JavaScript|js mjs cjs jsx|//
JSON|json|//
Julia|jl|#
Jupyter Notebook|ipynb|#
Kotlin|kt kts|//
Lean|lean|--
Literate Agda|lagda|%
Literate CoffeeScript|litcoffee|#
Literate Haskell|lhs|%
Lua|lua|--
Makefile|mk mak make|#
Maple|mpl|#
Mathematica|wl wls nb mathematica|(*|*)
MATLAB|m|%
OCaml|ml mli mll mly|(*|*)
Pascal|pas pp dpr lpr|//
Perl|pl pm t|#
PHP|php php3 php4 php5 phtml|//
PowerShell|ps1 psm1 psd1|#
Prolog|pro prolog plg|%
Protocol Buffer|proto|//
Python|py pyi pyw|#
R|r|#
Racket|rkt|;
RMarkdown|rmd|<!--|-->
Ruby|rb rake gemspec|#
Rust|rs|//
SAS|sas|*|;
Scala|scala sc sbt|//
Scheme|scm ss sld|;
Shell|sh bash zsh ksh|#
Smalltalk|st|"|"
Solidity|sol|//
Sparql|sparql rq|#
SQL|sql|--
Stan|stan|//
Standard ML|sml sig fun|(*|*)
Stata|do ado|//
SystemVerilog|sv svh|//
TCL|tcl|#
Tcsh|tcsh csh|#
Tex|tex sty cls ltx|%
Thrift|thrift|#
TypeScript|ts tsx mts cts|//
Verilog|v vh|//
VHDL|vhd vhdl|--
Visual Basic|vb bas vba|'
XSLT|xsl xslt|<!--|-->
Yacc|y yy|//
YAML|yaml yml|#
Zig|zig|//
"""
# Swift and Objective-C are what the authors regret; Markdown and reStructuredText are in their README;
# components are JavaScript and TypeScript that modules of both import.
_MISSED = """
Swift|swift|//
Objective-C|m|//
Objective-C++|mm|//
Markdown|md markdown mkd|<!--|-->
reStructuredText|rst|..
Vue|vue|<!--|-->
Svelte|svelte|<!--|-->
"""
_OTHERS = """
Nix|nix|#
HCL|tf hcl tfvars|#
SCSS|scss|//
Less|less|//
GraphQL|graphql gql|#
Meson|meson|#
TOML|toml|#
Starlark|bzl bazel star|#
Crystal|cr|#
Cython|pyx pxd pxi|#
Nim|nim nims|#
D|d di|//
Text|txt text|
AsciiDoc|adoc asciidoc|//
Org|org|#
Pod|pod|=for comment
"""
_NAMES = {
    "makefile": "Makefile",
    "gnumakefile": "Makefile",
    "cmakelists.txt": "CMake",
    "dockerfile": "Dockerfile",
    "containerfile": "Dockerfile",
    "rakefile": "Ruby",
    "gemfile": "Ruby",
    "meson.build": "Meson",
    "build.bazel": "Starlark",
    "workspace": "Starlark",
    "sconstruct": "Python",
    "sconscript": "Python",
    "jenkinsfile": "Groovy",
    ".bashrc": "Shell",
    ".profile": "Shell",
}
_SHEBANGS = {
    "python": "Python",
    "node": "JavaScript",
    "deno": "TypeScript",
    "bash": "Shell",
    "sh": "Shell",
    "zsh": "Shell",
    "dash": "Shell",
    "ksh": "Shell",
    "csh": "Tcsh",
    "tcsh": "Tcsh",
    "perl": "Perl",
    "ruby": "Ruby",
    "php": "PHP",
    "lua": "Lua",
    "awk": "AWK",
    "gawk": "AWK",
    "tclsh": "TCL",
    "wish": "TCL",
    "Rscript": "R",
    "julia": "Julia",
    "groovy": "Groovy",
    "racket": "Racket",
    "elixir": "Elixir",
    "make": "Makefile",
}


def _rows(table: str, origin: str) -> list[Language]:
    found = []
    for line in table.strip().splitlines():
        name, extensions, opening, *closing = line.split("|")
        found.append(Language(name, tuple(extensions.split()), opening, "".join(closing), origin))
    return found


LANGUAGES = {
    language.name: language
    for table, origin in ((_PAPER, "paper"), (_MISSED, "missed"), (_OTHERS, "other"))
    for language in _rows(table, origin)
}
PROSE = frozenset({"Markdown", "reStructuredText", "Text", "AsciiDoc", "Org", "Pod", "Tex"})
"""What the non-code domains are written in."""
DEFAULT_LANGUAGES = frozenset(name for name, row in LANGUAGES.items() if row.origin != "other")
_BY_EXTENSION: dict[str, str] = {}
for _language in LANGUAGES.values():
    for _extension in _language.extensions:
        _BY_EXTENSION.setdefault(_extension, _language.name)

_OWNERS = frozenset(
    "m d scm pro cls bas cl lisp lsp ml pp r v st sc ex f for fs frag nb mm sol".split()  # noqa: SIM905
)
"""Extensions with several owners, decided by linguist's content rules; the table's row is the default."""
_INCLUDED = frozenset({"inc", "def"})
"""Extensions of whatever is included: C where it begins as C does."""
_OPEN = _OWNERS | _INCLUDED | {"h", "ts", "pl"}
"""Extensions whose name alone does not settle the language."""
_NOT_TAKEN = frozenset({"JSON", "YAML", "HTML", "XSLT", "Text"})
"""Languages that linguist's names do not add files to: data and pages."""
_TEMPLATES = frozenset({"in", "tmpl", "template", "j2", "jinja", "mustache"})
"""Endings of templates: `config.h.in` is no C yet."""
_OBJECTIVE_C = re.compile(
    r"^\s*(?:@(?:interface|implementation|protocol|end|import|class)\b|#import\b)", re.M
)
_INCLUDE = re.compile(r"^[ \t]*#[ \t]*(?:include|import)\b", re.M)
_CPP_LINE = re.compile(
    r"\n[ \t]*(?:template\s*<|namespace\b|class\s+\w|using\s+\w|(?:public|private|protected)\s*:"
    r"|#\s*include\s*(?:<[a-z_]+>|\"[^\"\n]+\.(?:hpp|hh|hxx|ipp)\"))"
)
"""Headers without an ending are C++'s own."""
_CPP_WORD = re.compile(
    r"\bstd::|\bconstexpr\b|\bnoexcept\b|\bvirtual\s|\boperator\s*[=+\-*/<(\[]|\benum\s+class\s"
    r"|\b(?:static|reinterpret|const)_cast<|\bexplicit\s+\w|\btypename\s+\w|\w+::\w+\s*\("
)
_CPP_WORDS = (
    "::", "constexpr", "noexcept", "virtual", "operator", "enum class", "_cast<", "explicit", "typename"
)  # fmt: skip
"""One of them is in whatever `_CPP_WORD` finds, and is found ten times as fast."""
_C_BEGINNING = re.compile(
    r"\s*(?://|/\*|#[ \t]*(?:include|if|ifdef|ifndef|define|undef|pragma|error)\b"
    r"|(?:static|extern|const|struct|typedef|template|namespace|inline|unsigned)\s|[A-Z]\w*\(|\{)"
)
_HEADER_BEGINNING = re.compile(
    r"(?:\s|//[^\n]*\n|/\*.*?\*/)*+#[ \t]*(?:include[ \t]*[<\"]|ifndef\b|pragma\b)", re.S
)
"""Past its comments, what `vector`, `QString` and `Dense` begin with, and no `configure` or `README`."""
_CPP_MODE = re.compile(r"-\*-.*\bc\+\+.*-\*-", re.I)
_PROLOG = re.compile(r"^:-|^\s*\w+\(.*\)\s*:-", re.M)
_TYPESCRIPT_XML = re.compile(r"^\s*<(?:\?xml|!DOCTYPE TS|TS\b)")
_COQ = re.compile(r"^\s*(?:Require|Theorem|Lemma|Proof|Qed|Inductive)\b", re.M)
_C_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
_SHEBANG = re.compile(r"^#!\s*(\S+)(?:\s+(?:-\S+\s+)*([A-Za-z]\S*))?")
_HEAD_CHARS = 20_000


def language_of_name(path: str) -> str | None:
    """Return the language that the name claims, `""` when only content can tell, None when none can."""
    name = path.rsplit("/", 1)[-1]
    lower = name.lower()
    if lower in _NAMES:
        return _NAMES[lower]
    stem, dot, extension = lower.rpartition(".")
    if not dot or not stem:
        return _named_by_linguist(name) if stem or not dot else _dot_file(name)
    if extension in _BY_EXTENSION:
        return _BY_EXTENSION[extension]
    base = stem.split(".")[0]
    if base in ("dockerfile", "makefile"):
        return _NAMES[base]
    if extension in _TEMPLATES:
        return None
    return _named_by_linguist(f"x.{extension}") or None


def is_settled_by_name(path: str) -> bool:
    """Return whether no content can change what `language_of_name` says."""
    return path.rpartition(".")[2].lower() not in _OPEN and language_of_name(path) != ""


def language_of(path: str, text: str) -> str | None:
    """Return the language of a file by name and content, or None when it is of no known language."""
    named = language_of_name(path)
    if named == "":
        return _by_beginning(path, text)
    extension = path.rpartition(".")[2].lower()
    if named is None or extension not in _OPEN:
        return named
    head = text[:_HEAD_CHARS]
    if extension == "h":
        return _header_language(text)
    if extension in _INCLUDED:
        return _included_language(path, text)
    if extension == "pl":
        return "Prolog" if _PROLOG.search(head) and "use strict" not in head else "Perl"
    if extension == "ts":
        return None if _TYPESCRIPT_XML.search(head) else named
    if extension == "v" and _COQ.search(head):
        return None
    if extension == "m" and (_OBJECTIVE_C.search(head) or _INCLUDE.search(head)):
        return "Objective-C"
    found = linguist.content_language(path.rsplit("/", 1)[-1], text.encode("utf-8", "replace"))
    return named if not found else found if found in LANGUAGES else None


def _header_language(text: str) -> str:
    head = text[:_HEAD_CHARS]
    if ("@" in head or "#import" in head) and _OBJECTIVE_C.search(head):
        return "Objective-C"
    if "-*-" in head and _CPP_MODE.search("\n".join(head.split("\n", 2)[:2])):
        return "C++"
    window = "\n" + text[: 4 * _HEAD_CHARS]
    if not _shows_cpp(window):
        return "C"  # most C headers end here, without a copy
    return "C++" if _shows_cpp(_C_COMMENT.sub(" ", window)) else "C"


def _included_language(path: str, text: str) -> str | None:
    """Return the language of a file that others include, None where it is none of C's family or PHP's."""
    found = linguist.content_language(path.rsplit("/", 1)[-1], text.encode("utf-8", "replace"))
    if found == "Assembly" or (found == "PHP" and "<?php" in text[:_HEAD_CHARS]):
        return found
    return _header_language(text) if _C_BEGINNING.match(text) else None


def _shows_cpp(text: str) -> bool:
    if _CPP_LINE.search(text) is not None:
        return True
    return any(map(text.__contains__, _CPP_WORDS)) and _CPP_WORD.search(text) is not None


def _named_by_linguist(name: str) -> str:
    """Return the language of a name that our table lacks, or "" when there is none or several."""
    found = linguist.name_languages(name)
    known = len(found) == 1 and found[0] in LANGUAGES and found[0] not in _NOT_TAKEN
    return found[0] if known else ""


def _dot_file(name: str) -> str | None:
    return _named_by_linguist(name) or None


def comment_line(language: str, text: str) -> str:
    """Return `text` as one comment line of the language, with its newline.

    What would end the comment early, a line end in a path say, becomes a space.
    """
    row = LANGUAGES[language]
    for end in ("\n", "\r", row.closing):
        text = text.replace(end, " ") if end else text
    return " ".join(part for part in (row.opening, text, row.closing) if part) + "\n"


def _by_beginning(path: str, text: str) -> str | None:
    """Return the language of a file without an ending: a script's, or C++ for a header of it."""
    found = _by_shebang(text[:_HEAD_CHARS])
    if found is not None or "." in path.rsplit("/", 1)[-1]:
        return found
    return "C++" if _HEADER_BEGINNING.match(text[: 4 * _HEAD_CHARS]) else None


def _by_shebang(head: str) -> str | None:
    match = _SHEBANG.match(head)
    if match is None:
        return None
    program = match[1].rsplit("/", 1)[-1]
    if program == "env":
        program = (match[2] or "").rsplit("/", 1)[-1]
    return _SHEBANGS.get(program) or _SHEBANGS.get(program.rstrip("0123456789."))
