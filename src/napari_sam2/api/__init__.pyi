from .automatic import segment_all as segment_all
from .automatic import track_all as track_all
from .linking import link_labels as link_labels
from .prompted import embed as embed
from .prompted import segment as segment
from .prompted import track as track
