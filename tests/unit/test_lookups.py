from gristmill.serving import provenance, repositories
from gristmill.serving.lookups import Repeats, lookups
from tests.made_index import document, write_provenance, write_repository

TEXT = " ".join(f"word{number}" for number in range(200))


def test_without_an_index_there_is_nothing_to_look_up(tmp_path):
    assert lookups(None, Repeats()) == (None, None)
    assert lookups(tmp_path, Repeats()) == (None, None)


def test_each_index_is_used_where_it_is_made(tmp_path):
    write_provenance(tmp_path / provenance.FOLDER, [[document("alpha", TEXT)]])
    watcher, context = lookups(tmp_path, Repeats(words=30))
    assert watcher is not None and context is None
    assert (watcher.min_words, watcher.block) == (30, False)
    write_repository(tmp_path / repositories.FOLDER, "shop", {"a.py": "x = 1\n"}, {})
    _, context = lookups(tmp_path, Repeats())
    assert context is not None and context.names == ("shop",)


def test_repeats_are_blocked_or_ignored_as_the_recipe_says(tmp_path):
    write_provenance(tmp_path / provenance.FOLDER, [[document("alpha", TEXT)]])
    blocking, _ = lookups(tmp_path, Repeats("block"))
    assert blocking is not None and blocking.block
    assert lookups(tmp_path, Repeats("ignore")) == (None, None)
