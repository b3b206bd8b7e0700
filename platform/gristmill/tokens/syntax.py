"""Syntax nodes of a text: what a hole made of whole syntax can be (arXiv 2506.00204).

The tree is the corpus's own (`corpus.imports`). Bounded by size, never by time, so that the same text has
the same nodes on every machine; a text without a grammar, or too long, has none.
"""

from gristmill.corpus.imports.parsing import unlimited_root

MAX_BYTES = 1 << 18


def nodes_at(text: str, language: str, path: str, place: int) -> list[tuple[int, int]]:
    """Return the character spans of the named nodes that hold the character at `place`.

    Each span once, innermost first, the whole file left out.
    """
    data = text.encode("utf-8", "surrogatepass")
    if not 0 <= place < len(text) or len(data) > MAX_BYTES:
        return []
    root = unlimited_root(language, data, path)
    if root is None:
        return []
    ascii_only = len(data) == len(text)
    byte = place if ascii_only else len(text[:place].encode("utf-8", "surrogatepass"))
    node = root.named_descendant_for_byte_range(byte, byte)
    found: list[tuple[int, int]] = []
    while node is not None and node.parent is not None:
        start, end = node.start_byte, min(node.end_byte, len(data))
        if not ascii_only:
            start, end = (len(data[:at].decode("utf-8", "surrogatepass")) for at in (start, end))
        if start <= place < end and (start, end) not in (*found[-1:], (0, len(text))):
            found.append((start, end))
        node = node.parent
    return found
