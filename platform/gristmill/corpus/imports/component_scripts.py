"""The scripts of Vue and Svelte components, as a grammar of TypeScript can read them.

Everything but the scripts is blanked out, byte by byte, so that lines and columns stay. A script that
lies in a file of its own (`<script src="./a.ts">`) becomes an import of that file. Scripts in another
language (`lang="coffee"`, `type="text/template"`) are blanked like markup.
"""

import re

ENDINGS = (".vue", ".svelte")
_SCRIPT = re.compile(  # what is not closed runs to the end, so that no text is searched twice
    rb"<!--(?:.*?-->|.*)"
    rb"|<script((?:\s(?:[^>\"']|\"[^\"]{0,300}\"|'[^']{0,300}'){0,300})?)"
    rb"(?:(?<=/)>|>(?:(.*?)</script\s{0,9}>|.*))",
    re.DOTALL | re.IGNORECASE,
)
_ATTRIBUTE = re.compile(rb"(?<![^\s\"'])([\w:-]+)\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s\"'>/]+)")
_LANGUAGES = frozenset(
    b"js jsx ts tsx javascript typescript babel module es6 ecmascript ecmascript-6".split()
)
_BLANKED = bytes(byte if byte in b"\r\n" else 32 for byte in range(256))
_IMPORT = b"import "


def scripts_only(data: bytes) -> bytes:
    """Return the component with blanks for all that is no script; same length, same line ends."""
    made = bytearray(data.translate(_BLANKED))
    for found in _SCRIPT.finditer(data):
        if found[1] is None:
            continue  # a comment
        attributes = {one[1].lower(): one for one in _ATTRIBUTE.finditer(found[1])}
        written = (attributes.get(name) for name in (b"lang", b"type"))
        said = [one[2].strip(b"\"'").rpartition(b"/")[2] for one in written if one is not None]
        if not _LANGUAGES.issuperset(said):
            continue
        source = attributes.get(b"src")
        if source is not None and source[2][:1] in {b'"', b"'"}:
            start = found.start(1) + source.start(2)
            end = found.start(1) + source.end(2)
            made[start - len(_IMPORT) : end] = _IMPORT + data[start:end]
        elif found[2] is not None:
            made[found.start(2) : found.end(2)] = found[2]
    return bytes(made)
