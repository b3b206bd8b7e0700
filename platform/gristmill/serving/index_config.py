"""The `index` section of a recipe: what serving knows of the corpus beside the weights."""

from gristmill.section import Section


class IndexSection(Section):
    """Which indexes are made; the corpus decides the rest."""

    provenance: bool = True
    """Hashes of the train split, so that an answer that repeats it word for word is told."""
    repositories: bool = True
    """Files and declarations of every repository, for context."""
