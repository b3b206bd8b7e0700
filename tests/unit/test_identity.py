"""The code's identity, as it is sent with a job."""

from importlib import metadata

import pytest

from jobs.identity import PACKAGES, code_identity


def test_a_job_takes_the_identity_it_was_submitted_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRISTMILL_COMMIT", "c" * 40)
    monkeypatch.setenv("GRISTMILL_DIRTY", "1")
    found = code_identity()
    assert (found.commit, found.dirty) == ("c" * 40, True)
    assert found.packages["ray"] == metadata.version("ray")
    assert set(found.packages) == set(PACKAGES)


def test_outside_a_job_git_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRISTMILL_COMMIT", raising=False)
    monkeypatch.delenv("GRISTMILL_DIRTY", raising=False)
    commit = code_identity().commit
    assert commit == "unknown" or (len(commit) == 40 and int(commit, 16) >= 0)
