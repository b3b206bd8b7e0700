"""The `gristmill` script: finds the checkout and hands over to its command line.

The wheel holds the library only; jobs, actors and cluster are the application and live in a checkout.
It is looked for at `GRISTMILL_HOME`, then upwards from the working directory, then where an editable
install points. Whichever is found first is the code that runs.
"""

import os
import runpy
import sys
from pathlib import Path

from gristmill.errors import GristmillError

NAME = "GRISTMILL_HOME"


def main() -> int:
    """Run `python -m jobs` of the checkout with this process's arguments; return the exit code."""
    try:
        home = find_home(os.environ.get(NAME), Path.cwd(), Path(__file__).resolve())
    except GristmillError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    sys.path[:0] = [str(home / "platform"), str(home)]
    sys.argv[0] = "gristmill"
    try:
        runpy.run_module("jobs", run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def find_home(named: str | None, working: Path, module: Path) -> Path:
    """Return the checkout. Raises GristmillError that says where it was looked for."""
    if named:
        home = Path(named).expanduser().absolute()
        if _is_checkout(home):
            return home
        raise GristmillError(
            f"{NAME} is {named}, which is no checkout of Gristmill (no jobs/__main__.py beside "
            "platform/gristmill there); correct it or unset it"
        )
    for folder in (working, *working.parents, *module.parents):
        if _is_checkout(folder):
            return folder
    raise GristmillError(
        f"no checkout of Gristmill at or above {working}; the package holds the library only: "
        f"change into a checkout, or set {NAME} to one"
    )


def _is_checkout(folder: Path) -> bool:
    jobs, library = folder / "jobs/__main__.py", folder / "platform/gristmill/launcher.py"
    return jobs.is_file() and library.is_file()
