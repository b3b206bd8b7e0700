"""`gristmill corpus`: look into a finished corpus from the terminal."""

from __future__ import annotations

import re
from dataclasses import asdict
from itertools import islice
from typing import Annotated

import typer
from rich.table import Table

from gristmill.artifacts import Artifact, Store
from gristmill.corpus import viewing
from gristmill.corpus.report import REASONS
from gristmill.corpus.viewing import Fate, Pattern
from gristmill.errors import GristmillError, StoreError
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

corpus_app = typer.Typer(
    help="What a corpus holds, and why a file is in it or not.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(corpus_app, name="corpus")

CorpusOption = Annotated[
    str | None,
    typer.Option(
        "--corpus", metavar="NAME[@VERSION]", help="Which corpus; default: the newest in the store."
    ),
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="At most so many lines.")]
FILE = "PATH|REPOSITORY:PATH"


@corpus_app.command("show")
def show_command(
    what: Annotated[
        str | None,
        typer.Argument(metavar="[REPOSITORY|DOCUMENT]", help="A repository, or a document's id."),
    ] = None,
    corpus: CorpusOption = None,
    store: StoreOption = DEFAULT_STORE,
    limit: LimitOption = 40,
    as_json: JsonOption = False,
) -> None:
    """Show the corpus in numbers, one repository's files, or one document's text."""
    artifact = _corpus(store, corpus)
    if what is None:
        _show_all(artifact, limit, as_json)
        return
    found = list(islice(viewing.fates(artifact.storage, Pattern(what, "*")), limit + 1))
    if found:
        _show_files(found, limit, as_json)
        return
    row = viewing.document(artifact.storage, what) if len(what) >= 4 else None
    if row is None:
        raise GristmillError(
            f"{artifact.label} has no repository and no document '{what}'; "
            "`gristmill corpus show` lists the repositories"
        )
    if as_json:
        say_json(row)
        return
    for file in row["files"]:
        say(f"=== {file['path']}")
        say(file["header"] + file["text"])


