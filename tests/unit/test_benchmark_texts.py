"""The texts of benchmarks: bundled and from files."""

import json
from collections import Counter
from pathlib import Path

import pytest

from gristmill.corpus.benchmark_texts import BUNDLED, PAPER, passages
from gristmill.corpus.config import CorpusSection
from gristmill.errors import RecipeError

TASKS = {
    "humaneval": 164,
    "mbpp": 974,
    "gsm8k": 1319,
    "math": 500,
    "humanevalpack": 984,
    "multipl-e": 2864,
    "evalplus": 542,
    "mbpp-sanitized": 427,
    "svamp": 1000,
    "gsm-hard": 1319,
}


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_benchmark_has_all_its_tasks(name: str) -> None:
    found = list(passages(name))
    tasks = Counter(passage.task for passage in found)
    assert len(tasks) == TASKS[name]
    assert {passage.field for passage in found} == set(BUNDLED[name])
    assert sum(bool(passage.text.strip()) for passage in found) / len(found) > 0.99


def test_the_default_is_all_of_them_the_paper_s_first() -> None:
    default = CorpusSection(sources=()).decontaminate
    assert default == tuple(BUNDLED) and default[:4] == PAPER


def test_of_a_prompt_in_python_only_the_docstring_counts() -> None:
    prompts = [passage.text for passage in passages("humaneval") if passage.field == "prompt"]
    assert prompts[0].startswith("Check if in given list of numbers")
    assert not any("def " in text.split("\n")[0] for text in prompts)


def test_a_file_s_strings_count_but_for_the_task_s_name(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps({"id": "A", "q": "what", "n": 3, "a": "that"}) + "\n")
    assert [(p.benchmark, p.task, p.field, p.text) for p in passages(str(path))] == [
        ("own.jsonl", "A", "q", "what"),
        ("own.jsonl", "A", "a", "that"),
    ]


def test_an_unknown_name_is_an_error_that_names_the_known() -> None:
    with pytest.raises(RecipeError, match="humaneval, mbpp, gsm8k, math"):
        list(passages("no-such"))
