"""Questions answered by likelihood: the five sets' forms, and what a model's numbers come to."""

import json
from pathlib import Path

import pytest

from gristmill.errors import RecipeError
from gristmill.evaluation.benchmark import find
from gristmill.evaluation.choices import question
from gristmill.evaluation.sources import References

SETS = ("mmlu", "bbh", "hellaswag", "winogrande", "arc")


@pytest.mark.parametrize("name", SETS)
def test_references_of_the_bundled_handful_are_all_right(name: str) -> None:
    known = find(f"{name}@small")
    tasks = known.load(None)
    answers = References().answers(tasks, [(at, 0) for at in range(len(tasks))], 0)
    verdicts = [known.judge(tasks[at], raw, None) for at, _, raw in answers]
    assert len(tasks) >= 4 and all(one.passed for one in verdicts)
    wrong = json.dumps([0.0] * len(tasks[0].prompt.choices))
    assert not known.judge(tasks[0], wrong, None).passed or tasks[0].data["right"] == 0


@pytest.mark.parametrize("name", SETS)
def test_the_sets_files_are_the_users(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRISTMILL_BENCHMARKS", raising=False)
    with pytest.raises(RecipeError, match=r"--data"):
        find(name).load(tmp_path)


def test_a_short_answer_may_win_by_likelihood_and_lose_by_byte() -> None:
    pairs = [("So", " no"), ("So", " certainly not in this case")]
    plain, by_byte = question("a", pairs, 0), question("a", pairs, 1, kind="byte")
    known = find("arc")
    said = json.dumps([-4.0, -9.0])
    assert known.judge(plain, said, None).passed
    verdict = known.judge(by_byte, said, None)
    assert verdict.passed and verdict.measures == {"most_probable": 0.0, "by_byte": 1.0}
    assert known.judge(plain, "[1]", None).kind == "missing"
    assert known.judge(plain, "no list", None).kind == "missing"


def test_the_authors_folders_are_read(tmp_path: Path) -> None:
    for split, rows in (("dev", ["Q?,a,b,c,d,B", '"Q, 2?",a,b,c,d,A']), ("test", ["R?,e,f,g,h,C"])):
        (tmp_path / split).mkdir()
        path = tmp_path / split / f"high_school_physics_{split}.csv"
        path.write_text("\n".join(rows) + "\n")
    (task,) = find("mmlu").load(tmp_path)
    assert task.prompt.prefix.startswith(
        "The following are multiple choice questions (with answers)"
    )
    assert "about high school physics.\n\nQ?\nA. a\nB. b" in task.prompt.prefix
    assert "Answer: A\n\nR?\nA. e" in task.prompt.prefix and task.reference == " C"
    (tmp_path / "bbh").mkdir()
    examples = [{"input": str(n), "target": "yes" if n % 2 else "no"} for n in range(5)]
    (tmp_path / "bbh" / "odd.json").write_text(json.dumps({"examples": examples}))
    free = [{"input": str(n), "target": str(n)} for n in range(30)]
    (tmp_path / "bbh" / "free.json").write_text(json.dumps({"examples": free}))
    tasks = find("bbh").load(tmp_path)
    assert [task.name for task in tasks] == ["odd/0", "odd/1"]
    assert tasks[0].prompt.prefix == "Q: 0\nA: no\n\nQ: 1\nA: yes\n\nQ: 2\nA: no\n\nQ: 3\nA:"


def test_winogrande_compares_what_follows_either_name() -> None:
    task = find("winogrande@small").load(None)[0]
    (one, rest), (other, same) = task.prompt.choices
    assert one.endswith("Anna") and other.endswith("Maria") and rest == same == " gave it back."
