"""Answers by our own engine: prompts of all tasks go into one running batch.

A prompt longer than the window is cut where it hurts least: from its start, or around the hole. The
engine always has twice its batch waiting, so no slot runs empty while tasks are left; answers are yielded
as they finish.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from gristmill.evaluation.benchmark import Prompt, Task, digest
from gristmill.evaluation.continuations import log_likelihoods
from gristmill.evaluation.heldout import Hole, fit_prompt
from gristmill.inference.engine import Delta, TorchEngine, join
from gristmill.inference.habits import Habits
from gristmill.inference.sampling import SamplingParams
from gristmill.tokens.special import SPECIAL
from gristmill.tokens.tokenizer import Tokenizer

MAX_BATCH = 16


@dataclass
class EngineSource:
    """One model in this process."""

    name: str
    identity: str
    engine: TorchEngine = field(repr=False)
    tokenizer: Tokenizer = field(repr=False)
    window: int
    ends: frozenset[int]
    begins: tuple[int, ...]
    """What stands before a text: our own models saw bos there, others may never have."""
    final: bool = False

    @staticmethod
    def of_folder(folder: Path, *, context_tokens: int | None = None) -> EngineSource:
        """Load a model folder. Raises ModelError."""
        tokenizer = Tokenizer.load(folder)
        engine = TorchEngine.from_folder(folder, max_batch=MAX_BATCH)
        window = min(context_tokens or engine.max_position, engine.max_position)
        habits = Habits.of(folder, tokenizer)
        return EngineSource(
            folder.resolve().name,
            identity_of(folder),
            engine,
            tokenizer,
            window,
            habits.ends,
            habits.begins,
        )

    def answers(
        self, tasks: Sequence[Task], wanted: Sequence[tuple[int, int]], seed: int
    ) -> Iterator[tuple[int, int, str]]:
        """Yield answers as they finish, the engine's batch always full; likelihoods come first."""
        left = []
        for task, sample in reversed(wanted):
            if not tasks[task].prompt.choices:
                left.append((task, sample))
        for task, sample in wanted:
            if pairs := tasks[task].prompt.choices:
                found = log_likelihoods(
                    self.engine.model, self.tokenizer, pairs, self.begins, self.window
                )
                yield task, sample, json.dumps([round(value, 6) for value in found])
        open_: dict[str, list[Delta]] = {}
        while left or open_:
            while left and len(open_) < 2 * MAX_BATCH:
                task, sample = left.pop()
                name = f"{task} {sample}"
                tokens, params = self.request(tasks[task].prompt, seed + sample)
                self.engine.add(name, tokens, params)
                open_[name] = []
            for delta in self.engine.step():
                open_[delta.request_id].append(delta)
                if delta.finish_reason is not None:
                    text = join(open_.pop(delta.request_id)).text
                    number, sample = (int(part) for part in delta.request_id.split())
                    yield number, sample, text

    def request(self, prompt: Prompt, seed: int) -> tuple[list[int], SamplingParams]:
        """Return the token ids of a prompt that leaves room for its answer, and how to choose."""
        room = min(prompt.max_new_tokens, self.window // 2)
        most = self.window - room
        if prompt.suffix is not None:
            hole = Hole("", "", prompt.context, prompt.prefix, "", prompt.suffix)
            _, *rest = fit_prompt(self.tokenizer, hole, most)  # it begins with bos
            tokens = [*self.begins, *rest]
        elif prompt.chat:
            tokens = self.tokenizer.encode_with_special(chat_text(prompt))[-most:]
        else:
            most -= len(self.begins)
            ids = self.tokenizer.encode(prompt.context + prompt.prefix)[-most:]
            tokens = [*self.begins, *ids]
        params = SamplingParams(
            max_tokens=room,
            temperature=prompt.temperature,
            top_p=prompt.top_p,
            seed=seed,
            stop=prompt.stop,
            stop_ids=self.ends,
        )
        return tokens, params


def chat_text(prompt: Prompt) -> str:
    """Return one user message as our instruct models saw it."""
    return f"{SPECIAL['bos']}{SPECIAL['user']}{prompt.context}{prompt.prefix}{SPECIAL['assistant']}"


def identity_of(folder: Path) -> str:
    """Return a fingerprint of a model folder: names, sizes and dates of its files."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    stats = [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
    return digest(str(torch.get_default_dtype()), *stats)
