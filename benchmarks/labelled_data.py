"""The project's labelled data, as the tools that train on it list them."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tools"))

from data_items import REPORT_SOURCES, Item, read_items
from synthetic import draw_movie

__all__ = ["REPORT_SOURCES", "Item", "draw_movie", "read_items"]
