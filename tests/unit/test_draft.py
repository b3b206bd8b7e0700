from gristmill.inference.draft import MOST_WAIT, Lookup


def test_what_followed_the_same_tokens_is_the_guess():
    lookup = Lookup()
    assert lookup.draft([1, 2, 3, 4, 5, 9, 1, 2, 3], 2) == (4, 5)
    assert lookup.draft([1, 2, 3, 4, 5, 9, 1, 2, 3], 9) == (4, 5, 9, 1, 2, 3)
    assert lookup.draft([1, 2, 3, 4, 5, 9, 1, 2, 3], 0) == ()
    assert Lookup().draft([1, 2, 3], 4) == ()
    assert Lookup().draft([1, 2, 3, 4, 5, 6], 4) == ()


def test_the_last_place_counts():
    assert Lookup().draft([7, 7, 7, 1, 7, 7, 7, 2, 7, 7, 7], 1) == (2,)


def test_bad_luck_makes_guesses_rare_and_good_luck_frequent():
    lookup = Lookup()
    tokens = [1, 2, 3, 4, 1, 2, 3]
    waits = []
    for _ in range(8):
        lookup.told(0)
        waited = 0
        while not lookup.draft(tokens, 1):
            waited += 1
        waits.append(waited)
    assert waits == sorted(waits) and waits[-1] == MOST_WAIT
    lookup.told(1)
    assert lookup.draft(tokens, 1)
