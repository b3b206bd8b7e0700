"""llama.vim, unmodified, in a real Vim: a hint appears while one types, and Tab takes it.

    GRISTMILL_LLAMA_VIM=<checkout of ggml-org/llama.vim> pytest tests/bench/test_vim_truth.py -m truth -s

Vim runs in a terminal of its own and is driven by keys. The plug-in says through Vim's own functions what
it got; the model is a tiny random one.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gristmill.serving.access import FrontSettings, Key, digest
from gristmill.serving.host import HostLimits
from tests.bench.vim_session import Vim
from tests.served_app import Served, served

pytestmark = pytest.mark.truth
PLUGIN = os.environ.get("GRISTMILL_LLAMA_VIM", "")
KEY = "key-of-vim"
TEXT = (
    "class Stack:\n    def __init__(self):\n        self.items = []\n\n    def push(self, item):\n"
)
TYPED = "        self.items.app"
SETTINGS = """
set nocompatible noswapfile cmdheight=3 shortmess+=at
let g:llama_config = {{'endpoint_fim': '{url}/infill', 'api_key': '{key}', 'auto_fim': v:true}}
set runtimepath^={plugin}
runtime plugin/llama.vim
function! Tell(name) abort
  let props = prop_list(line('.'), {{'end_lnum': line('.')}})
  let texts = map(copy(props), 'get(v:val, "text", "")')
  call writefile([json_encode({{'answers': values(g:cache_data), 'shown': texts}})], '{folder}/' . a:name . '.part')
  call rename('{folder}/' . a:name . '.part', '{folder}/' . a:name)
endfunction
inoremap <F5> <Cmd>call Tell('hint')<CR>
"""


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Served]:
    limits = HostLimits(max_batch=8, max_queued=8, cache_tokens=16384, threads=1)
    settings = FrontSettings(keys=(Key("vim", digest(KEY)),))
    with served(tmp_path / "served", limits, settings) as running:
        yield running


def _told(vim: Vim, sign: Path) -> dict[str, Any]:
    """Ask Vim what the plug-in has, until a hint is shown."""
    for _ in range(30):
        vim.wait(1.0)
        sign.unlink(missing_ok=True)
        vim.keys("\x1b[15~")
        assert vim.wait_for(sign, 10), vim.seen[-2000:]
        found: dict[str, Any] = json.loads(sign.read_text())
        if found["shown"]:
            return found
    raise AssertionError(f"no hint: {found}, {vim.seen[-2000:]!r}")


@pytest.mark.skipif(shutil.which("vim") is None, reason="no vim here; Debian: apt install vim curl")
@pytest.mark.skipif(not PLUGIN, reason="GRISTMILL_LLAMA_VIM names no checkout of llama.vim")
def test_a_hint_appears_and_tab_takes_it(endpoint: Served, tmp_path: Path) -> None:
    file, settings = tmp_path / "stack.py", tmp_path / "vimrc"
    file.write_text(TEXT)
    settings.write_text(SETTINGS.format(url=endpoint.url, key=KEY, plugin=PLUGIN, folder=tmp_path))
    vim = Vim(file, settings)
    vim.wait(1.5)
    vim.keys("Go")  # a new line at the file's end
    for sign in TYPED:
        vim.keys(sign)
        vim.wait(0.15)
    told = _told(vim, tmp_path / "hint")
    vim.keys("\t")
    vim.wait(0.5)
    assert vim.end() == 0
    answers = [json.loads(answer) for answer in told["answers"]]
    print(
        f"{len(answers)} answers kept by the plug-in; the line was made {file.read_text()[len(TEXT) :]!r}"
    )
    assert answers and all("content" in answer for answer in answers)
    assert all(answer["timings/predicted_n"] > 0 for answer in answers)
    line = file.read_text()[len(TEXT) :]
    assert line.lstrip().startswith(TYPED.strip())
    assert len(line.strip()) > len(TYPED.strip())
