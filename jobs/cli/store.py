"""`gristmill store`, `lineage` and `promote`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from gristmill import lineage, removal, retention
from gristmill.artifacts import Artifact, Store
from gristmill.corpus.piece_cache import KEEP_DAYS, PieceCache
from gristmill.errors import StoreError
from gristmill.tags import promote, tags
from jobs import endpoint
from jobs.cli.app import (
    DEFAULT_STORE,
    JsonOption,
    StoreOption,
    absolute_store,
    app,
    say,
    say_json,
    terminal,
)
from jobs.console import short
from jobs.runs import Runs, owner

store_app = typer.Typer(
    help="What lies in the store, and what may leave it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(store_app, name="store")

LabelArgument = Annotated[str, typer.Argument(metavar="NAME[@VERSION]")]


@store_app.command("ls")
def ls_command(store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """List the artifacts: stage, size, when made, from what, promoted or not."""
    opened = Store.open(absolute_store(store))
    promoted = {tag.current.fingerprint for tag in tags(opened)}
    rows = [_row(artifact, promoted) for artifact in opened.list()]
    if as_json:
        say_json(rows)
        return
    if not rows:
        say(f"the store {opened.storage.url} is empty; gristmill run fills it")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("artifact", "stage", "size", "made", "from", ""):
        table.add_column(heading, no_wrap=heading != "from")
    for row in rows:
        table.add_row(
            row["label"], row["stage"], f"{short(row['num_bytes'])}B", row["created"],
            ", ".join(row["inputs"]), "promoted" if row["promoted"] else "",
        )  # fmt: skip
    terminal().print(table)


def _row(artifact: Artifact, promoted: set[str]) -> dict[str, Any]:
    record = artifact.record
    return {
        "label": artifact.label,
        "stage": record.stage,
        "fingerprint": record.fingerprint,
        "num_bytes": sum(record.files.values()),
        "created": record.created,
        "inputs": [f"{item.name}@{item.version}" for item in record.inputs.values()],
        "promoted": record.fingerprint in promoted,
        "url": artifact.storage.url,
    }


@store_app.command("rm")
def rm_command(
    label: Annotated[str | None, typer.Argument(metavar="[NAME[@VERSION]]")] = None,
    store: StoreOption = DEFAULT_STORE,
    force: Annotated[
        bool, typer.Option("--force", help="Even when others were made from it.")
    ] = False,
    repository: Annotated[
        str | None,
        typer.Option("--repository", metavar="NAME", help="All that holds it, models too."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove one artifact, refused while it is needed; or all that hold a repository."""
    opened = Store.open(absolute_store(store))
    if (label is None) == (repository is None):
        raise typer.BadParameter("give an artifact, or --repository NAME")
    if label is not None:
        gone = retention.remove(opened, label, force=force)
        if as_json:
            say_json({"removed": gone.label})
        else:
            say(f"removed {gone.label}")
        return
    assert repository is not None
    held = [item for item in removal.holders(opened, repository) if item.artifact is not None]
    if held and not yes:
        say(f"these hold {repository}: {', '.join(item.label for item in held)}")
        typer.confirm("remove them all, and keep their records?", abort=True)
    done = removal.remove_repository(opened, repository)
    labels = [artifact.label for artifact in done.artifacts]
    if as_json:
        say_json({"removed": labels, "pieces": done.num_pieces})
        return
    for name in labels:
        say(f"removed {name}; its record is kept")
    say(f"removed {done.num_pieces} tables of its pieces; name it in corpus.opt_out to keep it out")


