"""Go's build constraints: the names of files and `//go:build` lines."""

from gristmill.corpus.imports.go_builds import ANYWHERE, builds


def together(one: tuple[str, str], other: tuple[str, str]) -> bool:
    return builds(*one).together(builds(*other))


def test_the_end_of_a_name_limits_a_file() -> None:
    assert builds("a.go", "") == builds("linux.go", "") == builds("a_b.go", "") == ANYWHERE
    assert not together(("a_linux.go", ""), ("a_windows_test.go", ""))
    assert not together(("a_linux_amd64.go", ""), ("b_arm64.go", ""))
    assert together(("a_linux.go", ""), ("b_arm64.go", ""))
    assert together(("a_linux.go", ""), ("a_android.go", ""))  # android is a linux too
    assert builds("linux_test.go", "") == ANYWHERE


def test_an_expression_limits_a_file_whatever_its_free_tags_are() -> None:
    assert not together(("a.go", "linux"), ("b.go", "!linux"))
    assert together(("a.go", "cgo"), ("b.go", "!cgo || ignore"))
    assert not together(("a.go", "(darwin || windows) && cgo"), ("b_linux.go", ""))
    assert not together(("a.go", "unix"), ("b.go", "windows"))
    assert not together(("a.go", "amd64 && !purego"), ("b.go", "arm64"))
    assert not together(("a.go", "!(linux && amd64) && linux"), ("b.go", "!linux"))


def test_a_malformed_expression_limits_nothing() -> None:
    for broken in ("&&", "linux windows", "(linux", "!", "linux ||"):
        assert together(("a.go", broken), ("b_linux.go", "")), broken
