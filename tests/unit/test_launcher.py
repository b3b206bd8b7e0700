"""The `gristmill` script finds the checkout, or says where it looked."""

import subprocess
import sys
from pathlib import Path

import pytest

from gristmill.errors import GristmillError
from gristmill.launcher import find_home

ROOT = Path(__file__).parents[2]
NOWHERE = Path("/nonexistent/site-packages/gristmill/launcher.py")


def test_walks_up_from_the_working_directory() -> None:
    assert find_home(None, ROOT / "tests/unit", NOWHERE) == ROOT


def test_falls_back_to_the_editable_install() -> None:
    assert find_home(None, Path("/"), ROOT / "platform/gristmill/launcher.py") == ROOT


def test_the_named_home_wins(tmp_path: Path) -> None:
    for name in ("jobs/__main__.py", "platform/gristmill/launcher.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    assert find_home(str(tmp_path), ROOT, NOWHERE) == tmp_path


def test_a_wrong_home_and_no_home_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(GristmillError, match=r"GRISTMILL_HOME is .* no checkout .* unset it"):
        find_home(str(tmp_path), ROOT, NOWHERE)
    with pytest.raises(GristmillError, match="change into a checkout, or set GRISTMILL_HOME"):
        find_home(None, tmp_path, NOWHERE)


def test_the_script_runs_the_checkout_and_passes_the_exit_code_on() -> None:
    script = str(Path(sys.executable).with_name("gristmill"))
    if not Path(script).exists():
        pytest.skip("the gristmill script is not installed in this environment")
    version = subprocess.run([script, "--version"], capture_output=True, text=True, cwd=ROOT)
    assert version.stdout.startswith("gristmill ") and version.returncode == 0
    assert subprocess.run([script, "nonsense"], capture_output=True, cwd=ROOT).returncode == 2
