"""A model under examination on a worker: loads it once, answers one unit of questions a call."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import ray
import torch

from gristmill.evaluation.examiner import Examiner
from gristmill.evaluation.scores import Outcome
from gristmill.model.config import ModelSection
from gristmill.storage import Storage
from gristmill.tokens.tokenizer import Tokenizer


@dataclass(frozen=True)
class Examinee:
    """Which model: a folder, or what an untrained one is filled from."""

    name: str
    folder: Storage | None
    tokenizer: Storage
    section: ModelSection
    seed: int
    max_position: int
    context_tokens: int | None


@ray.remote
class Evaluator:
    """Examines one model."""

    def __init__(self, examinee: Examinee, threads: int) -> None:
        torch.set_num_threads(threads)
        e = examinee
        if e.folder is None:
            self.examiner = Examiner.untrained(
                e.name,
                Tokenizer.load(e.tokenizer),
                e.section,
                e.seed,
                e.max_position,
                e.context_tokens,
            )
        else:
            folder = e.folder.download("", Path(mkdtemp()) / "model")
            self.examiner = Examiner.of_folder(e.name, folder, e.context_tokens)

    def ask(self, benchmark: str, items: Sequence[Any], *arguments: Any) -> list[Outcome]:
        """Return the outcomes of one benchmark on some of its items."""
        outcomes: list[Outcome] = getattr(self.examiner, benchmark)(items, *arguments)
        return outcomes
