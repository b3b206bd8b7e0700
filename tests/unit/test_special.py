from gristmill.tokens.special import SPECIAL, SpecialTokens


def test_strings_are_the_released_ones() -> None:
    assert SPECIAL["fim_begin"].encode() == "<｜fim▁begin｜>".encode()  # noqa: RUF001
    assert SPECIAL["eot"] == "<|EOT|>"
    assert len(set(SPECIAL.values())) == len(SPECIAL)


def test_find_needs_every_token() -> None:
    ids = {text: number for number, text in enumerate(SPECIAL.values())}
    found = SpecialTokens.find(ids.get)
    assert found is not None and found.ids() == frozenset(range(len(SPECIAL)))
    ids.pop("<pad>")
    assert SpecialTokens.find(ids.get) is None
