import ctypes
import logging
import subprocess

import pytest

from gristmill.inference.native import build


@pytest.mark.toolchain
def test_a_source_is_compiled_once_for_this_machine(tmp_path, monkeypatch):
    source = tmp_path / "small.cpp"
    source.write_text('extern "C" int seven() { return 7; }\n')
    monkeypatch.setattr(build, "SOURCE", source)
    path = build.built(tmp_path / "cache")
    assert ctypes.CDLL(str(path)).seven() == 7
    made = path.stat().st_mtime_ns
    assert build.built(tmp_path / "cache") == path and path.stat().st_mtime_ns == made
    assert list(path.parent.iterdir()) == [path]
    source.write_text('extern "C" int seven() { return 8; }\n')
    assert build.built(tmp_path / "cache") != path


@pytest.mark.toolchain
def test_what_a_compiler_refuses_is_told(tmp_path, monkeypatch):
    source = tmp_path / "wrong.cpp"
    source.write_text("this is not C++\n")
    monkeypatch.setattr(build, "SOURCE", source)
    with pytest.raises(subprocess.CalledProcessError) as caught:
        build.built(tmp_path / "cache")
    assert "wrong.cpp" in caught.value.stderr


def test_without_a_compiler_there_is_no_kernel_and_the_log_says_so(monkeypatch, caplog):
    monkeypatch.setenv("PATH", "")
    build.library.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            assert build.library() is None
    finally:
        build.library.cache_clear()
    assert "no C++ compiler (g++, c++, clang++)" in caplog.text
