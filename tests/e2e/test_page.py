"""The page in a real browser: a person types, ghost text appears, Tab takes it."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from gristmill.serving.access import FrontSettings, Key, digest
from gristmill.serving.repositories import Repositories
from tests.made_index import write_repository
from tests.served_app import Served, served

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = pytest.mark.chromium


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("page")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = next(found for name in BROWSERS if (found := shutil.which(name)))
        launched = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Any, endpoint: Served) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1100, "height": 700})
    opened = context.new_page()
    errors: list[str] = []
    outside: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on(
        "request",
        lambda request: (
            None if request.url.startswith((endpoint.url, "data:")) else outside.append(request.url)
        ),
    )
    opened.goto(endpoint.url)
    opened.wait_for_function("document.getElementById('model').options.length === 2")
    yield opened
    context.close()
    assert errors == []
    assert outside == []  # everything the page needs comes from the endpoint


def _type(page: Any, text: str) -> None:
    page.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def _lines(page: Any) -> str:
    """Return the document as shown, without ghost text."""
    shown: str = page.evaluate(
        """() => [...document.querySelectorAll('.cm-line')].map((line) => {
            const copy = line.cloneNode(true);
            copy.querySelectorAll('.cm-ghost').forEach((ghost) => ghost.remove());
            return copy.textContent;
        }).join('\\n')"""
    )
    return shown


def test_half_a_function_gets_ghost_text_and_tab_takes_it(page):
    _type(page, "def add(a, b")
    page.wait_for_selector(".cm-ghost")
    page.wait_for_function("document.getElementById('latency').textContent.includes('in all')")
    before = _lines(page)
    suggested = page.text_content(".cm-ghost")
    page.keyboard.press("Tab")
    assert suggested
    assert len(_lines(page)) >= len(before) + len(suggested)
    assert _lines(page).startswith("def add(a, b")
    assert "ms to the first token" in page.inner_text("#latency")


def test_escape_dismisses(page):
    _type(page, "def add(a, b")
    page.wait_for_selector(".cm-ghost")
    page.wait_for_function("document.getElementById('state').dataset.state === 'ready'")
    before = _lines(page)
    page.keyboard.press("Escape")
    assert page.query_selector(".cm-ghost") is None
    assert _lines(page) == before


def test_tab_indents_where_nothing_is_suggested(page):
    page.uncheck("#suggest")
    _type(page, "x")
    page.keyboard.press("Home")
    page.keyboard.press("Tab")
    assert _lines(page).startswith("    x")


def test_typing_on_asks_once(page):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    _type(page, "total = value + other")
    page.wait_for_selector(".cm-ghost")
    completions = [url for url in asked if url.endswith("/v1/completions")]
    assert len(completions) <= 3


def test_a_chat_streams_an_answer(page):
    page.click("#tab-chat")
    page.fill("#question", "Add two numbers.")
    page.keyboard.press("Enter")
    page.wait_for_selector(".bubble.user")
    page.wait_for_function("!document.getElementById('send').hidden")
    assert page.inner_text(".bubble.user") == "Add two numbers."
    assert page.input_value("#model") == "tiny-chat"  # who answers here
    assert page.query_selector(".bubble.failed") is None


def test_lineage_lists_and_finds_repositories(page):
    page.click("#tab-lineage")
    page.wait_for_selector("tbody tr")
    assert page.locator("tbody tr:visible").count() == 3
    page.fill("#lineage input", "apache")
    assert page.locator("tbody tr:visible").count() == 1
    assert "beta" in page.inner_text("tbody tr:visible")


def test_a_phone_has_a_button_for_tab(browser, endpoint):
    context = browser.new_context(viewport={"width": 390, "height": 780}, has_touch=True)
    page = context.new_page()
    page.goto(endpoint.url)
    page.wait_for_function("document.getElementById('model').options.length === 2")
    _type(page, "def add(a, b")
    page.wait_for_selector("#accept:visible")
    before = _lines(page)
    page.click("#accept-word")
    word = _lines(page)
    assert len(word) > len(before)
    page.wait_for_selector("#accept:visible")
    page.click("#accept")
    assert len(_lines(page)) > len(word)
    wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    context.close()
    assert not wide


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("indexed")
    files = {"lib.py": "def helper(value):\n    return value\n", "main.py": "import lib\n"}
    shelf = write_repository(folder / "repositories", "shop", files, {"main.py": ["lib.py"]})
    with served(folder, repositories=Repositories(shelf)) as running:
        yield running


def test_the_context_tab_shows_what_a_suggestion_is_given(browser, indexed):
    page = browser.new_context(viewport={"width": 390, "height": 780}).new_page()
    page.goto(indexed.url)
    page.wait_for_function("document.getElementById('repository').options.length === 2")
    page.click("#tab-context")
    assert "Choose a repository" in page.inner_text("#context-says")
    page.fill("#file", "main.py")
    page.select_option("#repository", "shop")
    page.wait_for_selector("#context details")
    assert page.inner_text("#context summary") == "lib.py"
    assert "def helper(value):" in page.inner_text("#context pre")
    page.click("#tab-code")
    with page.expect_request("**/v1/completions") as asked:
        _type(page, "import lib\nlib.")
    sent = asked.value.post_data_json
    assert (sent["repository"], sent["file_path"]) == ("shop", "main.py")
    assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    page.context.close()


def test_a_key_is_asked_for_once_where_the_endpoint_wants_one(browser, tmp_path):
    settings = FrontSettings(keys=(Key("me", digest("my-own-key")),))
    with served(tmp_path, settings=settings) as running:
        page = browser.new_context().new_page()
        questions: list[str] = []

        def answer(dialog: Any) -> None:
            questions.append(dialog.message)
            dialog.accept("my-own-key")

        page.on("dialog", answer)
        page.goto(running.url)
        page.wait_for_function("document.getElementById('model').options.length === 2")
        _type(page, "def add(a, b")
        page.wait_for_selector(".cm-ghost")
        page.context.close()
    assert questions == ["This endpoint wants an API key"]
