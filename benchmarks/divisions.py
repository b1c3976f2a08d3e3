"""Measure divisions: how well daughters are followed, and how well divisions are suggested.

    python benchmarks/divisions.py --data FOLDER --json F [--resume] [--limit S] [--seeds N]

Movies: the synthetic dividing nuclei of the plugin, of which the parents are known, from N seeds;
and of FOLDER (as for accuracy.py) the movies of kind time in which an object ends where two
others begin. There the parents are read off the true masks: daughters that begin in the frame
after the end of an object, are of about equal size, and lie around where it was.

daughters    The mother is followed from her true mask to the frame before her division; then
             the daughters are seeded as the key does, in each of its ways, with the mother's
             memories and without, and followed for eight frames. Mean IoU with the true
             daughters, over those frames, and over the first alone.
suggestions  All objects are followed from one click each to the end of the movie, once from
             the clicks that a user makes in frame 0 and nothing later, and once with a click
             for each daughter where it appears. Precision and recall of what is found: of
             divisions, within a frame; of ends and entries, within a frame too.
"""

FOLLOWED = 8
WITHIN = 1  # frames
"""How far a suggestion may be from what it tells."""
