"""From a model back to its repositories."""

from pathlib import Path

from gristmill.artifacts import Store
from gristmill.lineage import needed_by, walk_back
from tests.small_store import SOURCES, put_chain


def test_a_model_leads_back_to_every_repository(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    chain = put_chain(store)
    walk = walk_back(store, chain["finetune"])
    assert [item.reference.stage for item in walk.ancestors] == [
        "finetune", "pretrain", "tokens", "tokenizer", "corpus",
    ]  # fmt: skip
    assert [item.depth for item in walk.ancestors] == [0, 1, 2, 3, 4]
    assert set(walk.sources) == set(SOURCES)
    assert walk.licences == {"MIT": 2, "BSD-3-Clause": 1}
    assert walk.missing == ()


def test_what_is_gone_is_listed_as_missing(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    chain = put_chain(store)
    store.storage.delete(f"demo-tokens/{chain['tokens'].record.version}")
    walk = walk_back(store, chain["finetune"])
    assert [item.label for item in walk.missing] == [chain["tokens"].label]
    assert len(walk.sources) == 3, "the tokenizer still leads to the corpus"
    plain = walk.as_json()
    assert plain["complete"] is False
    assert next(a for a in plain["artifacts"] if a.get("missing"))["stage"] == "tokens"


def test_needed_is_the_union_of_lineages(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    one, two = put_chain(store, 0), put_chain(store, 1)
    needed = needed_by(store, [one["pretrain"]])
    assert needed == {one[key].record.fingerprint for key in one if key != "finetune"}
    assert two["tokens"].record.fingerprint not in needed
