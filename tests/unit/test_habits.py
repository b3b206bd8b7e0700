"""What a model folder says of its ends, and of what stands before its texts."""

import json
from pathlib import Path

import pytest

from gristmill.inference.habits import Habits
from tests.made_corpus import small_tokenizer

SPECIAL = small_tokenizer().special


@pytest.mark.parametrize(
    ("config", "generation", "ends", "begins"),
    [
        ({}, None, set(), True),
        ({"eos_token_id": SPECIAL.eos, "bos_token_id": SPECIAL.bos}, None, set(), True),
        ({"eos_token_id": 2, "bos_token_id": 1}, None, {2}, False),
        ({"bos_token_id": SPECIAL.bos}, {"eos_token_id": [2, 7]}, {2, 7}, False),
        ({"bos_token_id": SPECIAL.bos}, {"eos_token_id": [SPECIAL.eos, 7]}, {7}, True),
        ({"bos_token_id": None}, None, set(), False),
    ],
)
def test_a_folder_tells(
    config: dict[str, object],
    generation: dict[str, object] | None,
    ends: set[int],
    begins: bool,
    tmp_path: Path,
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    if generation is not None:
        (tmp_path / "generation_config.json").write_text(json.dumps(generation))
    habits = Habits.of(tmp_path, small_tokenizer())
    assert habits.ends == {SPECIAL.eos, SPECIAL.eot, *ends}
    assert habits.begins == ((SPECIAL.bos,) if begins else ())