@corpus_app.command("search")
def search_command(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to look for.")],
    regex: Annotated[
        bool, typer.Option("--regex", help="TEXT is a Python regular expression.")
    ] = False,
    files: Annotated[
        str, typer.Option("--in", metavar=FILE, help="Only in these files; * stands for anything.")
    ] = "*",
    language: Annotated[str | None, typer.Option("--language", help="Only this language.")] = None,
    corpus: CorpusOption = None,
    store: StoreOption = DEFAULT_STORE,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Find lines of the corpus that hold a text. Exit code 1 when there is none."""
    try:
        wanted = re.compile(text if regex else re.escape(text))
    except re.error as error:
        raise typer.BadParameter(f"no regular expression: {error}") from error
    artifact = _corpus(store, corpus)
    hits = viewing.search(artifact.storage, wanted, Pattern.parse(files), language)
    found = list(islice(hits, limit + 1))
    if as_json:
        say_json([asdict(hit) for hit in found[:limit]])
    for hit in found[:limit] if not as_json else ():
        say(f"{hit.repository}:{hit.path}:{hit.line}: {hit.text.strip()[:200]}")
    if len(found) > limit:
        say(f"more than {limit} lines; --limit shows more", aside=True)
    if not found:
        say(f"nothing in {artifact.label} holds it", aside=True)
        raise typer.Exit(1)


@corpus_app.command("why")
def why_command(
    file: Annotated[str, typer.Argument(metavar=FILE, help="* stands for anything.")],
    corpus: CorpusOption = None,
    store: StoreOption = DEFAULT_STORE,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """Say why a file was left out, or kept and where it is now. Exit code 1 when nobody read it."""
    artifact = _corpus(store, corpus)
    found = list(islice(viewing.fates(artifact.storage, Pattern.parse(file)), limit + 1))
    if as_json:
        say_json([asdict(fate) for fate in found[:limit]])
    for fate in found[:limit] if not as_json else ():
        _explain(artifact, fate, with_links=len(found) == 1)
    if len(found) > limit:
        say(f"more than {limit} files; --limit shows more", aside=True)
    if not found:
        say(f"no source of {artifact.label} had a file '{file}'", aside=True)
        raise typer.Exit(1)


def _corpus(store: str, label: str | None) -> Artifact:
    opened = Store.open(absolute_store(store))
    if label is not None:
        artifact = opened.get(label)
        if artifact.record.stage != "corpus":
            raise StoreError(f"{artifact.label} is of stage {artifact.record.stage}, not a corpus")
        return artifact
    found = [artifact for artifact in opened.list() if artifact.record.stage == "corpus"]
    if not found:
        raise StoreError(
            f"the store {opened.storage.url} holds no corpus; gristmill run laptop corpus makes one"
        )
    return max(found, key=lambda artifact: artifact.record.created)


def _show_all(artifact: Artifact, limit: int, as_json: bool) -> None:
    seen = viewing.overview(artifact.storage)
    if as_json:
        say_json({"corpus": artifact.label, **asdict(seen)})
        return
    say(f"{artifact.label}  {artifact.record.created}")
    documents = ", ".join(f"{count:,} {split}" for split, count in seen.splits.items())
    say(f"{sum(seen.splits.values()):,} documents ({documents})")
    table = Table(box=None, pad_edge=False)
    for heading in ("files", "bytes", "fate"):
        table.add_column(heading, justify="left" if heading == "fate" else "right")
    for fate, count in seen.files.items():
        said = "kept" if fate == "kept" else f"{fate}: {REASONS.get(fate, fate)}"
        table.add_row(f"{count:,}", f"{short(seen.num_bytes[fate])}B", said)
    terminal().print(table)
    total = sum(seen.languages.values()) or 1
    shares = [f"{name} {size / total:.0%}" for name, size in seen.languages.items()]
    say("languages: " + ", ".join(shares[:12]))
    table = Table(box=None, pad_edge=False)
    for heading in ("repository", "revision", "licence", "files", "kept", "documents"):
        table.add_column(heading)
    for row in seen.repositories[:limit]:
        names = ("repository", "revision", "licence", "num_files", "num_kept", "num_documents")
        table.add_row(*(str(row[name])[:40] for name in names))
    terminal().print(table)
    if len(seen.repositories) > limit:
        say(f"and {len(seen.repositories) - limit} repositories more; --limit shows them")


def _show_files(found: list[Fate], limit: int, as_json: bool) -> None:
    if as_json:
        say_json([asdict(fate) for fate in found[:limit]])
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("file", "language", "bytes", "document", "place", "fate"):
        table.add_column(heading, justify="right" if heading == "bytes" else "left")
    for fate in found[:limit]:
        place = f"{fate.place}/{fate.num_files}" if fate.kept else ""
        said = fate.split if fate.kept else f"{fate.reason}: {fate.detail}"
        table.add_row(
            fate.path, fate.language, f"{fate.num_bytes:,}", fate.document[:12], place, said
        )
    terminal().print(table)
    if len(found) > limit:
        say(f"more than {limit} files; --limit shows more")


def _explain(artifact: Artifact, fate: Fate, *, with_links: bool) -> None:
    name = f"{fate.repository}:{fate.path}"
    if not fate.kept:
        words = REASONS.get(fate.reason, fate.reason)
        say(f"{name}  left out ({fate.reason}): {words}; {fate.detail or 'no more is known'}")
    else:
        say(
            f"{name}  kept: file {fate.place} of {fate.num_files} in document "
            f"{fate.document[:12]} ({fate.split}), {fate.language}, {fate.num_bytes:,} bytes, "
            f"{fate.licence or 'unknown licence'}"
        )
    if with_links:
        for link in viewing.links(artifact.storage, fate.repository, fate.path):
            line = f" (line {link.line})" if link.line else ""
            say(f"  {link.direction} {link.path}{line}, {link.kind}")
