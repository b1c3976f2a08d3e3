from .read import read_labels as read_labels
from .read import read_movie as read_movie
from .read import read_prompts as read_prompts
from .tracks.formats import export as export
from .tracks.formats import read_tracked as read_tracked
