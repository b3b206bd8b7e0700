"""How a program of Go and of Rust is put together; what runs is the bench's business."""

from gristmill.evaluation.benchmark import find
from gristmill.evaluation.benchmarks.humanevalpack import _go_files, _rust_files
from gristmill.evaluation.stand_ins import GO_ASSERT


def test_go_imports_what_it_names_and_nothing_else() -> None:
    task = find("humanevalpack@go").load(None)[0]
    files = _go_files("go", task.data, '    return strings.Contains("a", "b")\n}\n', "m4rk")
    assert 'import "strings"\n' in files["a.go"] and '"math"' not in files["a.go"]
    assert files["a.go"].count("package main") == 1
    assert "testify/assert" in files["a_test.go"] and "m4rk" in files["mark_test.go"]
    assert set(GO_ASSERT) < set(files)


def test_rusts_main_calls_every_test_and_then_prints_the_mark() -> None:
    task = find("humanevalpack@rust").load(None)[0]
    text = _rust_files("rust", task.data, task.reference, "m4rk")["a.rs"]
    assert text.index("tests::test_has_close_elements();") < text.index("m4rk")
    assert text.count("fn main()") == 1 and "#[test]" not in text and "mod md5" in text


def test_six_languages_and_their_exceptions() -> None:
    for short in ("python", "js", "java", "cpp", "go", "rust"):
        known = find(f"humanevalpack@{short}")
        names = {task.name for task in known.load(None)}
        assert len(names) == 164 and set(known.exceptions) <= names
