"""`gristmill cluster`: the one cluster definition, rendered, checked, brought up and down."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from cluster import definition as definitions
from cluster import render
from cluster.local import LocalCluster
from jobs.cli.app import JsonOption, app, say, say_json

cluster_app = typer.Typer(
    help="The cluster definition and what is made of it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(cluster_app, name="cluster")

DefinitionArgument = Annotated[
    Path, typer.Argument(metavar="[FILE]", help="The cluster definition.")
]


@cluster_app.command("render")
def render_command(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help=f"One of {', '.join(get_args(render.Target))}.")
    ],
    definition: DefinitionArgument = definitions.DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Print what `ray up` or KubeRay reads, made from the definition."""
    loaded = definitions.load(definition)
    if as_json:
        say_json(render.document(loaded, target))
    else:
        say(render.render(loaded, target).rstrip("\n"))


@cluster_app.command("check")
def check_command(
    definition: DefinitionArgument = definitions.DEFAULT, as_json: JsonOption = False
) -> None:
    """Read the definition, make every rendering of it, and say what each pool is."""
    lines = render.check(definitions.load(definition))
    if as_json:
        say_json({"definition": str(definition), "pools": lines})
    else:
        for line in lines:
            say(line)


@cluster_app.command("up")
def up_command(
    definition: DefinitionArgument = definitions.DEFAULT,
    host: Annotated[
        str, typer.Option("--host", help="Address the dashboard and job API listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option("--port", help="Port of the dashboard; default: 8265 or a free one."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Start the cluster on this machine and leave it up; `gristmill run` then uses it."""
    cluster = LocalCluster.start(definitions.load(definition), host=host, port=port, detached=True)
    if as_json:
        say_json({"address": cluster.address, "nodes": cluster.nodes})
        return
    say(f"the cluster is up; dashboard and job API: {cluster.address}")
    say(f"token: RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH={cluster.env['RAY_AUTH_TOKEN_PATH']}")
    say("end it: gristmill cluster down")


@cluster_app.command("down")
def down_command(as_json: JsonOption = False) -> None:
    """End the cluster that `cluster up` started on this machine."""
    cluster = LocalCluster.find()
    if cluster is not None:
        cluster.close()
    if as_json:
        say_json({"stopped": None if cluster is None else cluster.address})
    else:
        say("no cluster is up" if cluster is None else f"the cluster at {cluster.address} is down")
