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
EDGE = 64
"""A cut prefix begins at a multiple of so many of its tokens: its beginning, and so what the cache
knows of it, stays while somebody types."""


def render(tokenizer: Tokenizer, generation: Generation, room: int) -> list[list[int]]:
    """Return the token ids of each prompt; `room` is what a prompt may fill. Raises RequestError."""
    if generation.messages:
        return [chat_prompt(tokenizer, generation.messages)]
    keep = _kept(generation.keep_tokens, room)
    rendered: list[list[int]] = []
    for prompt in generation.prompts:
        if isinstance(prompt, str):
            header = path_header(generation.file_path, prompt + (generation.suffix or ""))
            if generation.anchored and generation.suffix is not None:
                ids = _anchored(tokenizer, header, prompt, generation.suffix, keep)
            else:
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


def language_of_request(generation: Generation, prefix: str) -> str | None:
    """Return the language that is written, by what the request says of the file."""
    path = " ".join((generation.file_path or "").split())
    found = language_of(path, prefix + (generation.suffix or "")) if path else None
    return found or generation.language


def echo_span(tokenizer: Tokenizer, ids: Sequence[int], infills: bool) -> tuple[int, int]:
    """Return where the asker's own prompt begins and ends in the rendered one."""
    special = tokenizer.special
    if infills:
        at = list(ids)
        return at.index(special.fim_begin) + 1, at.index(special.fim_hole)
    return int(list(ids[:1]) == [special.bos]), len(ids)


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


def _anchored(
    tokenizer: Tokenizer, header: str, prompt: str, suffix: str, keep: int | None
) -> list[int]:
    """Return a prompt whose hole begins with the cursor's line; what is typed of it comes after.

    So all but the typed part stays the same, and cached, while somebody types on one line.
    """
    above, newline, typed = prompt.rpartition("\n")
    forced = tokenizer.encode(typed)
    left = None if keep is None else max(0, keep - len(forced))
    return [*_text(tokenizer, header, above + newline, suffix, left), *forced]


def cut(ids: Sequence[int], begin: int, hole: int, keep: int) -> list[int]:
    """Return an infilling prompt of `keep` tokens: the text nearest to the hole, prefix before suffix."""
    start, at = list(ids).index(begin) + 1, list(ids).index(hole)
    lead, prefix, suffix = list(ids[:start]), list(ids[start:at]), list(ids[at + 1 : -1])
    room = max(0, keep - len(lead) - 2)
    num_suffix = min(len(suffix), max(room // SUFFIX_SHARE, room - len(prefix)))
    left_out = max(0, len(prefix) - (room - num_suffix))
    if left_out and len(prefix) - left_out > 2 * EDGE:
        left_out = -(-left_out // EDGE) * EDGE
    return [*lead, *prefix[left_out:], hole, *suffix[:num_suffix], ids[-1]]


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
