"""Licences found from texts and notices, against what their authors or distributors say they are.

    pytest tests/bench/test_licences_truth.py -s -m truth

"exact" is the very expression; "named" also counts a text that holds the labelled licence and others
(a file with the licences of bundled parts), "verdict" is agreement on permissive or not. What is not exact
is printed. The yardstick is the library's own answer without our tags, notices and sentences.
"""

import importlib.util
import sys
import time
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from licenseclassifier import identify_license

from gristmill.corpus.licence_files import licence_of_file
from gristmill.corpus.licence_texts import licence_of_text
from gristmill.corpus.licences import is_permissive, joined, normalised

pytestmark = pytest.mark.truth

LEAST_TEXTS, LEAST_EXACT, LEAST_NAMED, LEAST_VERDICT = 60, 0.92, 0.97, 0.97


def neighbour(name: str) -> ModuleType:
    """Return a module that lies beside this one."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


SET = neighbour("licence_set")


def by_library(text: str) -> str:
    return joined((normalised(match.id) or match.id for match in identify_license(text)), "AND")


def test_texts_against_what_their_authors_say(capsys: pytest.CaptureFixture[str]) -> None:
    samples = list(SET.texts())
    counts: Counter[tuple[str, str]] = Counter()
    begin = time.process_time()
    answers = [licence_of_text(sample.text) for sample in samples]
    spent = time.process_time() - begin
    with capsys.disabled():
        print()
        for sample, answer in zip(samples, answers, strict=True):
            counts[sample.origin, "texts"] += 1
            counts[sample.origin, "exact"] += answer == sample.licence
            counts[sample.origin, "named"] += sample.licence in answer.split()
            agrees = is_permissive(answer) == is_permissive(sample.licence)
            counts[sample.origin, "verdict"] += agrees
            counts[sample.origin, "library"] += by_library(sample.text) == sample.licence
            if answer != sample.licence:
                print(f"  {sample.origin} {sample.name}: labelled {sample.licence}, found {answer}")
        print(f"{'origin':10}{'texts':>7}{'exact':>8}{'named':>8}{'verdict':>9}{'library':>9}")
        columns = ("exact", "named", "verdict", "library")
        for origin in dict.fromkeys(sample.origin for sample in samples):
            total = counts[origin, "texts"]
            shares = [counts[origin, column] / total for column in columns]
            print(
                f"{origin:10}{total:7}{shares[0]:8.3f}{shares[1]:8.3f}{shares[2]:9.3f}{shares[3]:9.3f}"
            )
        sums = [sum(n for (_, what), n in counts.items() if what == column) for column in columns]
        total = len(samples)
        print(f"{'all':10}{total:7}{sums[0] / total:8.3f}{sums[1] / total:8.3f}", end="")
        print(f"{sums[2] / total:9.3f}{sums[3] / total:9.3f}   {total / spent:.0f} texts a second")
    assert total >= LEAST_TEXTS
    assert sums[0] / total >= LEAST_EXACT
    assert sums[1] / total >= LEAST_NAMED
    assert sums[2] / total >= LEAST_VERDICT


def test_notices_in_source_files() -> None:
    wrong = [
        (sample.name, found)
        for sample in SET.notices()
        if (found := licence_of_file("a.c", sample.text.encode(), {})) != sample.licence
    ]
    assert wrong == []
