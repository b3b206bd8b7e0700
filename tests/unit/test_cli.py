"""Every command: help, exit codes, JSON, and one clear message for each bad input."""

import json
import socket
from pathlib import Path

import pytest

from gristmill.artifacts import Store
from gristmill.recipe import parse
from jobs.__main__ import main
from jobs.cli.app import absolute_store
from jobs.events import StageEvent
from jobs.runs import Runs, conductor_id, new_state
from tests.small_store import put, put_chain

SOURCES = "corpus.sources=[{kind: installed, names: [typer]}]"
COMMANDS = [
    ["plan"], ["run"], ["status"], ["logs"], ["stop"], ["lineage"], ["promote"],
    ["store", "ls"], ["store", "rm"], ["store", "gc"],
    ["cluster", "render"], ["cluster", "check"], ["cluster", "up"], ["cluster", "down"],
]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_cluster_of_the_developers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRISTMILL_STATE", str(tmp_path / "state"))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_and_refuses_unknown_options(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--help"]) == 0
    assert "Usage: gristmill" in capsys.readouterr().out
    assert main([*command, "--nonsense"]) == 2
    assert "No such option" in capsys.readouterr().err


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != ["logs"]], ids=" ".join)
def test_every_command_that_answers_has_json(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main([*command, "--help"])
    assert "--json" in capsys.readouterr().out


def test_plan_says_what_would_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = str(tmp_path / "store")
    assert main(["plan", "smoke", "pretrain", "--set", SOURCES, "--store", store]) == 0
    assert "0 of 4 steps are in the store" in capsys.readouterr().out
    assert main(["plan", "smoke", "--set", SOURCES, "--store", store, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [row["step"] for row in plan["rows"]][:3] == ["corpus", "tokenizer", "tokens"]
    assert not (tmp_path / "store").exists(), "a plan writes nothing"


def _error(capsys: pytest.CaptureFixture[str], code: int, *argv: str) -> str:
    assert main([*argv]) == code
    text = capsys.readouterr().err
    assert text.startswith("error: ") and "Traceback" not in text
    return text


def test_bad_recipes_exit_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ("--store", str(tmp_path))
    text = _error(capsys, 2, "plan", "smoke", "--set", "pretrain.stepz=3", *store)
    assert "unknown key 'pretrain.stepz'; did you mean 'steps'?" in text
    text = _error(capsys, 2, "run", "smok", *store)
    assert "no recipe 'smok': shipped are" in text
    text = _error(capsys, 2, "plan", "smoke", "pretran", "--set", SOURCES, *store)
    assert "did you mean 'pretrain'?" in text


def test_a_missing_source_costs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = f"corpus.sources=[{{kind: folder, path: {tmp_path}/nothing}}]"
    store = ("--store", str(tmp_path / "store"))
    assert "nothing" in _error(capsys, 1, "run", "smoke", "--set", sources, *store)
    assert main(["plan", "smoke", "--set", sources, *store]) == 0, "a plan says it, and goes on"
    assert f"would end at once: source 'folder': {tmp_path}/nothing" in capsys.readouterr().out
    assert not (tmp_path / "store").exists()


def test_a_store_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    argv = ["run", "smoke", "corpus", "--set", SOURCES, "--store", str(tmp_path / "file/store")]
    assert "choose another store with --store" in _error(capsys, 1, *argv)


def test_a_port_that_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        argv = ["run", "smoke", "--set", SOURCES, "--set", f"serve.port={port}"]
        text = _error(capsys, 1, *argv, "--store", str(tmp_path))
        assert f"port {port} on 127.0.0.1 is taken" in text
        assert f"--set serve.port={port + 1}" in text


def test_no_cluster_at_the_address(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    argv = ["run", "smoke", "--set", SOURCES, "--store", str(tmp_path), "--on", address]
    for command in (argv, ["status", "--on", address]):
        text = _error(capsys, 1, *command)
        assert f"no cluster answers at {address}" in text and "gristmill cluster up" in text
    assert Runs.open(str(tmp_path)).states() == []


def test_store_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store.open(str(tmp_path))
    chain, option = put_chain(store), ("--store", str(tmp_path))
    old = put(store, "pretrain", config={"older": 1})
    assert main(["store", "ls", *option]) == 0
    assert chain["corpus"].label in capsys.readouterr().out
    assert main(["store", "ls", "--json", *option]) == 0
    rows = {row["label"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows[chain["tokens"].label]["inputs"] == [
        chain["corpus"].label,
        chain["tokenizer"].label,
    ]
    assert main(["promote", chain["pretrain"].label, *option]) == 0
    assert main(["promote", old.label, "--json", *option]) == 0
    assert "back: " not in capsys.readouterr().out
    assert main(["promote", chain["pretrain"].label, *option]) == 0
    assert f"back: gristmill promote {old.label}" in capsys.readouterr().out
    assert "was made from it" in _error(capsys, 1, "store", "rm", chain["corpus"].label, *option)
    assert main(["store", "gc", "--dry-run", "--json", *option]) == 0
    assert chain["corpus"].label in json.loads(capsys.readouterr().out)["kept"]
    assert main(["store", "rm", chain["finetune"].label, *option]) == 0
    assert store.find(chain["finetune"].record.fingerprint) is None


def test_lineage_ends_at_repositories(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chain, option = put_chain(Store.open(str(tmp_path))), ("--store", str(tmp_path))
    assert main(["lineage", "demo-finetune", *option]) == 0
    text = capsys.readouterr().out
    assert chain["corpus"].label in text and "rich  14.1  MIT" in text
    assert main(["lineage", chain["finetune"].label, "--json", *option]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["licences"] == {"MIT": 2, "BSD-3-Clause": 1} and plain["complete"]
    assert "no artifact demo-x" in _error(capsys, 1, "lineage", "demo-x", *option)


def test_status_and_logs_of_runs_that_are_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    option = ("--store", str(tmp_path))
    assert main(["status", *option]) == 0
    assert "no runs in" in capsys.readouterr().out
    recipe = parse("name: small\ncorpus: {sources: [{kind: installed, names: [typer]}]}")
    runs = Runs.open(str(tmp_path))
    state = new_state(recipe, str(tmp_path), (), "http://127.0.0.1:9")
    runs.create(state.model_copy(update={"status": "failed", "message": "it broke"}), recipe)
    event = StageEvent("corpus", "failed", 1, 1, note="it broke")
    assert main(["status", "--json", *option]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["run"], row["status"], row["queue"]) == (state.run, "failed", None)
    assert main(["status", state.run, "--json", *option]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1
    assert main(["status", "nothing-like-it", *option]) == 0
    assert "no runs in" in capsys.readouterr().out
    assert "went with its cluster" in _error(capsys, 1, "logs", "last", *option)
    runs.write_log(state.run, conductor_id(state.run), event.line() + "\nerror: it broke\n")
    assert main(["logs", *option]) == 0
    assert capsys.readouterr().out == "1/1 corpus: failed  it broke\nerror: it broke\n"
    assert "steps with one: none" in _error(capsys, 1, "logs", "last", "corpus", *option)
    assert "is not running: it is failed" in _error(capsys, 1, "stop", "last", *option)
    assert "run 'other' is not there" in _error(capsys, 1, "logs", "other", *option)


def test_cluster_commands_without_a_cluster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cluster", "down"]) == 0
    assert "no cluster is up" in capsys.readouterr().out
    assert main(["cluster", "check"]) == 0
    assert "train: " in capsys.readouterr().out
    assert main(["cluster", "render", "raycluster"]) == 0
    assert "kind: RayCluster" in capsys.readouterr().out
    assert "no rendering 'slurm'" in _error(capsys, 1, "cluster", "render", "slurm")
    (tmp_path / "bad.yaml").write_text("nam: x\n")
    assert "did you mean 'name'" in _error(
        capsys, 1, "cluster", "check", str(tmp_path / "bad.yaml")
    )


def test_a_recipe_whose_sources_are_not_here_is_planned_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plan", "1.3b", "--on", "http://127.0.0.1:9"]) == 0
    text = capsys.readouterr().out
    assert "1.8 T" in text and "sources that are not here" in text
    assert f"a run would end at once: source 'folder': {tmp_path}/repositories" in text
    assert main(["plan", "1.3b", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["source_bytes"] is None and plan["rows"][0]["time_s"] is None


@pytest.mark.parametrize(
    ("given", "found"),
    [("/a/b/../c/", "/a/c"), ("s3://bucket/store/", "s3://bucket/store"), ("/a", "/a")],
)
def test_one_store_has_one_name(given: str, found: str) -> None:
    assert absolute_store(given) == found
