"""Real clients, unmodified, against our front: what an editor's own code makes of our answers.

    pytest tests/bench/test_clients_truth.py -m truth -s

    openai (python)        its own API tests, sync and async, on a lenient front: they send every field
    openai (npm)           completions with suffix, a stream, a chat
    tabby-agent (npm)      Tabby's editor agent, headless, as an editor plug-in drives it
    llama.cpp's own tests  of its server, those that check protocol and not its test model's words

The model is a tiny random one: forms are what is checked here.
"""

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from gristmill.serving.access import FrontSettings, Key, digest
from gristmill.serving.host import HostLimits
from tests.bench.repositories import npm_install, pypi, wheel
from tests.served_app import served

pytestmark = pytest.mark.truth
TEXT = "def add(a, b):\n    return "
OPENAI = """
import OpenAI from 'openai';
const client = new OpenAI({baseURL: process.argv[2] + '/v1', apiKey: 'x', maxRetries: 0});
const models = (await client.models.list()).data.map(model => model.id);
const asked = {model: 'tiny', prompt: 'def add(a, b):\\n    return', max_tokens: 8, temperature: 0};
const whole = await client.completions.create({...asked, suffix: '\\n\\nadd(1)', presence_penalty: 0.5});
const pieces = await client.completions.create({...asked, suffix: '\\n\\nadd(1)', presence_penalty: 0.5, stream: true});
let text = '';
for await (const piece of pieces) text += piece.choices[0].text;
const chat = await client.chat.completions.create(
  {model: 'tiny-chat', messages: [{role: 'user', content: 'hi'}], max_tokens: 5});
console.log(JSON.stringify({models, whole, text, role: chat.choices[0].message.role}));
"""
LLAMA = {
    "unit/test_infill.py": "invalid_input_extra",
    "unit/test_tokenize.py": "detokenize",
    "unit/test_completion.py": "same_seed or different_seed or json_prompt_no_mtmd or fields0",
}
LLAMA_SECURITY = "public_endpoint or incorrect_api_key or correct_api_key"
LLAMA_KEY = "sk-this-is-the-secret-key"
OPENAI_TESTS = ("test_completions.py", "chat/test_completions.py", "test_models.py")
OPENAI_NAMES = "not path_params and not Retrieve and (create or (Models and (retrieve or list)))"
"""Stored completions and deleted models are a hosted service's, no endpoint's."""
ALIASES = {
    "gpt-3.5-turbo-instruct": "completion",
    "gpt-3.5-turbo": "chat",
    "gpt-6-astra": "chat",
    "model": "completion",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("clients")) as running:
        yield running.url


@pytest.fixture(scope="module")
def lenient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An endpoint with other names for its models, that says what it ignores."""
    limits = HostLimits(max_batch=8, max_queued=32, cache_tokens=16384, threads=1)
    settings = FrontSettings(aliases=ALIASES, lenient=True)
    with served(tmp_path_factory.mktemp("lenient"), limits, settings) as running:
        yield running.url


@pytest.fixture(scope="module")
def clients() -> Path:
    return npm_install("clients", "openai@7.57.0", "tabby-agent@1.5.0")


def test_openai_s_own_tests(lenient: str, tmp_path: Path) -> None:
    shutil.copytree(pypi("openai==3.54.0") / "tests", tmp_path / "tests")
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    plugin = wheel("pytest-asyncio==1.5.0")
    environment = {
        **os.environ, "TEST_API_BASE_URL": f"{lenient}/v1", "PYTHONPATH": str(plugin),
    }  # fmt: skip
    files = [f"tests/api_resources/{name}" for name in OPENAI_TESTS]
    command = [sys.executable, "-m", "pytest", "-q", "-W", "ignore", "-k", OPENAI_NAMES, *files]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900
    )
    print("openai-python", done.stdout.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout[-4000:]


def test_openai_s_package_for_node(url: str, clients: Path) -> None:
    script = clients / "ask.mjs"
    script.write_text(OPENAI)
    done = subprocess.run(["node", script, url], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["models"] == ["tiny", "tiny-chat"] and said["role"] == "assistant"
    assert said["text"] == said["whole"]["choices"][0]["text"]
    assert said["whole"]["usage"]["completion_tokens"] == 8


def test_tabby_s_agent_shows_a_suggestion(url: str, clients: Path) -> None:
    agent = subprocess.Popen(
        ["node", clients / "node_modules/tabby-agent/dist/cli.js"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert agent.stdin is not None and agent.stdout is not None
    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=lambda: [lines.put(line) for line in agent.stdout or ()])
    reader.start()

    def call(number: int, function: str, *arguments: Any) -> Any:
        order = json.dumps([number, {"func": function, "args": arguments}])
        print(order, file=agent.stdin, flush=True)
        while True:
            answer = json.loads(lines.get(timeout=60))
            if answer[0] == number:
                return answer[1]

    try:
        server = {"endpoint": url, "token": "t"}
        config = {"server": server, "anonymousUsageTracking": {"disable": True}}
        assert call(
            1,
            "initialize",
            {"config": config, "clientProperties": {"user": {}, "session": {}}},
        )
        assert call(2, "getStatus") == "ready"
        asked = {"filepath": "/x/a.py", "language": "python", "manually": True}
        asked |= {"text": f"{TEXT}\n\nadd(1, 2)\n", "position": len(TEXT)}
        found = call(3, "provideCompletions", asked)
        assert found["choices"] and found["choices"][0]["text"]
        shown = {"type": "view", "completion_id": found["id"], "choice_index": 0}
        assert call(4, "postEvent", shown)
    finally:
        agent.kill()
        agent.wait()
        reader.join()
        agent.stdin.close()
        agent.stdout.close()


def test_llama_cpp_s_own_tests_of_its_server(url: str, tmp_path: Path) -> None:
    _llama(url, tmp_path, LLAMA)


def test_llama_cpp_s_own_tests_of_its_keys(tmp_path: Path) -> None:
    settings = FrontSettings(keys=(Key("test", digest(LLAMA_KEY)),), aliases=ALIASES)
    with served(tmp_path / "served", settings=settings) as running:
        _llama(running.url, tmp_path, {"unit/test_security.py": LLAMA_SECURITY})


def _llama(url: str, tmp_path: Path, files: dict[str, str]) -> None:
    tree = pypi("llama-cpp-python==0.3.36") / "vendor/llama.cpp/tools/server/tests"
    tests = Path(shutil.copytree(tree, tmp_path / "tests"))
    (tests / "wget.py").write_text('"""Only needed to fetch models."""\n')
    environment = {**os.environ, "DEBUG_EXTERNAL": "1", "PORT": str(urlsplit(url).port)}
    for file, names in files.items():
        command = [sys.executable, "-m", "pytest", "-q", "-W", "ignore", file, "-k", names]
        done = subprocess.run(
            command, cwd=tests, env=environment, capture_output=True, text=True, timeout=300
        )
        print(file, done.stdout.strip().splitlines()[-1])
        assert done.returncode == 0, done.stdout[-4000:]
