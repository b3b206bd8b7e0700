"""What a host looks up beside its weights: the two indexes of the `index` artifact, where there is one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gristmill.serving import provenance, repositories
from gristmill.serving.provenance import Index, Watcher
from gristmill.serving.repositories import Repositories


@dataclass(frozen=True)
class Repeats:
    """What is done about an answer that repeats the corpus."""

    action: Literal["report", "block", "ignore"] = "report"
    words: int = 64


def lookups(folder: Path | None, repeats: Repeats) -> tuple[Watcher | None, Repositories | None]:
    """Return the indexes that a local `index` artifact holds; None for those it lacks."""
    if folder is None:
        return None, None
    watcher = None
    if repeats.action != "ignore" and (folder / provenance.FOLDER).is_dir():
        index = Index(folder / provenance.FOLDER)
        watcher = Watcher(index, repeats.words, block=repeats.action == "block")
    has_repositories = (folder / repositories.FOLDER).is_dir()
    return watcher, Repositories(folder / repositories.FOLDER) if has_repositories else None
