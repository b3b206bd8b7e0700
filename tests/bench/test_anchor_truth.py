"""Does a hole at the start of the line cost quality, and what does it save? On a trained model.

    GRISTMILL_STORE=~/gristmill pytest tests/bench/test_anchor_truth.py -m truth -s

Of held-out files, lines that are worth asking; a random part of each is typed already and the rest is
asked for, greedily: once with the hole at the cursor, once with the hole at the line's start and the
typed part forced after it (`anchor`). Right is the rest of the line, to the letter. Beside it the share
of the prompt that the cache knew when one character more was typed.
"""

import os
import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from gristmill.artifacts import Artifact, Store
from gristmill.evaluation.heldout import samples
from gristmill.inference.engine import TorchEngine
from gristmill.inference.sampling import SamplingParams
from gristmill.serving.exchange import Generation
from gristmill.serving.rendering import render
from gristmill.tokens.tokenizer import Tokenizer

pytestmark = pytest.mark.truth
NUM = int(os.environ.get("GRISTMILL_HOLES", "400"))
CHARS = 900
"""Of the file before and after the hole: what fits a small model's window."""


@dataclass(frozen=True)
class Asked:
    """A line that is typed in part."""

    header: str
    prefix: str
    suffix: str
    rest: str


def _newest(store: Store, stage: str) -> Artifact:
    found = [a for a in store.list() if a.record.stage == stage and not a.record.removed]
    if not found:
        pytest.skip(f"no {stage} in {store.storage.url}")
    return max(found, key=lambda artifact: artifact.record.created)


@pytest.fixture(scope="module")
def store() -> Store:
    where = os.environ.get("GRISTMILL_STORE")
    if not where:
        pytest.skip("GRISTMILL_STORE names no store; it needs a trained model")
    return Store.open(where)


@pytest.fixture(scope="module")
def asked(store: Store) -> list[Asked]:
    found = samples(_newest(store, "corpus").storage, NUM, 7, num_lines=NUM)
    chance = random.Random(5)
    made = []
    for hole in found.lines:
        line = hole.target.rstrip("\n")
        start = len(line) - len(line.lstrip())
        if len(line) - start < 4:
            continue
        cut = chance.randrange(start + 1, len(line) - 1)
        prefix = (hole.prefix + line[:cut])[-CHARS:]
        suffix = ("" if hole.suffix.startswith("\n") else "\n") + hole.suffix
        made.append(Asked(hole.header, prefix, suffix[:CHARS], line[cut:]))
    return made


def test_the_hole_at_the_line_s_start_against_the_hole_at_the_cursor(
    store: Store, asked: list[Asked]
) -> None:
    local = _newest(store, "pretrain").storage.local()
    assert local is not None
    folder = Path(local) / "model"
    tokenizer = Tokenizer.load(folder)
    engine = TorchEngine.from_folder(folder, max_batch=16)
    special = tokenizer.special.ids()
    right: dict[bool, list[bool]] = {}
    for anchored in (False, True):
        prompts = [
            render(tokenizer, _generation(item, anchored), engine.max_position - 48)[0]
            for item in asked
        ]
        params = SamplingParams(max_tokens=48, stop=("\n",), stop_ids=special)
        answers = engine.complete(prompts, params)
        right[anchored] = [
            answer.text.rstrip() == item.rest.rstrip()
            for answer, item in zip(answers, asked, strict=True)
        ]
    reused = {anchored: _reused(tokenizer, asked[:60], anchored) for anchored in (False, True)}
    for anchored, name in ((False, "at the cursor"), (True, "at the line's start")):
        share = sum(right[anchored]) / len(asked)
        print(
            f"hole {name:20} exact {100 * share:5.1f} % of {len(asked)}, "
            f"prompt reused at the next character {100 * reused[anchored]:5.1f} %"
        )
    both = list(zip(right[False], right[True], strict=True))
    won, lost = both.count((False, True)), both.count((True, False))
    print(f"anchored right where the cursor was wrong: {won}; the other way round: {lost}")
    assert reused[True] > reused[False]


def _generation(item: Asked, anchored: bool) -> Generation:
    return Generation(prompts=(item.prefix,), suffix=item.suffix, anchored=anchored, keep_tokens=-1)


def _reused(tokenizer: Tokenizer, asked: list[Asked], anchored: bool) -> float:
    """Return the share of a prompt's tokens that begin the prompt of one character less too."""
    shares = []
    for item in asked:
        texts = (item.prefix, item.prefix + item.rest[:1])
        before, after = (
            render(
                tokenizer, Generation(prompts=(text,), suffix=item.suffix, anchored=anchored), 10**6
            )[0]
            for text in texts
        )
        same = next(
            (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b),
            min(len(before), len(after)),
        )
        shares.append(same / len(after))
    return sum(shares) / len(shares)
