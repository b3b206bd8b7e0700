"""Legacy encodings: real sentences in 22 languages, as comments of a program, in the encodings of then.

    pytest tests/bench/test_text_truth.py -m truth

The sentences are those of Vim's tutor. A guess must be right or not made; how often it is made is printed
beside what charset-normalizer's first guess would have given.
"""

import random

import pytest
from charset_normalizer import from_bytes

from gristmill.corpus.text import decode
from tests.bench.repositories import debian

pytestmark = pytest.mark.truth
ENCODINGS = {
    "de": ("cp1252", "latin-1"), "fr": ("cp1252", "latin-1"), "es": ("cp1252",), "it": ("cp1252",),
    "pt": ("cp1252",), "da": ("cp1252",), "nl": ("cp1252",), "nb": ("cp1252",), "sv": ("cp1252",),
    "pl": ("cp1250", "iso8859-2"), "cs": ("cp1250", "iso8859-2"), "hu": ("cp1250", "iso8859-2"),
    "sk": ("cp1250", "iso8859-2"), "hr": ("cp1250",), "ru": ("cp1251", "koi8-r"), "bg": ("cp1251",),
    "uk": ("cp1251",), "el": ("cp1253",), "tr": ("cp1254",), "ja": ("shift_jis", "euc_jp"),
    "ko": ("euc_kr",), "zh_cn": ("gbk",), "zh_tw": ("big5",),
}  # fmt: skip
COMMENTS = (1, 3, 10, 40)
BAR = 0.995


def made(tutor: str, encoding: str, rng: random.Random) -> list[tuple[str, bytes]]:
    """Return programs with comments in the encoding, as text and as bytes that are no UTF-8."""
    sentences = [line.strip() for line in tutor.splitlines() if not line.isascii()]
    found = []
    for num in COMMENTS:
        for number in range(6):
            code = [f"value_{line} = call({number}, {line})" for line in range(50)]
            for _ in range(num):
                code.insert(rng.randrange(len(code)), f"# {rng.choice(sentences)}")
            text = "\n".join(code) + "\n"
            data = text.encode(encoding, "ignore")
            if data.decode(encoding) == text and b"\0" not in data:
                found.append((text, data))
    return found


def test_a_guess_is_right_or_not_made(capsys: pytest.CaptureFixture[str]) -> None:
    folder = debian("vim") / "runtime/tutor"
    rng = random.Random(0)
    total = accepted = right = plain = 0
    for language, encodings in ENCODINGS.items():
        path = folder / f"tutor.{language}.utf-8"
        if not path.exists():
            continue
        for encoding in encodings:
            for text, data in made(path.read_text(encoding="utf-8"), encoding, rng):
                found, reason, _ = decode(data)
                total += 1
                accepted += not reason
                right += found == text
                best = from_bytes(data).best()
                plain += best is not None and str(best) == text
    with capsys.disabled():
        print(f"\n{total} files: {accepted} accepted, {right} of them right")
        print(f"the plain best guess is right for {plain}, and made for nearly all")
    assert total > 300 and accepted > total / 5
    assert right / accepted >= BAR
