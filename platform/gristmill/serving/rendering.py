"""A request's texts into token ids; the one place where the served prompt is laid out.

With a suffix the prompt is infilled: both texts are taken literally, so a file that holds a sentinel's
text cannot break the prompt. Without one, special tokens written in the prompt are meant (editors that
lay out FIM themselves send them so), and bos leads unless the prompt brings it (or the model never saw one). A file path leads the
text as the comment that training puts above every file. Other files of the repository lead both.
A model is asked in the layout that it was trained in (`Layout`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gristmill.corpus.languages import comment_line, language_of
from gristmill.errors import RequestError
from gristmill.serving.exchange import Generation
from gristmill.tokens.chat import chat_prompt
from gristmill.tokens.config import Fim
from gristmill.tokens.fim import Split, lay_out
from gristmill.tokens.tokenizer import Tokenizer

SUFFIX_SHARE = 4
"""Where an infilling prompt must be cut, the suffix keeps at least one part in this many."""
NUM_SENTINELS = 3
EDGE = 64
"""A cut prefix begins at a multiple of so many of its tokens: its beginning, and so what the cache
knows of it, stays while somebody types."""


@dataclass(frozen=True)
class Layout:
    """How a model was trained to infill; the paper's way where nothing is known."""

    mode: Literal["psm", "spm", "spm_plain"] = "psm"
    files: Literal["each", "last"] = "each"
    """`last`: other files of the repository lead with `repo_name` and `file_sep` tokens between them."""
    bos: bool = True
    """Whether the model saw bos before its texts; one from elsewhere may not have (`Habits`)."""

    @staticmethod
    def of(fim: Fim) -> Layout:
        """Return the layout that a model of this part of a recipe is best asked in."""
        return Layout(fim.prompt, fim.files)


PAPER = Layout()


def render(
    tokenizer: Tokenizer, generation: Generation, room: int, layout: Layout = PAPER
) -> list[list[int]]:
    """Return the token ids of each prompt; `room` is what a prompt may fill. Raises RequestError."""
    if generation.messages:
        return [chat_prompt(tokenizer, generation.messages)]
    keep = _kept(generation.keep_tokens, room)
    rendered: list[list[int]] = []
    for prompt in generation.prompts:
        if isinstance(prompt, str):
            suffix = generation.suffix
            header = path_header(generation.file_path, prompt + (suffix or ""))
            if suffix is None:
                ids = _plain(tokenizer, header, prompt, keep, layout)
            else:
                ids = _infilled(
                    tokenizer, header, prompt, suffix, keep, layout, generation.anchored
                )
            rendered.append(_with_extra(tokenizer, ids, generation, room, layout))
        elif generation.suffix is not None:
            raise RequestError("suffix needs a text prompt, not token ids", param="suffix")
        else:
            rendered.append(_ids(tokenizer, prompt, keep))
    return rendered


def _kept(keep_tokens: int | None, room: int) -> int | None:
    if keep_tokens is None:
        return None
    return room if keep_tokens < 0 else min(keep_tokens, room)


def language_of_request(generation: Generation, prefix: str) -> str | None:
    """Return the language that is written, by what the request says of the file."""
    path = " ".join((generation.file_path or "").split())
    found = language_of(path, prefix + (generation.suffix or "")) if path else None
    return found or generation.language


def echo_span(
    tokenizer: Tokenizer, ids: Sequence[int], infills: bool, layout: Layout = PAPER
) -> tuple[int, int]:
    """Return where the asker's own prompt begins and ends in the rendered one."""
    special = tokenizer.special
    at = list(ids)
    if not infills:
        return int(at[:1] == [special.bos]), len(at)
    if layout.mode == "spm":
        return at.index(special.fim_end) + 1, len(at)
    end = special.fim_hole if layout.mode == "psm" else special.fim_end
    return at.index(special.fim_begin) + 1, at.index(end)


def path_header(file_path: str | None, text: str) -> str:
    """Return the comment line that training puts above a file of this path; empty where it puts none."""
    path = " ".join((file_path or "").split())
    language = language_of(path, text) if path else None
    return comment_line(language, path) if language else ""


