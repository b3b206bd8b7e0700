"""Swift: names a file gives and takes; a package is in the fixtures."""

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import import_edges, parse


def pairs(files: dict[str, str], configs: dict[str, str] | None = None) -> set[tuple[str, str]]:
    sources = [SourceFile(path, "Swift", text) for path, text in files.items()]
    return {(edge.importer, edge.imported) for edge in import_edges(sources, configs=configs)}


def test_what_a_file_declares_for_others() -> None:
    text = """
    public struct A { struct Inner {} }
    class B {} ; actor C {} ; enum D { case e }
    protocol F {} ; typealias G = Int ; func h() {} ; let i = 1
    fileprivate class J {} ; private func k() {} ; public private(set) var l = 1
    extension Other { func m() {} }
    """
    declared = parse("Swift", text).declared
    assert declared == {*"ABCDFGhil", "public A", "public l"}


def test_what_a_file_takes_from_others() -> None:
    text = """
    class A<T>: Base, P { let x: Q = make(1); func own() { own(); var y = x; use(y); Kind.left.go() } }
    extension Ext: R {}
    func f(_ p: [S: U?]) -> some V { p.map { $0 as! W } ; return global.member }
    """
    used = parse("Swift", text).used
    wanted = {"Base", "P", "Q", "make", "use", "Kind", "Ext", "R", "S", "U", "V", "W", "global"}
    assert wanted <= used
    assert not used & {"T", "own", "y", "x", "p", "member", "go", "left", "A", "f"}


def test_only_what_is_public_is_imported_and_all_by_testable() -> None:
    files = {
        "Sources/M/a.swift": "public struct Seen {}\nstruct Kept {}",
        "Sources/M/b.swift": "struct Other {}",
        "Sources/N/n.swift": "import M\nlet x = (Seen(), Other())",
        "Tests/MTests/t.swift": "@testable import M\nlet x = (Seen(), Other())",
    }
    assert pairs(files) == {
        ("Sources/N/n.swift", "Sources/M/a.swift"),
        ("Tests/MTests/t.swift", "Sources/M/a.swift"),
        ("Tests/MTests/t.swift", "Sources/M/b.swift"),
    }


def test_an_import_whose_names_are_unknown_is_of_the_modules_main_file() -> None:
    files = {
        "Sources/M/M.swift": "extension String { public func more() {} }",
        "Sources/M/b.swift": "",
        "Sources/N/n.swift": 'import M\nlet x = "".more()',
    }
    assert pairs(files) == {("Sources/N/n.swift", "Sources/M/M.swift")}
