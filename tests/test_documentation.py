"""Links between the Markdown pages lead to files and headings that exist."""

import re
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/*.md", "model/*.md", "benchmarks/**/*.md")
    for page in REPO.glob(pattern)
)


def text_of(page: Path) -> str:
    """Return the text of a page without its code blocks."""
    return re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of a page: its headings as GitHub links them, and explicit ids."""
    text = text_of(page)
    titles = [
        re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", t) for t in re.findall(r"^#+ (.*)$", text, re.M)
    ]
    headings = {
        re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles
    }
    return headings | set(re.findall(r'id="([^"]+)"', text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPO).as_posix())
def test_links_lead_somewhere(page):
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        is_page = linked.suffix == ".md" and linked.is_file()
        if not linked.exists() or (anchor and is_page and anchor not in anchors_of(linked)):
            dead.append(target)
    assert not dead
