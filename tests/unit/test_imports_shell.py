"""Shell: which file a word means; a repository is in the fixtures."""

import shutil
import subprocess
from pathlib import Path

import pytest

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import import_edges

DEPLOY = Path(__file__).parents[1] / "fixtures/imports/shell/deploy"
NAMES = ["a/b/run.sh", "a/b/x.sh", "a/x.sh", "a/lib/y.sh", "x.sh", "other/z.sh"]


def found(script: str) -> list[tuple[str, str]]:
    """Return what a script at a/b/run.sh needs, with the kind."""
    files = [SourceFile(name, "Shell", script if name == NAMES[0] else "") for name in NAMES]
    return [(edge.imported, edge.kind) for edge in import_edges(files)]


@pytest.mark.parametrize(
    ("script", "target"),
    [
        ('. "$(dirname "$0")/x.sh"', "a/b/x.sh"),
        ("source `dirname $0`/../x.sh", "a/x.sh"),
        ('source "${BASH_SOURCE%/*}/../lib/y.sh"', "a/lib/y.sh"),
        ('source "$(dirname "$(readlink -f "$0")")/x.sh"', "a/b/x.sh"),
        (
            'D=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." >/dev/null 2>&1 && pwd -P)\n. $D/x.sh',
            "a/x.sh",
        ),
        ('H=$(dirname $0)\nR="$(cd "$H/../.." && pwd)"\n. "${R}/other/z.sh"', "other/z.sh"),
        ('D=$(dirname "$0")\nP=$(dirname "$D")\n. "$P/x.sh"', "a/x.sh"),
        ('. "$(git rev-parse --show-toplevel)/x.sh"', "x.sh"),
        ('. "${UNKNOWN}/other/z.sh"', "other/z.sh"),
        ('. "${LIB:-/usr/lib}/y.sh"', "a/lib/y.sh"),
        (". ./x.sh", "a/b/x.sh"),
        (". lib/y.sh", "a/lib/y.sh"),
        ("source other/z.sh", "other/z.sh"),
    ],
)
def test_where_sourced_files_lie(script: str, target: str) -> None:
    assert found(script) == [(target, "import")]


def test_running_a_script_is_weak_and_so_is_sourcing_in_a_function() -> None:
    assert found("./x.sh a b") == found("bash -e ./x.sh") == [("a/b/x.sh", "local")]
    assert found("f() { . ./x.sh; }") == [("a/b/x.sh", "local")]
    assert found('FOO=1 exec "$(dirname "$0")"/x.sh "$@"') == [("a/b/x.sh", "local")]


def test_what_is_no_file_of_the_repository_is_no_edge() -> None:
    for script in (
        "# . ./x.sh",
        "echo . ./x.sh",
        ". /etc/x.sh",
        '. "$1"',
        ". ./*.sh",
        "x",
        "cat x.sh",
    ):
        assert found(script) == [], script


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_runs_the_repository() -> None:
    for path in DEPLOY.rglob("*.sh"):
        subprocess.run(["bash", "-n", path], check=True)
    command = ["bash", "-x", DEPLOY / "bin/deploy.sh"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "start\nbuild web\npush\ndone\n"
