"""The command line: `python -m jobs`, or `gristmill` from anywhere.

Exit codes: 0 done; 1 it failed and the message says why; 2 the command, the recipe or an override is
wrong and nothing was started; 130 stopped by Ctrl-C.
"""

import logging
import sys
from collections.abc import Sequence

from gristmill.errors import GristmillError
from jobs.cli import cluster, corpus, evaluate, run, runs, store
from jobs.cli.app import app

GROUPS = (run, runs, corpus, evaluate, store, cluster)
"""Importing a group adds its commands."""


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command and return the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        app(None if argv is None else list(argv), prog_name="gristmill")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except GristmillError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
