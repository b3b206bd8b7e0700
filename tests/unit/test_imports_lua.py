"""Lua: what is loaded, and from where; a repository is in the fixtures."""

import shutil
import subprocess
from pathlib import Path

import pytest

from gristmill.corpus.files import SourceFile
from gristmill.corpus.imports import import_edges, parse

GAME = Path(__file__).parents[1] / "fixtures/imports/lua/game"
LUA = next(filter(None, map(shutil.which, ("lua", "lua5.4", "lua5.3", "lua5.1", "luajit"))), None)


def pairs(files: dict[str, str], configs: dict[str, str] | None = None) -> set[tuple[str, str]]:
    sources = [SourceFile(path, "Lua", text) for path, text in files.items()]
    return {(edge.importer, edge.imported) for edge in import_edges(sources, configs=configs)}


def test_the_ways_to_load() -> None:
    text = """
    local a = require("a.b")
    require 'c'.go()
    local d = require [[d]]
    local ok, e = pcall(require, "e")
    xpcall(require, print, "f")
    dofile("g.lua") loadfile('h.lua')()
    local function i() return require("i") end
    M.j = function() dofile("j.lua") end
    require("k" .. x) require(l) M.require("m")
    """
    found = [(one.target, one.kind) for one in parse("Lua", text).imports]
    assert found == [
        ("a.b", "import"),
        ("c", "import"),
        ("d", "import"),
        ("e", "import"),
        ("f", "import"),
        ("g.lua", "include"),
        ("h.lua", "include"),
        ("i", "local"),
        ("j.lua", "local"),
    ]


def test_roots_are_above_the_importer_or_named_so() -> None:
    files = {
        "plugin/lua/tool/init.lua": 'require("tool.util")',
        "plugin/lua/tool/util.lua": "",
        "vendor/tool/util.lua": "",
        "run.lua": 'require("tool") require("tool.util")',
    }
    assert pairs(files) == {
        ("plugin/lua/tool/init.lua", "plugin/lua/tool/util.lua"),
        ("run.lua", "plugin/lua/tool/init.lua"),
        ("run.lua", "plugin/lua/tool/util.lua"),
    }


def test_a_file_goes_before_a_folder_and_a_rockspec_before_both() -> None:
    files = {"m.lua": 'require("x")', "x.lua": "", "x/init.lua": "", "other/y.lua": ""}
    assert pairs(files) == {("m.lua", "x.lua")}
    rock = {"a-1.rockspec": 'build = { modules = { ["x"] = "other/y.lua" } }'}
    assert pairs(files, rock) == {("m.lua", "other/y.lua")}


@pytest.mark.skipif(LUA is None, reason="no Lua here; Debian: apt install lua5.4")
def test_lua_runs_the_repository() -> None:
    done = subprocess.run([str(LUA), "main.lua"], cwd=GAME, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "Menu\t[Menu]\tAtlas\n")
