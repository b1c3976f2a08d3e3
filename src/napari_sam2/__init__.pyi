from .api.verbs import export as export
from .api.verbs import link as link
from .api.verbs import measure as measure
from .api.verbs import read as read
from .api.verbs import segment as segment
from .api.verbs import track as track
from .api.verbs import track_all as track_all
from .io.prompts.object_prompts import ObjectPrompts as ObjectPrompts
from .movies.appearance import Appearance as Appearance
from .movies.calibration import Calibration as Calibration

__version__: str
