import gzip
import json
from pathlib import Path

import pytest

from gristmill.errors import RecipeError
from gristmill.tokens.conversations import BUNDLED, read_set

RECORD = {"instruction": "Add.", "input": "1 2", "output": "3"}
WANTED = [{"role": "user", "content": "Add.\n1 2"}, {"role": "assistant", "content": "3"}]


def test_bundled_sets_are_all_there() -> None:
    sizes = {name: len(read_set(name)) for name in BUNDLED}
    assert sizes == {"octopack-oasst": 1176, "alpaca-seed": 175, "mbpp-train": 374}
    for name in BUNDLED:
        for conversation in read_set(name):
            assert [message["role"] for message in conversation] == ["user", "assistant"]
            assert all(message["content"].strip() for message in conversation)


@pytest.mark.parametrize("packed", [False, True])
def test_files_are_json_or_lines_plain_or_gzip(tmp_path: Path, packed: bool) -> None:
    chat = {"messages": [{"role": "system", "content": "s"}, *WANTED]}
    records = [RECORD, {"prompt": "Add.\n1 2", "completion": "3"}, chat]
    for text in (json.dumps(records), "\n\n".join(map(json.dumps, records)) + "\n"):
        path = tmp_path / "set"
        path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
        assert read_set(str(path)) == [WANTED, WANTED, chat["messages"]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1", "is no JSON"),
        ('{"instruction": "a", "output": "b"}\n{', "line 2 is no JSON"),
        ("[3]", "record 1 is int"),
        ('{"question": "a"}', "line 1 has keys question; wanted are instruction and output"),
        ('{"instruction": "a", "output": 3}', "must be strings"),
        ('{"messages": "a"}', "must be a list"),
        (
            '{"messages": [{"role": "user", "content": "a"}]}',
            "last message must be the assistant's",
        ),
        ('{"messages": [{"role": "assistant", "content": "a"}]}', "where 'user' is due"),
    ],
)
def test_bad_records_are_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "set.json"
    path.write_text(text)
    with pytest.raises(RecipeError, match=says):
        read_set(str(path))


def test_a_line_separator_in_a_string_ends_no_line(tmp_path: Path) -> None:
    record = {"prompt": "a\u2028b\x85c", "completion": "d"}
    text = "\ufeff" + json.dumps(record, ensure_ascii=False) + "\n"
    (tmp_path / "x.jsonl").write_text(text, encoding="utf-8")
    ((question, _),) = read_set(str(tmp_path / "x.jsonl"))
    assert question["content"] == record["prompt"]


def test_bad_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="neither a bundled set"):
        read_set("alpaca-sed")
    (tmp_path / "x.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match="is no text"):
        read_set(str(tmp_path / "x.jsonl"))
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"{}" * 100)[:20])
    with pytest.raises(RecipeError, match="is no text"):
        read_set(str(tmp_path / "x.gz"))
