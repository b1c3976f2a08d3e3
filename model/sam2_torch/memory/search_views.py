"""Where to look for an object that covers little of the frame: pure decisions.

Beyond the reference: an object's own surroundings stand for the whole frame, in the queries,
in the memories and in the decoder, so that its cost goes with its size.
"""

from sam2_torch.memory.frame_memory import FrameMemory

REACH = 5  # tokens around the last mask: for motion, and for what surrounds the object
SIDES = (8, 12, 16, 24, 32, 40, 48)
LARGEST_SHARE = 0.75  # of the map's side; beyond it the whole frame is as cheap
LOGITS_PER_TOKEN = 4


def view_side(last: FrameMemory | None, size: int) -> int | None:
    """Choose how many tokens to look at around the last mask; None for the whole frame.

    Parameters
    ----------
    last
        The frame just passed; an object that was not seen there is looked for everywhere.
    size
        Side of the map in tokens.
    """
    if last is None or last.box is None:
        return None
    y0, x0, y1, x1 = last.box
    wanted = -(-max(y1 - y0, x1 - x0) // LOGITS_PER_TOKEN) + 2 * REACH
    return next((side for side in SIDES if wanted <= side <= LARGEST_SHARE * size), None)


def view_origin(memory: FrameMemory, side: int, size: int) -> tuple[int, int] | None:
    """Lay a view around the mask of a frame; None if the object is not there."""
    if memory.box is None:
        return None
    y0, x0, y1, x1 = memory.box
    middle = ((y0 + y1) / 2, (x0 + x1) / 2)
    y, x = (round(m / LOGITS_PER_TOKEN - side / 2) for m in middle)
    return min(max(y, 0), size - side), min(max(x, 0), size - side)


def reaches_border(memory: FrameMemory, origin: tuple[int, int], side: int, size: int) -> bool:
    """Tell whether a mask goes on where its view ends within the frame."""
    if memory.box is None:
        return False
    y0, x0, y1, x1 = memory.box
    first = [LOGITS_PER_TOKEN * o for o in origin]
    last = [f + LOGITS_PER_TOKEN * side for f in first]
    end = LOGITS_PER_TOKEN * size
    below = (first[0] > 0 and y0 <= first[0]) or (first[1] > 0 and x0 <= first[1])
    above = (last[0] < end and y1 >= last[0]) or (last[1] < end and x1 >= last[1])
    return below or above
