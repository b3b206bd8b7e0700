"""Which module a Swift file is of."""

from gristmill.corpus.imports.swift_modules import modules


def test_targets_have_their_own_folder_or_the_habitual_one() -> None:
    manifest = """
    let package = Package(name: "p", products: [.library(name: "L", targets: ["One"])], targets: [
      .target(name: "One", dependencies: [.product(name: "X", package: "x")]), // path: "no"
      .target(name: "Two-b", path: "odd/place", exclude: ["a"]),
      .testTarget(name: "OneTests", dependencies: ["One"]),
    ])
    """
    files = [
        "p/Package.swift",
        "p/Sources/One/a/b.swift",
        "p/odd/place/c.swift",
        "p/Tests/OneTests/t.swift",
        "p/Sources/Unlisted/u.swift",
    ]
    found = modules(files, {"p/Package.swift": manifest})
    assert [found[path] for path in files] == ["", "One", "Two_b", "OneTests", "Unlisted"]


def test_the_only_target_may_lie_in_sources_itself() -> None:
    manifest = 'Package(targets: [.executableTarget(name: "tool"), .testTarget(name: "toolTests")])'
    found = modules(["Sources/main.swift", "Tests/t.swift"], {"Package.swift": manifest})
    assert found == {"Sources/main.swift": "tool", "Tests/t.swift": "toolTests"}


def test_without_a_manifest_folders_tell() -> None:
    files = ["App/View/a.swift", "AppTests/t.swift", "x/Sources/Kit/k.swift", "top.swift"]
    assert list(modules(files, {}).values()) == ["App", "AppTests", "main", "Kit"]
