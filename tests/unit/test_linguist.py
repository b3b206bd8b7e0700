"""Linguist, under our names, and what it does after a fork."""

import os
import subprocess
import sys
from pathlib import Path

import gristmill
from gristmill.corpus import linguist


def test_content_rules_answer_under_our_names() -> None:
    assert linguist.content_language("a.m", b"@implementation A\n@end\n") == "Objective-C"
    assert linguist.content_language("a.f90", b"") in ("", "Fortran")
    assert linguist.our_name("Cuda") == "CUDA"


def test_names_give_candidates() -> None:
    assert linguist.name_languages("x.cu") == ("CUDA",)
    assert len(linguist.name_languages("x.inc")) > 1
    assert linguist.name_languages("x.png") == ()


def test_folders_of_copies() -> None:
    assert linguist.vendored_folder("web/node_modules/a")
    assert linguist.vendored_folder("deps")
    assert not linguist.vendored_folder("src/inventory")


def test_documentation_by_path() -> None:
    assert linguist.documentation("docs/guide.md") and linguist.documentation("README.rst")
    assert not linguist.documentation("src/doctor.py")


def test_minified_and_compiled_scripts_are_generated() -> None:
    assert linguist.generated("a.js", b"var a=1;" * 300)
    assert not linguist.generated("a.js", b"var a = 1;\n" * 30)


def test_odd_names_are_no_trouble() -> None:
    assert not linguist.documentation("a\0b\udcff.py")


def test_a_forked_child_is_told_so_instead_of_waiting_for_ever() -> None:
    code = """
import os, warnings
warnings.simplefilter("ignore")
from gristmill.corpus import linguist
linguist.documentation("a.py")
child = os.fork()
if child == 0:
    try:
        linguist.documentation("a.py")
    except Exception as error:
        os._exit(3 if "fork" in str(error) else 4)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    library = Path(gristmill.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(library)},
    )
    assert done.stdout.strip() == "3", done.stderr
