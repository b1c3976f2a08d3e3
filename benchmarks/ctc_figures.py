"""Cell Tracking Challenge figures of two folders, by two programs that know nothing of each other.

`traccuracy` is optional: without it its figures are left out. It wants other versions of some
libraries than the tests do; either of these leaves these alone:

    pip install traccuracy                                           # in an environment of its own
    pip install --no-deps --target DIR traccuracy pylapy skan numba llvmlite toolz
    PYTHONPATH=DIR python benchmarks/tracking.py ...
"""

import warnings
from contextlib import redirect_stderr, redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

from ctc_metrics import evaluate_sequence

from napari_sam2.io.tracks.formats import export
from napari_sam2.tracks.tracked_movie import Tracked

METRICS = ("SEG", "TRA", "DET", "LNK")
TRACCURACY_METRICS = ("TRA", "DET", "LNK")
"""It has no SEG."""

Figures = dict[str, float]


def has_traccuracy() -> bool:
    """Tell whether `traccuracy` can be imported."""
    return find_spec("traccuracy") is not None


def write_folders(folder: Path, truth: Tracked, found: Tracked) -> tuple[Path, Path]:
    """Write the truth and a result as the challenge has them: 01_GT, and the result's folder."""
    gold, result = folder / "01_GT", folder / "01_RES.ctc"
    folder.mkdir(exist_ok=True)
    export(folder / "truth.ctc", truth)
    for kind, name in (("TRA", "man_track"), ("SEG", "man_seg")):
        (gold / kind).mkdir(parents=True)
        for file in (folder / "truth.ctc").glob("mask*.tif"):
            (gold / kind / file.name.replace("mask", name)).write_bytes(file.read_bytes())
    table = (folder / "truth.ctc" / "res_track.txt").read_text()
    (gold / "TRA" / "man_track.txt").write_text(table)
    export(result, found)
    return gold, result


def by_ctcmetrics(gold: Path, result: Path) -> Figures:
    """Compute figures by py-ctcmetrics; 0 where nothing was found.

    Raises
    ------
    RuntimeError
        If it finds the result not valid.
    """
    with redirect_stdout(StringIO()):
        figures = evaluate_sequence(str(result), str(gold), ["Valid", *METRICS], threads=1)
    if not figures["Valid"]:
        raise RuntimeError("py-ctcmetrics finds the exported folder not valid")
    return {metric: float(figures[metric]) for metric in METRICS}


def by_traccuracy(gold: Path, result: Path) -> Figures:
    """Compute figures by traccuracy; 0 where nothing was found."""
    with warnings.catch_warnings(), redirect_stderr(StringIO()):  # it has bars of its own
        warnings.simplefilter("ignore")
        from traccuracy import run_metrics
        from traccuracy.loaders import load_ctc_data
        from traccuracy.matchers import CTCMatcher
        from traccuracy.metrics import CTCMetrics

        if not (result / "res_track.txt").read_text().strip():
            return dict.fromkeys(TRACCURACY_METRICS, 0.0)
        truth = load_ctc_data(str(gold / "TRA"), str(gold / "TRA" / "man_track.txt"))
        found = load_ctc_data(str(result), str(result / "res_track.txt"))
        ((answer,), _) = run_metrics(truth, found, CTCMatcher(), [CTCMetrics()])
    return {metric: float(answer["results"][metric]) for metric in TRACCURACY_METRICS}
