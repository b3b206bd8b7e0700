"""What an extension did to the long context: `long_context.json`, the model before it and after it.

Made on rank 0, which holds whole weights. Before is the first model under its own RoPE; after a crash what
was measured of it is read again, since its weights are gone by then.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from typing import Literal

from gristmill.model.llama import Llama
from gristmill.storage import Storage
from gristmill.tokens.tokenizer import Tokenizer
from gristmill.training.long_context import Material, material, measure
from gristmill.training.request import LongContextRequest, TrainRequest

FILE = "long_context.json"
When = Literal["before", "after"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LongContextReport:
    """The questions, and where the answers go."""

    asked: LongContextRequest
    tokenizer: Tokenizer
    material: Material
    output: Storage

    @staticmethod
    def of(request: TrainRequest, tokenizer: Tokenizer) -> LongContextReport | None:
        """Prepare what the request asks for, if it asks. Raises TrainingError."""
        asked = request.long_context
        if asked is None:
            return None
        corpus, length = Storage.open(asked.corpus), request.model.max_position
        made = material(corpus, tokenizer, length, asked.num, asked.seed)
        return LongContextReport(asked, tokenizer, made, Storage.open(request.output))

    def look(self, llama: Llama, when: When) -> dict[str, float]:
        """Ask the model, write the answers down; return both summaries as far as they are known."""
        config = llama.config
        if when == "before":
            theta, scale = self.asked.base_rope_theta, self.asked.base_rope_scale
            llama.config = replace(config, rope_theta=theta, rope_scale=scale)
        try:
            found = measure(llama, self.tokenizer, self.material)
        finally:
            llama.config = config
        known = json.loads(self.output.read_bytes(FILE)) if self.output.exists(FILE) else {}
        known[when] = {**found.values(), "summary": found.summary(when)}
        self.output.write_bytes(FILE, json.dumps(known, indent=1).encode())
        summaries = [values["summary"] for values in known.values()]
        figures = {name: value for summary in summaries for name, value in summary.items()}
        log.info("long context, %s: %s", when, found.summary(when))
        return figures
