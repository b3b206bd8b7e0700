import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from gristmill.errors import RecipeError
from gristmill.storage import Storage
from gristmill.tokens.instructions import encode_conversation, write_instruction_shards
from gristmill.tokens.shards import Shards
from gristmill.tokens.tokenizer_folder import SYSTEM
from tests.made_corpus import small_tokenizer


def write(tmp_path: Path, records: list[dict[str, str]], length: int, epochs: int = 1) -> Shards:
    path = tmp_path / "set.json"
    path.write_text(json.dumps(records))
    storage = Storage.open(str(tmp_path / "rows"))
    write_instruction_shards(storage, small_tokenizer(), [str(path)], length, epochs=epochs)
    return Shards.open(storage)


def test_the_loss_counts_answers_and_their_end_only() -> None:
    tokenizer = small_tokenizer()
    messages = [
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "Yes <|EOT|>"},
        {"role": "user", "content": "Two?"},
        {"role": "assistant", "content": "No"},
    ]
    item = encode_conversation(tokenizer, messages)
    eot = tokenizer.special.eot
    learned = item.ids[item.learned].tolist()
    assert learned == [*tokenizer.encode("Yes <|EOT|>\n"), eot, *tokenizer.encode("No\n"), eot]
    assert tokenizer.decode(item.ids[~item.learned].tolist()) == (
        f"{SYSTEM}\n### Instruction:\nOne?\n### Response:\n\n### Instruction:\nTwo?\n### Response:\n"
    )


def test_whole_conversations_are_packed(tmp_path: Path) -> None:
    tokenizer = small_tokenizer()
    records = [{"instruction": f"Say {n}", "output": f"{n} " * (n % 9)} for n in range(40)]
    shards = write(tmp_path, records, 1024, epochs=3)
    each = shards.num_rows // 3
    assert shards.order[0].epoch_rows == tuple((each * epoch, each) for epoch in range(3))
    found = []
    for number in range(each):
        row = shards.row(number)
        assert row.loss_mask is not None and not row.loss_mask[row.num_tokens :].any()
        bounds = [place for place in row.bounds.tolist() if place <= row.num_tokens]
        for start, end in itertools.pairwise(bounds):
            ids, mask = row.tokens[start:end], row.loss_mask[start:end]
            assert ids[0] == tokenizer.special.bos and ids[-1] == tokenizer.special.eot
            found.append(tokenizer.decode(ids[mask].tolist()))
        again = shards.row(number + each)
        assert np.array_equal(row.tokens, again.tokens)
    assert sorted(found) == sorted(record["output"] + "\n" for record in records)
    details = shards.manifest.details
    assert details["conversations"] == 40 and details["cut"] == details["dropped"] == 0


def test_long_answers_are_cut_without_a_false_stop_and_counted(tmp_path: Path) -> None:
    tokenizer = small_tokenizer()
    records = [
        {"instruction": "a", "output": "long " * 2000},
        {"instruction": "long " * 2000, "output": "a"},
        {"instruction": "a", "output": "b"},
    ]
    shards = write(tmp_path, records, 512)
    details = shards.manifest.details
    assert (details["conversations"], details["cut"], details["dropped"]) == (3, 1, 1)
    rows = [shards.row(number) for number in range(shards.num_rows)]
    assert sum(int((row.tokens == tokenizer.special.eot).sum()) for row in rows) == 1


def test_nothing_to_learn_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"1 conversations dropped.*sequence_length"):
        write(tmp_path, [{"instruction": "a", "output": "b"}], 32)
