"""One model under examination: it is asked, and every answer becomes an outcome.

Holds the weights once, for the forward passes of the bit measures and for the engine that decodes.
Programs are only written here; running them is the sandbox's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from gristmill.evaluation import heldout
from gristmill.evaluation.benchmark import Task, find
from gristmill.evaluation.engine_source import EngineSource
from gristmill.evaluation.estimates import edit_similarity, exact_match
from gristmill.evaluation.heldout import HeldOutFile, Hole
from gristmill.evaluation.scores import Outcome
from gristmill.inference.engine import TorchEngine, visible_bytes
from gristmill.inference.sampling import SamplingParams
from gristmill.model.config import ModelSection
from gristmill.model.folder import load_model
from gristmill.model.llama import Llama, LlamaConfig, initialize
from gristmill.tokens.tokenizer import Tokenizer

MAX_BATCH = 16
SHOWN = 600
"""Characters of a prompt, around its hole, that an outcome keeps."""


class Examiner:
    """Asks one model the benchmarks' questions."""

    def __init__(
        self, name: str, model: Llama, tokenizer: Tokenizer, context_tokens: int | None = None
    ) -> None:
        self.name = name
        self.model = model.eval()
        self.tokenizer = tokenizer
        own = model.config.max_position
        self.window = min(context_tokens or own, own)
        self.engine = TorchEngine(
            model,
            visible_bytes(tokenizer),
            num_tokens=tokenizer.num_tokens,
            max_batch=MAX_BATCH,
            step_tokens=max(1024, self.window),
            cache_tokens=(MAX_BATCH + 1) * (self.window + 64),
        )
        special = tokenizer.special
        self.ends = frozenset({special.eos, special.eot})
        self.source = EngineSource(
            name, name, self.engine, tokenizer, self.window, self.ends, (special.bos,)
        )

    @staticmethod
    def of_folder(name: str, folder: Path, context_tokens: int | None) -> Examiner:
        """Examine a model folder. Raises ModelError."""
        model = load_model(folder, dtype=_dtype())
        return Examiner(name, _placed(model), Tokenizer.load(folder), context_tokens)

    @staticmethod
    def untrained(
        name: str,
        tokenizer: Tokenizer,
        section: ModelSection,
        seed: int,
        max_position: int,
        context_tokens: int | None,
    ) -> Examiner:
        """Examine the model that pretraining starts from: the same weights from the same seed."""
        shape = section.resolved()
        config = LlamaConfig(shape, tokenizer.vocab_rows, max_position, shape.rope_theta)
        model = Llama(config)
        initialize(model, section.initializer_std, seed)
        return Examiner(name, _placed(model.to(_dtype())), tokenizer, context_tokens)

    def infilling(self, lines: Sequence[Hole], max_new_tokens: int) -> list[Outcome]:
        """Complete each line from what is around it."""
        room = min(max_new_tokens, self.window // 2)
        prompts = [heldout.fit_prompt(self.tokenizer, hole, self.window - room) for hole in lines]
        params = SamplingParams(max_tokens=room, stop=("\n",), stop_ids=self.ends)
        answers = self.engine.complete(prompts, params)
        return [
            Outcome(
                self.name,
                "infilling",
                hole.key,
                hole.language,
                f"{hole.prefix[-SHOWN:]}\u2588{hole.suffix[:SHOWN]}",
                answer.text,
                answer.text,
                hole.target,
                exact_match(answer.text, hole.target),
                answer.finish_reason,
                edit_similarity(answer.text, hole.target),
            )
            for hole, answer in zip(lines, answers, strict=True)
        ]

    def fim_bits(self, spans: Sequence[Hole]) -> list[Outcome]:
        """Measure what each span costs, given what is around it."""
        items = heldout.hole_items(self.tokenizer, spans, self.window)
        return self._bits("fim_bits", heldout.score(self.model, self.tokenizer, items))

    def loss(self, files: Sequence[HeldOutFile]) -> list[Outcome]:
        """Measure what each file costs from left to right."""
        items = heldout.file_items(self.tokenizer, files, self.window)
        return self._bits("loss", heldout.score(self.model, self.tokenizer, items))

    def tasks(self, tasks: Sequence[Task], benchmark: str) -> list[Outcome]:
        """Answer each task of a benchmark; `passed` is still to be found out where a judge runs code."""
        known = find(benchmark)
        wanted = [(number, 0) for number in range(len(tasks))]
        texts = {number: text for number, _, text in self.source.answers(tasks, wanted, 0)}
        return [
            Outcome(
                self.name,
                benchmark,
                task.name,
                task.language,
                task.prompt.prefix[-SHOWN:],
                texts[number],
                known.answer(task, texts[number]),
                task.reference,
            )
            for number, task in enumerate(tasks)
        ]

    def _bits(self, benchmark: str, scores: Sequence[heldout.Score]) -> list[Outcome]:
        return [
            Outcome(
                self.name,
                benchmark,
                item.key,
                item.language,
                bits=item.bits,
                num_bytes=item.num_bytes,
            )
            for item in scores
        ]


def _dtype() -> torch.dtype:
    return torch.bfloat16 if torch.cuda.is_available() else torch.float32


def _placed(model: Llama) -> Llama:
    return model.to("cuda") if torch.cuda.is_available() else model
