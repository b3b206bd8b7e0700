"""One engine in a process of its own, asked over stdin, so that engines can take turns on one machine.

    python engine_racer.py ENGINE MODEL OPTIONS

A line in is {"measure", "prompts": token ids, "new": tokens}; the line out is {"seconds",
"tokens": those of the first answer}. Seconds are those of the part that is measured: `decode` without the
prompt, `prefill` without the answer, `batch` all of it; with the option `clock: cpu` they are seconds of
the processor that the process used, which others on the machine do not lengthen. Imports nothing of ours but in our own engine, so
that it runs in a peer's environment.
"""

import json
import os
import sys
import threading
import time
from typing import Any

clock = time.perf_counter


class Ours:
    """OPTIONS: threads, dtype, weights, compiled."""

    def __init__(self, model: str, options: dict[str, Any]) -> None:
        from pathlib import Path

        import torch

        from gristmill.inference.engine import TorchEngine
        from gristmill.inference.sampling import SamplingParams

        self.torch, self.params = torch, SamplingParams
        torch.set_num_threads(options["threads"])
        self.engine = TorchEngine.from_folder(
            Path(model), dtype=getattr(torch, options["dtype"]), weights=options["weights"],
            compiled=options["compiled"], max_batch=32, cache_tokens=32768,
        )  # fmt: skip
        self.engine._scheduler.prefix_cache = False

    def answer(self, asked: dict[str, Any]) -> tuple[float, list[int]]:
        def run(new: int) -> tuple[float, list[int]]:
            started = clock()
            found = self.engine.complete(asked["prompts"], self.params(max_tokens=new))
            return clock() - started, list(found[0].tokens)

        return _timed(run, asked)


class Transformers:
    """OPTIONS: threads, dtype."""

    def __init__(self, model: str, options: dict[str, Any]) -> None:
        import torch
        import transformers

        transformers.logging.set_verbosity_error()
        torch.set_num_threads(options["threads"])
        self.torch = torch
        dtype = getattr(torch, options["dtype"])
        self.model = transformers.LlamaForCausalLM.from_pretrained(model, dtype=dtype)

    def answer(self, asked: dict[str, Any]) -> tuple[float, list[int]]:
        prompts = self.torch.tensor(asked["prompts"])

        def run(new: int) -> tuple[float, list[int]]:
            started = clock()
            found = self.model.generate(
                prompts, attention_mask=self.torch.ones_like(prompts), do_sample=False,
                max_new_tokens=new, min_new_tokens=new, pad_token_id=0,
            )  # fmt: skip
            return clock() - started, found[0, prompts.shape[1] :].tolist()

        return _timed(run, asked)


class LlamaCpp:
    """OPTIONS: threads; wheel, the folder to import from. Seconds are those that llama.cpp's own timings say."""

    def __init__(self, model: str, options: dict[str, Any]) -> None:
        sys.path.insert(0, options["wheel"])
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = model
        params.n_parallel = 32
        params.n_ctx = 32 * 768
        params.n_gpu_layers = 0
        params.cache_prompt = False
        params.cache_ram_mib = 0
        params.kv_unified = True
        params.warmup = True
        params.cpuparams.n_threads = options["threads"]
        params.cpuparams_batch.n_threads = options["threads"]
        self.server = xllamacpp.Server(params)

    def answer(self, asked: dict[str, Any]) -> tuple[float, list[int]]:
        found: list[Any] = [None] * len(asked["prompts"])

        def one(number: int, new: int) -> None:
            body = {
                "prompt": asked["prompts"][number], "n_predict": new, "temperature": 0,
                "top_k": 1, "samplers": ["top_k"], "ignore_eos": True, "cache_prompt": False,
            }  # fmt: skip
            out = self.server.handle_completions(body)
            found[number] = json.loads(out) if isinstance(out, str | bytes) else out

        def run(new: int) -> tuple[float, list[int]]:
            threads = [threading.Thread(target=one, args=(n, new)) for n in range(len(found))]
            started = clock()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            words = found[0]["choices"][0]["text"]
            tokens = [int(word) for word in words.split("t")[1:]]  # see gguf_export
            told = found[0]["timings"]
            if clock is time.perf_counter and asked["measure"] != "batch":
                part = "predicted_ms" if asked["measure"] == "decode" else "prompt_ms"
                return told[part] / 1000, tokens
            return clock() - started, tokens

        if clock is time.perf_counter:
            return run(asked["new"])
        return _timed(run, asked)


class Vllm:
    """OPTIONS: dtype. Threads are those it binds at its start."""

    def __init__(self, model: str, options: dict[str, Any]) -> None:
        from vllm import LLM, SamplingParams

        self.params = SamplingParams
        self.llm = LLM(
            model, dtype=options["dtype"], skip_tokenizer_init=True, enable_prefix_caching=False,
            max_num_seqs=32, max_model_len=1024, disable_log_stats=True,
        )  # fmt: skip

    def answer(self, asked: dict[str, Any]) -> tuple[float, list[int]]:
        prompts = [{"prompt_token_ids": prompt} for prompt in asked["prompts"]]

        def run(new: int) -> tuple[float, list[int]]:
            params = self.params(temperature=0, max_tokens=new, ignore_eos=True, detokenize=False)
            started = clock()
            found = self.llm.generate(prompts, params, use_tqdm=False)
            return clock() - started, list(found[0].outputs[0].token_ids)

        return _timed(run, asked)


def _timed(run: Any, asked: dict[str, Any]) -> tuple[float, list[int]]:
    """Time a whole answer; of `decode`, what comes after the first token."""
    if asked["measure"] == "prefill":
        return run(1)
    seconds, tokens = run(asked["new"])
    if asked["measure"] == "decode":
        seconds = (seconds - run(1)[0]) * asked["new"] / (asked["new"] - 1)
    return seconds, tokens


ENGINES = {"ours": Ours, "transformers": Transformers, "llama.cpp": LlamaCpp, "vllm": Vllm}


def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an engine prints is not an answer
    options = json.loads(sys.argv[3])
    if options.get("clock") == "cpu":
        global clock
        clock = time.process_time
    racer = ENGINES[sys.argv[1]](sys.argv[2], options)
    print("ready", file=out, flush=True)
    for line in sys.stdin:
        seconds, tokens = racer.answer(json.loads(line))
        print(json.dumps({"seconds": seconds, "tokens": tokens}), file=out, flush=True)


if __name__ == "__main__":
    main()