def _with_extra(
    tokenizer: Tokenizer, ids: list[int], generation: Generation, room: int, layout: Layout
) -> list[int]:
    """Return a prompt behind other files of its repository, as a training document has them.

    They lead in the order given, each under its path comment; the last ones are kept where not all
    of them fit.
    """
    if not generation.extra:
        return ids
    special = tokenizer.special
    parted = layout.files == "last" and generation.suffix is not None
    begins = int(ids[:1] == [special.bos])
    lead, separator = ids[:begins], []
    if parted:
        name = generation.repository or _name_of(generation.git_url)
        lead = [*lead, special.repo_name, *tokenizer.encode(name + "\n")]
        separator = [special.file_sep]
    left = room - len(lead) - len(separator) - len(ids[begins:])
    before: list[int] = []
    for path, text in reversed(generation.extra):
        body = path_header(path, text) + text.rstrip("\n") + "\n"
        block = [*separator, *tokenizer.encode(body)]
        if len(before) + len(block) > left:
            break
        before = [*block, *before]
    return [*lead, *before, *separator, *ids[begins:]] if before else ids


def _name_of(git_url: str | None) -> str:
    return (git_url or "").rstrip("/").removesuffix(".git").rpartition("/")[2]


def _plain(
    tokenizer: Tokenizer, header: str, prompt: str, keep: int | None, layout: Layout
) -> list[int]:
    special = tokenizer.special
    ids = tokenizer.encode_with_special(prompt)
    begins = _begins(tokenizer, layout)
    if ids[:1] == [special.bos]:
        del ids[0]
        begins = [special.bos]
    lead = [*begins, *tokenizer.encode(header)]
    if keep is not None and len(lead) + len(ids) > keep:
        lead = lead[:keep]
        ids = ids[len(ids) + len(lead) - keep :]
    return [*lead, *ids] or [special.bos]


def _begins(tokenizer: Tokenizer, layout: Layout) -> list[int]:
    return [tokenizer.special.bos] if layout.bos else []


def _infilled(
    tokenizer: Tokenizer,
    header: str,
    prompt: str,
    suffix: str,
    keep: int | None,
    layout: Layout,
    anchored: bool,
) -> list[int]:
    """Return an infilling prompt of at most `keep` tokens.

    `anchored`: the hole begins with the cursor's line, and what is typed of it comes after. So all but
    the typed part stays the same, and cached, while somebody types on one line. Where the prefix comes
    last anyhow (`spm`), it is so by itself.
    """
    special = tokenizer.special
    forced: list[int] = []
    if anchored and layout.mode != "spm":
        above, newline, typed = prompt.rpartition("\n")
        prompt, forced = above + newline, tokenizer.encode(typed)
    lead = [*_begins(tokenizer, layout), *tokenizer.encode(header)]
    before, after = tokenizer.encode(prompt), tokenizer.encode(suffix)
    if keep is not None:
        before, after = cut(before, after, keep - len(lead) - len(forced) - NUM_SENTINELS)
    parts = [before, [], after]
    return [*lead, *lay_out(Split(layout.mode, (0, 0)), parts, special)[:-1], *forced]


def cut(prefix: Sequence[int], suffix: Sequence[int], room: int) -> tuple[list[int], list[int]]:
    """Return `room` tokens of the text nearest to the hole, prefix before suffix."""
    room = max(0, room)
    num_suffix = min(len(suffix), max(room // SUFFIX_SHARE, room - len(prefix)))
    left_out = max(0, len(prefix) - (room - num_suffix))
    if left_out and len(prefix) - left_out > 2 * EDGE:
        left_out = -(-left_out // EDGE) * EDGE
    return list(prefix[left_out:]), list(suffix[:num_suffix])


def check_ids(tokenizer: Tokenizer, tokens: Sequence[int]) -> None:
    """Raise RequestError when an id is not the tokenizer's."""
    outside = [token for token in tokens if not 0 <= token < tokenizer.num_tokens]
    if outside:
        raise RequestError(
            f"token id {outside[0]} is not in this model's vocabulary of {tokenizer.num_tokens}",
            param="prompt",
        )


def _ids(tokenizer: Tokenizer, prompt: Sequence[int], keep: int | None) -> list[int]:
    check_ids(tokenizer, prompt)
    return list(prompt if keep is None else prompt[max(0, len(prompt) - keep) :])
