"""The same store code on an S3-compatible server as on a local path."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.fs as pafs
import pytest
from moto.server import ThreadedMotoServer

from gristmill.artifacts import Store
from gristmill.errors import StoreError
from gristmill.lineage import walk_back
from gristmill.recipe import parse
from gristmill.retention import collect, remove
from gristmill.storage import Storage
from gristmill.tags import promote, served
from jobs.recipe_files import load_recipe
from jobs.runs import Runs, new_state
from tests.small_store import put, put_chain

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:(moto|werkzeug|botocore)")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """An S3-compatible server on the loopback address; yields the query that reaches it."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    moto.start()
    _, port = moto.get_host_and_port()
    patch = pytest.MonkeyPatch()
    patch.setenv("AWS_ACCESS_KEY_ID", "test")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    yield f"endpoint_override=127.0.0.1%3A{port}&scheme=http&region=us-east-1"
    patch.undo()
    moto.stop()


@pytest.fixture
def url(server: str, request: pytest.FixtureRequest) -> str:
    """A bucket of the test's own."""
    bucket = request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[:60].lower()
    query = f"{server}&allow_bucket_creation=true"
    filesystem, _ = pafs.FileSystem.from_uri(f"s3://{bucket}/store?{query}")
    filesystem.create_dir(bucket)
    return f"s3://{bucket}/store?{server}"


def test_artifacts_lineage_promotion_and_collection(url: str) -> None:
    store = Store.open(url)
    store.check_writable()
    assert list(store.list()) == []
    chain = put_chain(store)
    older = put(store, "pretrain", config={"older": True})
    assert Store.open(url).find(chain["tokens"].record.fingerprint) == chain["tokens"]
    walk = walk_back(store, store.get(chain["finetune"].label))
    assert (len(walk.ancestors), len(walk.sources), walk.missing) == (5, 3, ())
    promote(store, chain["pretrain"].label, "ann")
    assert served(store, "demo-pretrain") == chain["pretrain"]
    with pytest.raises(StoreError, match="was made from it"):
        remove(store, chain["corpus"].label)
    loose = put(store, "sweep", {"tokens": chain["tokens"]}, config={"n": 1})
    remove(store, loose.label)
    done = collect(store, keep=[chain["finetune"].label])
    left = {artifact.label for artifact in store.list()}
    assert {artifact.label for artifact in chain.values()} <= left
    assert {artifact.label for artifact in done.removed} | left >= {older.label}
    assert walk_back(store, chain["finetune"]).missing == ()


def test_a_draft_is_invisible_until_its_record_is_written(url: str) -> None:
    store = Store.open(url)
    draft = store.draft("demo-corpus", "f" * 64)
    draft.storage.write_bytes("documents/part-00000.parquet", b"rows")
    assert store.find("f" * 64) is None
    assert store.draft("demo-corpus", "f" * 64, keep=True).storage.list(recursive=True) == [
        "documents/part-00000.parquet"
    ]
    store.draft("demo-corpus", "f" * 64)
    assert store.storage.sizes("demo-corpus") == {}


def test_folders_go_up_and_come_down_whole(url: str, tmp_path: Path) -> None:
    storage = Storage.open(url)
    (tmp_path / "model/inner").mkdir(parents=True)
    (tmp_path / "model/config.json").write_bytes(b"{}")
    (tmp_path / "model/inner/w").write_bytes(b"w" * 100)
    storage.upload(tmp_path / "model", "m/model")
    assert storage.sizes("m") == {"m/model/config.json": 2, "m/model/inner/w": 100}
    down = storage.download("m/model", tmp_path / "copy")
    assert (down / "inner/w").read_bytes() == b"w" * 100
    flat = storage.child("m/model/inner").download("", tmp_path / "deep/flat")
    assert (flat / "w").read_bytes() == b"w" * 100
    Storage.open(str(tmp_path / "local")).copy_from(storage, "m/model")
    assert (tmp_path / "local/m/model/config.json").read_bytes() == b"{}"


def test_a_run_keeps_its_state_and_recipe_there(url: str) -> None:
    recipe = parse("name: small\ncorpus: {sources: [{kind: installed, names: [rich]}]}")
    runs = Runs.open(url)
    state = new_state(recipe, url, (), "http://127.0.0.1:1")
    where = runs.create(state, recipe)
    assert load_recipe(where) == recipe
    assert [item.run for item in runs.states()] == [state.run]
    runs.write_log(state.run, "corpus-1-1", "line\n")
    assert runs.read_log(state.run, "corpus-1-1") == "line\n"
    assert list(Store.open(url).list()) == [], "runs are no artifacts"


def test_a_bucket_that_is_not_there_says_what_to_do(server: str) -> None:
    store = Store.open(f"s3://no-such-bucket/store?{server}")
    with pytest.raises(StoreError, match=r"cannot be written.*choose another store with --store"):
        store.check_writable()