@store_app.command("gc")
def gc_command(
    store: StoreOption = DEFAULT_STORE,
    keep: Annotated[
        list[str] | None, typer.Option("--keep", metavar="NAME@VERSION", help="Keep this one too.")
    ] = None,
    drafts: Annotated[
        bool, typer.Option("--drafts", help="Also unfinished artifacts that no live run is making.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove what no promoted, newest or kept artifact needs for its lineage."""
    url = absolute_store(store)
    in_use = {step.fingerprint for state in Runs.open(url).live() for step in state.steps}
    done = retention.collect(
        Store.open(url), keep=keep or (), in_use=in_use, drafts=drafts, dry_run=dry_run
    )
    num_cached = PieceCache.of(Store.open(url)).sweep(dry_run=dry_run)
    if as_json:
        say_json(
            {
                "removed": [artifact.label for artifact in done.removed],
                "drafts": list(done.drafts),
                "kept": [artifact.label for artifact in done.kept],
                "num_bytes": done.num_bytes,
                "cache_bytes": num_cached,
                "dry_run": dry_run,
            }
        )
        return
    verb = "would remove" if dry_run else "removed"
    for name in [*(artifact.label for artifact in done.removed), *done.drafts]:
        say(f"{verb} {name}")
    say(f"{verb} {len(done.removed)} artifacts, {short(done.num_bytes)}B; kept {len(done.kept)}")
    if num_cached:
        say(f"{verb} {short(num_cached)}B of pieces that no corpus read for {KEEP_DAYS:g} days")


@app.command("promote")
def promote_command(
    label: Annotated[str, typer.Argument(metavar="MODEL@VERSION")],
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Make a version the one that endpoints serve; promoting the former one again is the rollback."""
    tag = promote(Store.open(absolute_store(store)), label, owner())
    if as_json:
        say_json(tag.model_dump())
        return
    before = f"; before: {tag.history[0].version}" if tag.history else ""
    say(f"{tag.name} is served from version {tag.current.version} from now on{before}")
    if tag.history:
        say(f"back: gristmill promote {tag.name}@{tag.history[0].version}")


@app.command("lineage")
def lineage_command(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL[@VERSION]|URL]", help="An artifact, or an endpoint."),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    repository: Annotated[
        str | None,
        typer.Option("--repository", metavar="NAME", help="The other way: who holds, or held, it."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a model was made of, back to every repository, its revision and licence."""
    opened = Store.open(absolute_store(store))
    if (model is None) == (repository is None):
        raise typer.BadParameter("give an artifact or endpoint, or --repository NAME")
    if repository is not None:
        _show_holders(removal.holders(opened, repository), repository, as_json)
        return
    assert model is not None
    labels = _served_labels(model) if model.startswith(("http://", "https://")) else [model]
    walks = {}
    for label in labels:
        artifact = opened.get(label)
        walks[artifact.label] = lineage.walk_back(opened, artifact)
    if as_json:
        plain = {label: walk.as_json() for label, walk in walks.items()}
        say_json(plain if len(labels) > 1 else next(iter(plain.values())))
        return
    for walk in walks.values():
        _show(walk)


def _show_holders(found: list[removal.Holder], repository: str, as_json: bool) -> None:
    if as_json:
        say_json(
            [
                {"label": item.label, "stage": item.record.stage, "removed": item.record.removed}
                for item in found
            ]
        )
        return
    if not found:
        say(f"nothing in the store holds or held {repository}")
    for item in found:
        state = f"removed {item.record.removed}" if item.record.removed else "holds it"
        say(f"{item.label}  {item.record.stage}  {state}")


def _served_labels(url: str) -> list[str]:
    """Return the artifacts an endpoint says it serves. Raises StoreError when it does not say."""
    served = endpoint.models(url.rstrip("/"))
    labels = [str(model["artifact"]) for model in served if model.get("artifact")]
    if not labels:
        raise StoreError(f"the endpoint {url} does not say which artifacts it serves")
    return list(dict.fromkeys(labels))


def _show(walk: lineage.Lineage) -> None:
    for ancestor in walk.ancestors:
        held = ancestor.artifact
        if held is None:
            say(f"{'  ' * ancestor.depth}{ancestor.label}  MISSING from the store")
            continue
        code = held.record.code
        commit = code.commit[:12] + (" with changes" if code.dirty else "")
        say(f"{'  ' * ancestor.depth}{ancestor.label}  {held.record.created}  code {commit}")
    counts = ", ".join(f"{licence} {count}" for licence, count in walk.licences.items())
    say(f"{len(walk.sources)} repositories ({counts}):")
    for source in walk.sources:
        date = f"  {source.date[:10]}" if source.date else ""
        say(f"  {source.repository}  {source.revision}  {source.licence or 'unknown'}{date}")
