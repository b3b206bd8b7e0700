"""The `corpus` section of a recipe: sources, rules, dedup, order, held-out split."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gristmill.section import Section, context

Domain = Literal["code", "code_text", "text", "math"]


class InstalledSource(Section):
    """Distributions of the running environment; each is a repository, its version the revision."""

    kind: Literal["installed"]
    names: tuple[str, ...]
    domain: Domain = "code"


class FolderSource(Section):
    """A folder of checkouts: each child directory is a repository."""

    kind: Literal["folder"]
    path: str = context(...)
    domain: Domain = "code"


class GitSource(Section):
    """One git repository, read without a checkout at a revision (a local path or a bare clone)."""

    kind: Literal["git"]
    path: str = context(...)
    revision: str = "HEAD"
    name: str | None = None
    domain: Domain = "code"


class ArchiveSource(Section):
    """Archives, each one a repository: tar.*, zip, wheel, sdist, npm tgz, Debian orig tarball."""

    kind: Literal["archive"]
    paths: tuple[str, ...] = context(...)
    domain: Domain = "code"


class TableSource(Section):
    """Parquet or JSON-lines files with The Stack's columns (content, path, repository, licence)."""

    kind: Literal["table"]
    paths: tuple[str, ...] = context(...)
    domain: Domain = "code"


Source = Annotated[
    InstalledSource | FolderSource | GitSource | ArchiveSource | TableSource,
    Field(discriminator="kind"),
]


class Rules(Section):
    """The paper's rule filters (section 2.1); boundaries are inclusive where the paper says so."""

    max_mean_line_chars: float = 100.0
    max_line_chars: int = 1000
    min_alphabetic_share: float = 0.25
    html_min_visible_share: float = 0.20
    html_min_visible_chars: int = 100
    data_min_chars: int = 50
    data_max_chars: int = 5000
    by_ending: bool = True
    """Spare the endings that StarCoder's filter spares (`corpus.exceptions`); false: all alike."""
    max_file_bytes: int = 1_048_576
    """Larger files are rejected unread; the paper states no limit."""
    max_syntax_error_share: float | None = 0.25
    """Share of bytes under ERROR or MISSING nodes; None switches the rule off."""
    guess_encoding: bool = True
    """Read legacy encodings where that is safe (`corpus.text`); false: UTF-8 and what is declared."""
    drop_minified: bool = True
    drop_generated: bool = True
    drop_vendored: bool = True
    drop_tests: bool = False
    """Tests are marked in any case (`role`), as documentation is: docs, examples, readme."""
    drop_documentation: bool = False


Signal = Literal[
    "comment_share",
    "string_share",
    "number_share",
    "mean_name_chars",
    "short_name_share",
    "longest_word_chars",
    "repeated_line_share",
    "functions",
    "mean_function_lines",
    "longest_function_share",
    "import_share",
]
"""Readability up to `repeated_line_share`, modularity from `functions` on; see `corpus.quality`."""


class Limit(Section):
    """Both bounds are inside: a value that equals one stays."""

    min: float | None = None
    max: float | None = None


class Quality(Section):
    """Readability and modularity signals (`corpus.quality.SIGNALS`), and limits apart from them."""

    signals: bool = True
    """Measure them and keep them as a column, of kept and dropped files alike."""
    limits: dict[str, dict[Signal, Limit]] = Field(default_factory=dict)
    """By language (`all` for every one), then by signal: `{Python: {comment_share: {max: 0.8}}}`.
    None drops a file by default. A language's limit takes the place of that for `all`."""
    ignore: tuple[Signal, ...] = ()
    """Signals whose limits are not applied: an ablation."""

    def __hash__(self) -> int:
        return hash(self.model_dump_json())  # `limits` are mappings

    @model_validator(mode="after")
    def _measured(self) -> Self:
        if self.limits and not self.signals:
            raise ValueError("corpus.quality.limits need corpus.quality.signals: true")
        return self

    def limit(self, language: str, name: Signal) -> Limit | None:
        """Return the limit that holds for a signal of a language, or None."""
        if name in self.ignore:
            return None
        own = self.limits.get(language, {}).get(name)
        return own or self.limits.get("all", {}).get(name)


