"""The root command, and what its commands share: options, output, where the store is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from gristmill import __version__

app = typer.Typer(
    help="Repositories in, a code model out, on one Ray cluster.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

StoreOption = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="GRISTMILL_STORE",
        metavar="URL",
        help="Where artifacts lie: a local path, s3://, gs://.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=C", help="Override a recipe key; the value is YAML."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
OnOption = Annotated[
    str,
    typer.Option(
        "--on",
        metavar="ADDRESS",
        help="Dashboard of a running cluster (http://host:8265), or local: start one here.",
    ),
]
DEFAULT_STORE = "./store"


def absolute_store(url: str) -> str:
    """Return the store as every process finds it, and one store always by the same words."""
    return url.rstrip("/") if "://" in url else os.path.abspath(Path(url).expanduser())


def say(text: str, *, aside: bool = False) -> None:
    """Print plain text, however long its lines; `aside` on standard error, where JSON has the output."""
    typer.echo(text, err=aside)


def say_json(value: Any) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(value, indent=1, default=str))


def terminal(*, aside: bool = False) -> Console:
    """Return the console that commands draw on; `NO_COLOR` and pipes are honoured."""
    width = None if os.isatty(2 if aside else 1) else 160
    return Console(width=width, stderr=aside)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gristmill {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Repositories in, a code model out, on one Ray cluster."""
