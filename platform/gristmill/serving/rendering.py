"""A request's texts into token ids; the one place where the served prompt is laid out.

With a suffix the prompt is infilled: both texts are taken literally, so a file that holds a sentinel's
text cannot break the prompt. Without one, special tokens written in the prompt are meant (editors that
lay out FIM themselves send them so), and bos leads unless the prompt brings it. A file path leads the
text as the comment that training puts above every file. Other files of the repository lead both.
"""

from collections.abc import Sequence

from gristmill.corpus.languages import comment_line, language_of
from gristmill.errors import RequestError
from gristmill.serving.exchange import Generation
from gristmill.tokens.chat import chat_prompt
from gristmill.tokens.fim import infill_prompt
from gristmill.tokens.tokenizer import Tokenizer

SUFFIX_SHARE = 4
"""Where an infilling prompt must be cut, the suffix keeps at least one part in this many."""


def render(tokenizer: Tokenizer, generation: Generation, room: int) -> list[list[int]]:
    """Return the token ids of each prompt; `room` is what a prompt may fill. Raises RequestError."""
    if generation.messages:
        return [chat_prompt(tokenizer, generation.messages)]
    keep = _kept(generation.keep_tokens, room)
    rendered: list[list[int]] = []
    for prompt in generation.prompts:
        if isinstance(prompt, str):
            header = path_header(generation.file_path, prompt + (generation.suffix or ""))
            ids = _text(tokenizer, header, prompt, generation.suffix, keep)
            rendered.append(_with_extra(tokenizer, ids, generation.extra, room))
        elif generation.suffix is not None:
            raise RequestError("suffix needs a text prompt, not token ids", param="suffix")
        else:
            rendered.append(_ids(tokenizer, prompt, keep))
    return rendered


def _kept(keep_tokens: int | None, room: int) -> int | None:
    if keep_tokens is None:
        return None
    return room if keep_tokens < 0 else min(keep_tokens, room)


def path_header(file_path: str | None, text: str) -> str:
    """Return the comment line that training puts above a file of this path; empty where it puts none."""
    path = " ".join((file_path or "").split())
    language = language_of(path, text) if path else None
    return comment_line(language, path) if language else ""


def _with_extra(
    tokenizer: Tokenizer, ids: list[int], extra: Sequence[tuple[str, str]], room: int
) -> list[int]:
    """Return a prompt behind other files of its repository, as a training document has them.

    They lead in the order given, each under its path comment; the last ones are kept where not all
    of them fit. `ids` begins with bos.
    """
    left = room - len(ids)
    before: list[int] = []
    for path, text in reversed(extra):
        block = tokenizer.encode(path_header(path, text) + text.rstrip("\n") + "\n")
        if len(before) + len(block) > left:
            break
        before = [*block, *before]
    return [*ids[:1], *before, *ids[1:]]


def _text(
    tokenizer: Tokenizer, header: str, prompt: str, suffix: str | None, keep: int | None
) -> list[int]:
    special = tokenizer.special
    if suffix is not None:
        ids = infill_prompt(tokenizer, prompt, suffix, context=header)
        if keep is None or len(ids) <= keep:
            return ids
        return cut(ids, special.fim_begin, special.fim_hole, keep)
    ids = tokenizer.encode_with_special(prompt)
    if ids[:1] == [special.bos]:
        del ids[0]
    lead = [special.bos, *tokenizer.encode(header)]
    if keep is not None and len(lead) + len(ids) > keep:
        lead = lead[:keep]
        ids = ids[len(ids) + len(lead) - keep :]
    return [*lead, *ids]


def cut(ids: Sequence[int], begin: int, hole: int, keep: int) -> list[int]:
    """Return an infilling prompt of `keep` tokens: the text nearest to the hole, prefix before suffix."""
    start, at = list(ids).index(begin) + 1, list(ids).index(hole)
    lead, prefix, suffix = list(ids[:start]), list(ids[start:at]), list(ids[at + 1 : -1])
    room = max(0, keep - len(lead) - 2)
    num_suffix = min(len(suffix), max(room // SUFFIX_SHARE, room - len(prefix)))
    num_prefix = min(len(prefix), room - num_suffix)
    return [*lead, *prefix[len(prefix) - num_prefix :], hole, *suffix[:num_suffix], ids[-1]]


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
