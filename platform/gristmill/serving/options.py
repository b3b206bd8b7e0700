"""What a request may say beside its protocol, under the same names on every completion route.

    code_rules   true, false, or {"extent": "auto|line|block", "suffix", "indent", "keywords", "repeats"}
    anchor       true: the hole lies at the start of the line, what is typed of the line is forced after it
    file_path, language     which file is written
    repository, recent      whose index gives other files; paths opened lately

Rules are on where nothing is said on an editor's own route (`/infill`, Codestral's, Tabby's), and off on
OpenAI's and DeepSeek's, which are kept to the letter.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gristmill.serving.exchange import Rules

MAX_RECENT = 64


class RulesBody(BaseModel):
    """Rules one by one; each is on where it is not named."""

    model_config = ConfigDict(extra="forbid")

    extent: Literal["auto", "line", "block"] = "auto"
    suffix: bool = True
    indent: bool = True
    keywords: bool = True
    repeats: bool = True

    def plain(self) -> Rules:
        """Return the rules as a value."""
        return Rules(**self.model_dump())


class EditorOptions(BaseModel):
    """The fields; a body inherits them."""

    code_rules: bool | RulesBody | None = None
    anchor: bool | None = None
    file_path: str | None = Field(None, max_length=400)
    """The file's path in its repository, so that the model knows where it writes."""
    language: str | None = Field(None, max_length=80)
    repository: str | None = Field(None, max_length=400)
    recent: list[str] | None = Field(None, max_length=MAX_RECENT)

    def editing(self, *, rules: bool) -> dict[str, Any]:
        """Return the fields of a `Generation`; `rules` is what holds where nothing is said."""
        given = rules if self.code_rules is None else self.code_rules
        found = given.plain() if isinstance(given, RulesBody) else Rules() if given else None
        return {
            "rules": found,
            "anchored": bool(self.anchor),
            "file_path": self.file_path,
            "language": self.language,
            "repository": self.repository,
            "recent": tuple(self.recent or ()),
        }
