"""Protocol Buffers: statements between comments and strings, and where their files are."""

import shutil
import subprocess
from pathlib import Path

import pytest

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import import_edges, parse

LANGUAGE = "Protocol Buffer"
MAIL = Path(__file__).parents[1] / "fixtures/imports/protobuf/mail"


def test_statements_are_read_between_comments_and_strings() -> None:
    text = """// import "no.proto";
    /* import "no.proto"; */ syntax = "proto3"; package a . b;
    package a.b; import"x.proto";
    import public 'y.' "proto" ; import weak "z.proto";
    message M { string import_x = 1 [default = 'import "no.proto";']; }
    import "unfinished
    """
    parsed = parse(LANGUAGE, text)
    found = [(one.target, one.form, one.kind, one.line) for one in parsed.imports]
    assert found == [
        ("x.proto", "", "import", 3),
        ("y.proto", "public", "import", 4),
        ("z.proto", "weak", "local", 4),
    ]
    assert (parsed.package, parsed.syntax_error_share, parsed.failure) == ("a.b", 0.0, None)


def test_roots_are_those_of_buf_or_above_the_importer_or_near() -> None:
    texts = {
        "api/a/x.proto": 'import "a/y.proto"; import "z.proto";',
        "api/a/y.proto": "",
        "old/a/y.proto": "",
        "third_party/z.proto": "",
    }
    files = [SourceFile(path, LANGUAGE, text) for path, text in texts.items()]

    def targets(configs: dict[str, str]) -> set[str]:
        return {edge.imported for edge in import_edges(files, configs=configs)}

    assert targets({}) == {"api/a/y.proto", "third_party/z.proto"}
    work = {"buf.work.yaml": "version: v1\ndirectories: [old, third_party]\n"}
    assert targets(work) == {"old/a/y.proto", "third_party/z.proto"}
    assert targets({"buf.yaml": "{broken"}) == targets({})


@pytest.mark.skipif(
    shutil.which("protoc") is None, reason="no protoc here; Debian: apt install protobuf-compiler"
)
def test_protoc_reaches_the_same_files(tmp_path: Path) -> None:
    rule = tmp_path / "rule.d"
    command = ["protoc", "-Iproto", "-Ivendor", f"--dependency_out={rule}"]
    command += [f"--descriptor_set_out={tmp_path / 'x.pb'}", "acme/mail/v1/service.proto"]
    subprocess.run(command, cwd=MAIL, check=True, capture_output=True)
    names = rule.read_text().partition(":")[2].replace("\\\n", " ").split()
    lines = MAIL.with_suffix(".edges").read_text().splitlines()
    edges = [line.split() for line in lines]
    start = "proto/acme/mail/v1/service.proto"
    reached, new = {start}, {start}
    while new:
        new = {words[2] for words in edges if words[0] in new} - reached
        reached |= new
    assert set(names) == reached
