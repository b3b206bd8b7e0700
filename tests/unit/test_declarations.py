import pytest

from gristmill.serving.declarations import declarations


@pytest.mark.parametrize(
    ("language", "path", "text", "found"),
    [
        (
            "Python",
            "a.py",
            "import x\n\n@cached\ndef add(a: int,\n        b: int = 2) -> int:\n    def inner(): ...\n"
            "    return a\n\nclass Stack(list):\n    size = 3\n    def push(self, item):\n        pass\n",
            "def add(a: int, b: int = 2) -> int:\nclass Stack(list):\n    def push(self, item):",
        ),
        (
            "TypeScript",
            "a.ts",
            "export interface Shape { area(): number }\nexport const twice = (x: number): number => {"
            " return 2 * x };\nexport class Box { open(): void {} }\n",
            "interface Shape\ntwice = (x: number): number =>\nclass Box\n    open(): void",
        ),
        (
            "Go",
            "a.go",
            "package a\n\nfunc (s *Stack) Push(item int) error {\n\treturn nil\n}\n",
            "func (s *Stack) Push(item int) error",
        ),
        (
            "Rust",
            "a.rs",
            "pub struct P { x: i32 }\nimpl P {\n    pub fn new(x: i32) -> Self { P { x } }\n}\n",
            "pub struct P\nimpl P\n    pub fn new(x: i32) -> Self",
        ),
        ("Markdown", "a.md", "# Title\n", ""),
        ("Python", "a.py", "def broken(\n", ""),
    ],
)  # fmt: skip
def test_signatures_without_bodies(language, path, text, found):
    assert declarations(language, text, path) == found
