from pathlib import Path

import pytest

from gristmill.errors import RequestError
from gristmill.serving.exchange import Generation
from gristmill.serving.repositories import Repositories
from tests.made_index import write_repository

FILES = {
    "app/models.py": "class Invoice:\n    def total(self, rate: float) -> float:\n        return 1.0\n",
    "app/dates.py": "def parse_day(text: str) -> int:\n    return int(text)\n",
    "app/main.py": "from app.models import Invoice\n",
    "app/report.py": "def render_invoice(invoice, rate):\n    amount = invoice.total(rate)\n"
    "    return f'{amount:.2f}'\n",
    "app/other.py": "\n".join(f"def unrelated_{n}():\n    return {n}\n" for n in range(60)),
}


@pytest.fixture
def repositories(tmp_path: Path) -> Repositories:
    imports = {"app/main.py": ["app/models.py"]}
    return Repositories(write_repository(tmp_path, "shop", FILES, imports))


def _asked(path: str, prefix: str, **more: object) -> Generation:
    return Generation(prompts=(prefix,), suffix="", repository="shop", file_path=path, **more)


def test_declarations_of_imported_files_lead_then_opened_files_then_what_is_alike(repositories):
    prefix = "from app.models import Invoice\n\ndef show(invoice, rate):\n    amount = invoice."
    extra = repositories.extra(_asked("app/main.py", prefix, recent=("app/dates.py",)))
    assert [path for path, _ in extra][:3] == ["app/models.py", "app/dates.py", "app/report.py"]
    assert extra[0][1] == "class Invoice:\n    def total(self, rate: float) -> float:"
    assert extra[1][1] == FILES["app/dates.py"]
    assert "app/main.py" not in [path for path, _ in extra]


def test_a_new_file_s_imports_are_those_it_writes_now(repositories):
    extra = repositories.extra(_asked("app/new.py", "from app.dates import parse_day\nx = "))
    assert extra[0] == ("app/dates.py", "def parse_day(text: str) -> int:")


def test_the_budget_is_kept_and_text_that_changes_leaves_the_first_files_alone(repositories):
    small = Repositories(repositories._folder, budget_chars=150)
    text = "from app.models import Invoice\nfrom app.dates import parse_day\n"
    first = small.extra(_asked("app/main.py", text))
    assert 0 < sum(len(path) + len(body) for path, body in first) <= 150
    before = repositories.extra(_asked("app/main.py", text + "a"))
    after = repositories.extra(_asked("app/main.py", text + "a = unrelated_7() + amount"))
    assert before[:2] == after[:2]


def test_an_unknown_repository_is_refused_by_name(repositories):
    with pytest.raises(RequestError, match="repository 'nowhere'") as caught:
        repositories.extra(Generation(prompts=("x",), repository="nowhere"))
    assert caught.value.code == "unknown_repository"


def test_a_git_url_leads_to_its_repository_however_the_index_calls_it(tmp_path):
    for name in ("shop", "acme/tools", "acme-site"):
        known = Repositories(write_repository(tmp_path / name, name, {"a.py": "x = 1\n"}, {}))
        end = "shop" if name == "shop" else "tools" if name == "acme/tools" else "site"
        for url in (
            f"https://git.example/acme/{end}.git",
            f"https://me:secret@git.example:8443/Acme/{end}/",
            f"git@git.example:acme/{end}.git",
            f"ssh://git@git.example/acme/{end}",
        ):
            assert known.of_url(url) == name, url
        assert known.of_url("https://git.example/acme/other") is None
    assert Repositories(tmp_path / "shop").of_url("") is None
