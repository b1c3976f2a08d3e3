"""What MkDocs does not do by itself: pages from the root, and links to files that are no pages."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = ("CHANGELOG.md", "CONTRIBUTING.md")
"""Pages of the repository's root that the site has, too."""


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the root, with links as from docs/."""
    for name in PAGES:
        text = (ROOT / name).read_text("utf-8")
        text = re.sub(r"\]\((?!docs/|http|#)", "](../", text).replace("](docs/", "](")
        files.append(File.generated(config, name.lower(), content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Turn links to other files of the repository into text: it has no public address yet."""
    for name in PAGES:
        markdown = markdown.replace(f"](../{name}", f"]({name.lower()}")
    return re.sub(r"\[([^]]*)\]\(\.\./[^)]*\)", r"\1", markdown)
