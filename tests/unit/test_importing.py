"""Models from elsewhere: a Hugging Face folder with a foreign tokenizer becomes one of ours."""

import json
from pathlib import Path

import pytest
import tokenizers
import torch
from tokenizers import decoders, models, pre_tokenizers

from gristmill.errors import ModelError
from gristmill.model.attention import PackedAttention
from gristmill.model.config import SIZES
from gristmill.model.folder import load_model, save_model
from gristmill.model.importing import Source, grown, import_model
from gristmill.model.llama import Llama, LlamaConfig, initialize
from gristmill.tokens.tokenizer import Tokenizer


def foreign_folder(folder: Path, rows: int = 260) -> Llama:
    """Write a model whose tokenizer knows bytes and one control token only."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = tokenizers.Tokenizer(models.BPE({token: n for n, token in enumerate(alphabet)}, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens(["</s>"])
    folder.mkdir()
    raw.save(str(folder / "tokenizer.json"))
    model = Llama(LlamaConfig(SIZES["tiny"], rows, 64, 10000.0))
    initialize(model, 0.2, 1)
    save_model(folder, model, None, eos=256)
    return model


def test_a_folder_with_a_foreign_tokenizer_grows(tmp_path: Path) -> None:
    model = foreign_folder(tmp_path / "theirs")
    (tmp_path / "theirs" / "chat_template.jinja").write_text("{{ bos_token }}")
    out = import_model(tmp_path / "theirs", tmp_path / "ours", dtype=torch.float32)
    ours, tokenizer = load_model(out), Tokenizer.load(out)
    assert tokenizer.num_tokens == 257 + 11
    assert ours.config.vocab_rows == 320
    tokens = torch.tensor(tokenizer.encode("abc"))
    attend = PackedAttention((0, 3))
    wanted, found = (m.logits(m(tokens, torch.arange(3), attend)) for m in (model, ours))
    assert torch.equal(wanted, found[:, :260])
    generation = json.loads((out / "generation_config.json").read_text())
    assert generation["eos_token_id"] == [256, tokenizer.special.eos]
    assert json.loads((out / "tokenizer_config.json").read_text())["chat_template"] == (
        "{{ bos_token }}"
    )


def test_a_model_with_room_enough_keeps_its_rows(tmp_path: Path) -> None:
    model = foreign_folder(tmp_path / "theirs", rows=512)
    ours = load_model(import_model(tmp_path / "theirs", tmp_path / "ours"))
    assert torch.equal(ours.embed_tokens.weight, model.embed_tokens.weight)


def test_a_table_grows_by_its_mean_and_never_shrinks() -> None:
    table = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    assert grown(table, 4).tolist() == [[1, 2], [3, 6], [2, 4], [2, 4]]
    assert grown(table, 1) is table


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    foreign_folder(tmp_path / "theirs")
    (tmp_path / "theirs" / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"has no tokenizer\.json"):
        Source(tmp_path / "theirs").tokenizer()