class Score(Section):
    """Loss per byte under a checkpoint of our own; see `corpus.scoring`."""

    model: str = context(...)
    """A model folder in Hugging Face's layout; its content, not its path, is part of the identity."""
    max_loss_per_byte: float | None = None
    """In bits; files above it are dropped. None only records the score."""
    min_loss_per_byte: float | None = None
    """In bits; files below it, mostly tables and licence texts, are dropped."""
    context_tokens: int | None = None
    """Of each file, at most so many tokens from its beginning; None takes the model's window."""


class Dedup(Section):
    """Exact and MinHash near-dedup. The paper removes at `repository` level; `file` is the default."""

    level: Literal["file", "repository", "both", "none"] = "file"
    threshold: float = Field(0.7, gt=0, le=1)
    num_hashes: int = Field(125, ge=1)
    bands: int = Field(25, ge=1)
    """Each is `num_hashes / bands` slots; copies that agree on one whole band are compared."""
    verify: Literal["exact", "signature"] = "exact"
    """How a pair near the threshold is decided: by its n-gram sets, or by the estimate alone."""
    shingle_words: int = Field(5, ge=1)

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.num_hashes % self.bands:
            raise ValueError(
                f"dedup.num_hashes {self.num_hashes} must divide by dedup.bands {self.bands}"
            )
        return self


class HeldOut(Section):
    """The split kept from training. Never crosses a near-duplicate cluster."""

    by: Literal["file", "repository", "date"] = "file"
    share: float = Field(0.02, ge=0, lt=1)
    max_files: int = Field(8000, ge=1)


class Redact(Section):
    """What is taken out of every text, with a placeholder in its place and a recorded span."""

    secrets: bool = True
    emails: bool = True
    ips: bool = True


class Isolation(Section):
    """Limits of the process that reads files: a file that breaks one is a reject."""

    max_file_seconds: float = Field(30.0, gt=0)
    """CPU seconds for one file, and ten times as long by the clock."""
    max_memory_bytes: int = Field(4_000_000_000, ge=1_000_000_000)
    """Address space on top of what the process has before the first file; linguist takes most of a
    gigabyte of it."""


class CorpusSection(Section):
    """What the corpus is made from, and by which rules."""

    sources: tuple[Source, ...]
    languages: tuple[str, ...] | None = None
    """Languages to keep; None keeps the paper's 87, those it regretted to miss and Markdown."""
    licences: Literal["any", "permissive"] | tuple[str, ...] = "any"
    rules: Rules = Rules()
    quality: Quality = Quality()
    score: Score | None = None
    dedup: Dedup = Dedup()
    order: Literal["scc", "paper", "path", "random", "single"] = "scc"
    """Of a document's files (`corpus.order`); `single` makes every file a document of its own."""
    window_tokens: int | None = Field(16_384, ge=256)
    """Documents longer than this (at three bytes a token) are cut between files, where few imports
    cross; the record says how much of what files import is visible inside it. None cuts nothing."""
    path_comment: bool = True
    """The file's path as a comment in its first line (section 2.2)."""
    decontaminate: tuple[str, ...] = (
        "humaneval",
        "mbpp",
        "gsm8k",
        "math",
        "humanevalpack",
        "multipl-e",
        "evalplus",
        "mbpp-sanitized",
        "svamp",
        "gsm-hard",
    )
    """Bundled benchmarks (these are all; the paper's are the first four), or paths of JSON-lines files."""
    held_out: HeldOut = HeldOut()
    redact: Redact = Redact()
    isolation: Isolation | None = Isolation()
    """None reads in the worker's own process, where a crash of a parser is the worker's."""
    max_repository_bytes: int | None = None
    """Source bytes read of one repository, folder by folder; None reads all."""
    opt_out: tuple[str, ...] = ()
    """Repositories to leave out without a trace, by name or pattern (`*`, `?`), in any case."""
    cache_bytes: int = context(20_000_000_000, ge=0)
    """What the store keeps of tables of read pieces, so that only what changed is read again."""
    workers: int | None = context(None)
    """Worker processes; None takes the data pool's CPUs."""
