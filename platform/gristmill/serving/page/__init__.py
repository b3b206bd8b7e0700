"""The page: an editor that completes, a chat, and the lineage. Static files, no network at run time.

How `editor.js` was bundled is told in the folder's README.md.
"""

from importlib.resources import files

from fastapi.responses import Response

from gristmill.errors import RequestError

TYPES = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "editor.js": "text/javascript; charset=utf-8",
    "LICENSES.txt": "text/plain; charset=utf-8",
}
"""The files that are served, and as what."""


async def index() -> Response:
    """Return the page."""
    return await asset("index.html")


async def asset(name: str) -> Response:
    """Return one of the page's files. Raises RequestError."""
    if name not in TYPES:
        raise RequestError(
            f"the page has no file '{name}'; files are {', '.join(TYPES)}", status=404
        )
    content = files(__package__).joinpath("assets", name).read_bytes()
    return Response(content, media_type=TYPES[name], headers={"Cache-Control": "no-cache"})
