"""Which language a file is written in, by its name first and its content where the name leaves it open.

The table holds the paper's 87 languages (its Table 1), the ones its authors regretted to have missed,
and some that are kept when a recipe names them. Names are the paper's. A file that no row claims is
of no language and is left out.
"""

import re
from dataclasses import dataclass


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
C|c h|//
C#|cs csx|//
Clojure|clj cljs cljc edn|;
CMake|cmake|#
CoffeeScript|coffee|#
Common Lisp|lisp lsp cl asd|;
C++|cpp cc cxx hpp hh hxx c++ h++ inl ipp tpp ixx cppm|//
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
Perl|pl pm pod t|#
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
# Swift and Objective-C are what the authors regret; Markdown and reStructuredText are in their README.
_MISSED = """
Swift|swift|//
Objective-C|m|//
Objective-C++|mm|//
Markdown|md markdown mkd|<!--|-->
reStructuredText|rst|..
"""
_OTHERS = """
Nix|nix|#
HCL|tf hcl tfvars|#
Vue|vue|<!--|-->
Svelte|svelte|<!--|-->
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
DEFAULT_LANGUAGES = frozenset(name for name, row in LANGUAGES.items() if row.origin != "other")
_BY_EXTENSION: dict[str, str] = {}
for _language in LANGUAGES.values():
    for _extension in _language.extensions:
        _BY_EXTENSION.setdefault(_extension, _language.name)

_OBJECTIVE_C = re.compile(
    r"^\s*(?:@(?:interface|implementation|protocol|end|import|class)\b|#import\b)", re.M
)
_CPP = re.compile(
    r"^\s*(?:template\s*<|namespace\b|class\s+\w|using\s+\w|public\s*:|private\s*:|protected\s*:"
    r"|#\s*include\s*<(?:string|vector|map|memory|utility|iostream|algorithm|functional|type_traits"
    r"|cstdint|cstddef|unordered_map|array|tuple|optional|atomic|mutex)>)"
    r"|\bstd::|\bconstexpr\b|\bnoexcept\b|\bvirtual\s|\boperator\s*[=+\-*/<(\[]",
    re.M,
)
_PROLOG = re.compile(r"^:-|^\s*\w+\(.*\)\s*:-", re.M)
_TYPESCRIPT_XML = re.compile(r"^\s*<(?:\?xml|!DOCTYPE TS|TS\b)")
_COQ = re.compile(r"^\s*(?:Require|Theorem|Lemma|Proof|Qed|Inductive)\b", re.M)
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
        if lower.startswith(("dockerfile", "makefile")):
            return _NAMES[lower.split(".")[0].split("-")[0]] if "." in lower else None
        return "" if not dot else None
    if stem in ("dockerfile", "makefile") and extension not in _BY_EXTENSION:
        return _NAMES[stem]
    return _BY_EXTENSION.get(extension)


def language_of(path: str, text: str) -> str | None:
    """Return the language of a file by name and content, or None when it is of no known language."""
    named = language_of_name(path)
    head = text[:_HEAD_CHARS]
    if named == "":
        return _by_shebang(head)
    if named is None:
        return None
    extension = path.rsplit(".", 1)[-1].lower()
    if extension == "h":
        if _OBJECTIVE_C.search(head):
            return "Objective-C"
        return "C++" if _CPP.search(_without_c_comments(text[: 4 * _HEAD_CHARS])) else "C"
    if extension == "m":
        return "Objective-C" if _OBJECTIVE_C.search(head) else "MATLAB"
    if extension == "pl":
        return "Prolog" if _PROLOG.search(head) and "use strict" not in head else "Perl"
    if extension == "ts" and _TYPESCRIPT_XML.search(head):
        return None
    if extension == "v" and _COQ.search(head):
        return None
    return named


def comment_line(language: str, text: str) -> str:
    """Return `text` as one comment line of the language, with its newline.

    What would end the comment early, a line end in a path say, becomes a space.
    """
    row = LANGUAGES[language]
    for end in ("\n", "\r", row.closing):
        text = text.replace(end, " ") if end else text
    closing = f" {row.closing}" if row.closing else ""
    return f"{row.opening} {text}{closing}\n"


def _by_shebang(head: str) -> str | None:
    match = _SHEBANG.match(head)
    if match is None:
        return None
    program = match[1].rsplit("/", 1)[-1]
    if program == "env":
        program = (match[2] or "").rsplit("/", 1)[-1]
    return _SHEBANGS.get(program) or _SHEBANGS.get(program.rstrip("0123456789."))


def _without_c_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)
