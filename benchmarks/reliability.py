"""Measure what is lost when processes die, disks are full, and files are damaged or hostile.

    python benchmarks/reliability.py [--only deaths signals shared bits hostile prompts memory]
    python benchmarks/reliability.py --only memory --frames 10000
    python benchmarks/reliability.py --only full-disk        # as root: mounts a disk of 2 MB

Needs Linux. Prints a table: kind, tries, what came of them, whether it is as promised in
docs/safety.md. --json writes it. What runs in seconds is in tests/reliability, too.
"""

import argparse
import hashlib
import json
import os
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

FORMATS = (".tif", ".ome.zarr", ".ctc", ".geff", ".csv", ".mp4", ".xml")
REFUSED = (ValueError, KeyError, RuntimeError, OSError, ImportError)
LIMIT_S, LIMIT_MB = 5.0, 500


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    kind: str
    tries: int
    result: str
    is_kept: bool


def main() -> None:
    """Run the checks that were asked for."""
    checks: dict[str, Callable[[Path, argparse.Namespace], Iterator[Row]]] = {
        "deaths": deaths,
        "signals": signals,
        "shared": shared_output,
        "bits": wrong_bits,
        "hostile": hostile_files,
        "prompts": many_prompts,
        "memory": long_movie,
        "full-disk": full_disk,
    }
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=checks, default=list(checks)[:-1])
    parser.add_argument("--tries", type=int, default=20, help="of each kind of death")
    parser.add_argument("--frames", type=int, default=2000, help="of the long movie")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    print("| kind | tries | result | as promised |\n|---|---|---|---|", flush=True)
    for name in arguments.only:
        with tempfile.TemporaryDirectory() as folder:
            for row in checks[name](Path(folder), arguments):
                rows.append(row)
                is_kept = "yes" if row.is_kept else "NO"
                print(f"| {row.kind} | {row.tries} | {row.result} | {is_kept} |", flush=True)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([vars(row) for row in rows], indent=1))


def deaths(folder: Path, arguments: argparse.Namespace) -> Iterator[Row]:
    """Kill `export` at random moments; half of the tries with an earlier output in place."""
    chance = random.Random(1)
    labels, earlier = _labels(folder / "labels.tif", 24), _labels(folder / "earlier.tif", 2)
    for kind in FORMATS:
        output = folder / f"at{kind}" / f"out{kind}"
        output.parent.mkdir()
        began = time.monotonic()
        _run("export", labels, "-o", output)
        duration, new = time.monotonic() - began, _digest(output)
        ends: Counter[str] = Counter()
        for number in range(arguments.tries):
            _remove(output)
            before = ""
            if number % 2:
                _run("export", earlier, "-o", output)
                before = _digest(output)
            # half of them when the writing has begun
            _killed(
                labels,
                output,
                number % 4 < 2,
                chance.uniform(0, 0.1 if number % 4 < 2 else duration),
            )
            found = _digest(output)
            ends["whole" if found in (before, new) else "half" if found else "lost"] += 1
        left = len(list(output.parent.glob(".*")))
        time.sleep(1.1)
        code = _run("export", labels, "-o", output).returncode
        after = len(list(output.parent.glob(".*")))
        text = f"{dict(ends)}; left beside it {left}, after the next run {after}, its code {code}"
        is_kept = set(ends) <= {"whole"} and (after, code) == (0, 0)
        yield Row(f"kill -9 of export to {kind}", arguments.tries, text, is_kept)


def _killed(labels: Path, output: Path, is_writing: bool, seconds: float) -> None:
    """Begin an export and kill it so many seconds later, or so many after it begins to write."""
    process = _start("export", labels, "-o", output)
    if is_writing:
        _wait(process, lambda: any(output.parent.glob(".napari-sam2-*")))
    time.sleep(seconds)
    process.kill()
    process.wait()


def signals(folder: Path, arguments: argparse.Namespace) -> Iterator[Row]:
    """Stop `export` while it writes, by each signal."""
    labels = _labels(folder / "labels.tif", 48)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        ends: Counter[str] = Counter()
        for kind in FORMATS:
            output = folder / f"{number.name}{kind}" / f"out{kind}"
            output.parent.mkdir()
            process = _start("export", labels, "-o", output)
            _wait(process, lambda at=output.parent: any(at.glob(".napari-sam2-*")))
            process.send_signal(number)
            text = process.communicate()[0]
            if process.returncode == 0:
                ends["finished before"] += 1
                continue
            told = "stopped; nothing is left half-written" in text
            left = any(output.parent.glob(".*"))
            ends[f"code {process.returncode}{', told' * told}{', files left' * left}"] += 1
        is_kept = set(ends) <= {"finished before", "code 1, told"}
        yield Row(f"{number.name} to export", len(FORMATS), str(dict(ends)), is_kept)


def shared_output(folder: Path, arguments: argparse.Namespace) -> Iterator[Row]:
    """Let two processes, and two with the same process number, write one output."""
    one, two = _labels(folder / "one.tif", 8), _labels(folder / "two.tif", 9)
    apart = [] if _refuses_unshare() else ["unshare", "--pid", "--fork"]
    for prefix in ([], apart) if apart else ([],):
        for kind in FORMATS:
            output = folder / f"at{len(prefix)}{kind}" / f"out{kind}"
            output.parent.mkdir()
            whole = set()
            for source in (one, two):
                _run("export", source, "-o", output)
                whole.add(_digest(output))
            ends: Counter[str] = Counter()
            n = max(1, arguments.tries // 5)
            for _ in range(n):
                _remove(output)
                both = [_start("export", s, "-o", output, prefix=prefix) for s in (one, two)]
                codes = sorted(process.wait() for process in both)
                ends[f"codes {codes}{'' if _digest(output) in whole else ', mixed'}"] += 1
            left = len(list(output.parent.glob(".*")))
            name = "two containers" if prefix else "two processes"
            is_kept = set(ends) == {"codes [0, 0]"} and not left
            yield Row(f"{name}, one output {kind}", n, f"{dict(ends)}, left {left}", is_kept)


def wrong_bits(folder: Path, arguments: argparse.Namespace) -> Iterator[Row]:
    """Open sessions in which one bit is wrong."""
    from napari_sam2.io.sessions.session_files import read_session

    path, history = _session(folder / "session.jsonl")
    whole, chance = path.read_bytes(), random.Random(1)
    ends: Counter[str] = Counter()
    n = 6 * arguments.tries
    for _ in range(n):
        at = chance.randrange(len(whole))
        changed = whole[at] ^ 1 << chance.randrange(7)
        path.write_bytes(whole[:at] + bytes([changed]) + whole[at + 1 :])
        notes: list[str] = []
        try:
            _, found = read_session(path, notes.append)
        except ValueError:
            ends["refused"] += 1
            continue
        lost = len(history.values.keys() - found.values.keys())
        silent = found.values.items() - history.values.items() or (lost and not notes)
        ends[
            "silently different" if silent else f"{lost} of {len(history.values)} values lost"
        ] += 1
    is_kept = not ({"refused", "silently different"} & set(ends))
    yield Row("one wrong bit in a session", n, str(dict(sorted(ends.items()))), is_kept)


def hostile_files(folder: Path, arguments: argparse.Namespace) -> Iterator[Row]:
    """Open files that ask for too much, each in a process with limits."""
    for room, cases in (
        ("models", _hostile_models(folder)),
        ("sessions", _hostile_sessions(folder)),
    ):
        ends, bad = Counter[str](), []
        for name, call in cases.items():
            end, seconds, megabytes = _guarded(call)
            ends[end] += 1
            if end != "refused" or seconds > LIMIT_S or megabytes > LIMIT_MB:
                bad.append(f"{name}: {end}, {seconds:.1f} s, {megabytes:.0f} MB")
        text = f"{dict(ends)}; {'; '.join(bad) or f'each within {LIMIT_S:.0f} s and {LIMIT_MB} MB'}"
        yield Row(f"hostile {room}", sum(ends.values()), text, not bad)


def many_prompts(folder: Path, arguments: argparse.Namespace) -> Iterator[Row]:
    """Read a table of a million clicks."""
    from napari_sam2.io.read import read_prompts
    from napari_sam2.movies.movie import Movie

    path = folder / "prompts.csv"
    rows = (f"{i % 500 + 1},{i % 3},point,{i % 190},{i % 250},1,,\n" for i in range(10**6))
    path.write_text("object,frame,kind,y,x,label,y1,x1\n" + "".join(rows))
    movie = Movie(np.zeros((3, 190, 250), np.uint8))
    began, busy = time.monotonic(), time.process_time()
    n = len(list(read_prompts(path, movie)))
    busy, seconds = time.process_time() - busy, time.monotonic() - began
    text = f"{n} objects by frame; {busy:.1f} s of one core, {seconds:.1f} s in all"
    yield Row("10^6 rows of prompts", 1, text, busy < LIMIT_S)


def long_movie(folder: Path, arguments: argparse.Namespace) -> Iterator[Row]:
    """Track three objects with a tiny network: memory at a tenth of the movie and at its end."""
    import torch

    from napari_sam2.api import prompted
    from napari_sam2.io.prompts.object_prompts import ObjectPrompts
    from napari_sam2.movies.movie import Movie
    from sam2_torch import SAM2, SAM2Config
    from sam2_torch.prompts import PointPrompt

    torch.manual_seed(0)
    sizes: dict[str, Any] = {"image_size": 64, "embed_dim": 8, "stages": (1, 1, 1, 1)}
    attention = {"global_blocks": (2,), "window_sizes": (8, 4, 4, 2), "background_size": 2}
    memory = {"d_model": 64, "memory_layers": 1, "memory_feedforward": 32}
    network = SAM2(SAM2Config(**sizes, **attention, **memory)).eval().requires_grad_(False)
    image = np.random.default_rng(0).integers(0, 200, (128, 128)).astype(np.uint8)
    n = arguments.frames
    movie = Movie(np.broadcast_to(image, (n, 128, 128)))
    prompts = [ObjectPrompts(i, 0, (PointPrompt([(32 * i, 64)], [1]),)) for i in (1, 2, 3)]
    seen: dict[int, float] = {}

    def progress(done: int, total: int) -> None:
        if done in (n // 10, n // 2, n - 1):
            seen[done] = int(Path("/proc/self/statm").read_text().split()[1]) / 256

    masklets = prompted.track(network, movie, prompts, progress=progress)
    kept = sum(len(masklets.packed(i, t)) for i in masklets.object_ids for t in masklets.frames(i))
    first, *_, last = seen.values()
    text = ", ".join(f"{mb:.0f} MB at frame {frame}" for frame, mb in seen.items())
    text += f"; masks {kept / 2**20:.0f} MB"
    yield Row(f"{n} frames, 3 objects", 1, text, last < 1.05 * first)


def full_disk(folder: Path, arguments: argparse.Namespace) -> Iterator[Row]:
    """Write each format to a disk with too little room, then again with enough."""
    labels, earlier = _labels(folder / "labels.tif", 24), _labels(folder / "earlier.tif", 2)
    for kind in FORMATS:
        with _small_disk(folder / "disk", 2048) as disk:
            output = disk / f"out{kind}"
            _run("export", earlier, "-o", output)
            before, names = _digest(output), {path.name for path in disk.iterdir()}
            ballast = disk / "ballast"
            with suppress_full(), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(512))
            end = _run("export", labels, "-o", output)
            kept = _digest(output) == before
            left = len({path.name for path in disk.iterdir()} - names - {"ballast"})
            ballast.unlink()
            again = _run("export", labels, "-o", output).returncode
        is_kept = end.returncode in (1, 2) and kept and not left and again == 0
        text = (
            f"code {end.returncode}, earlier one kept {kept}, left {left}; with room code {again}"
        )
        yield Row(f"full disk, {kind}", 1, text, is_kept and "Traceback" not in end.stdout)


@contextmanager
def suppress_full() -> Iterator[None]:
    """Go on when the disk is full."""
    try:
        yield
    except OSError:
        return


@contextmanager
def _small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)], check=True
    )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def _hostile_models(folder: Path) -> dict[str, Callable[[], object]]:
    import torch
    from safetensors.torch import save_file

    from sam2_torch import load_sam2
    from sam2_torch.config import CELLS_NANO

    whole = load_sam2("cells_nano", "cpu")
    config = CELLS_NANO.to_dict()
    changes: dict[str, dict[str, Any]] = {
        "10^9 blocks": {"stages": [10**9, 1, 1, 1]},
        "input of 10^5 pixels": {"image_size": 102400},
        "10^7 layers": {"memory_layers": 10**7},
        "negative width": {"d_model": -64},
    }
    paths = {}
    for name, change in changes.items():
        paths[name] = folder / f"{len(paths)}.safetensors"
        about = {"sam2_config": json.dumps({**config, **change})}
        save_file(whole.state_dict(), paths[name], about)
    paths["weights of NaN"] = folder / "nan.safetensors"
    nothing = {name: torch.full_like(t, float("nan")) for name, t in whole.state_dict().items()}
    save_file(nothing, paths["weights of NaN"], {"sam2_config": json.dumps(config)})
    paths["archive that grows to 600 MB"] = folder / "bomb.pt"
    torch.save({"model": {"a": torch.zeros(4)}}, folder / "small.pt")
    with (
        zipfile.ZipFile(folder / "small.pt") as small,
        zipfile.ZipFile(paths["archive that grows to 600 MB"], "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for entry in small.infolist():
            with bomb.open(entry.filename, "w", force_zip64=True) as file:
                file.write(small.read(entry))
                for _ in range(200 if "data" in entry.filename else 0):
                    file.write(bytes(2**20))
    return {name: lambda path=path: load_sam2(path, "cpu") for name, path in paths.items()}


def _hostile_sessions(folder: Path) -> dict[str, Callable[[], object]]:
    from napari_sam2.io.sessions.session_files import read_session

    good, _ = _session(folder / "good.jsonl")
    first = json.loads(good.read_text().partition("\n")[0])
    first.pop("crc")
    step = {"step": 1, "time": "2026-01-01T00:00:00+00:00", "action": "prompt"}
    packer = zlib.compressobj(9)
    bomb = b64encode(b"".join(packer.compress(bytes(2**24)) for _ in range(60)) + packer.flush())

    def mask(side: int, bits: bytes) -> dict[str, Any]:
        to = {"box": [0, 0, side, side], "bits": bits.decode()}
        return {**step, "changes": [{"of": "mask", "object": 1, "frame": 0, "to": to}]}

    large = {**first, "image": {**first["image"], "frame_shape": [10**9, 10**9]}}
    lines: dict[str, tuple[Any, ...]] = {
        "a mask of 1 GB in few bytes": (first, mask(8, bomb)),
        "a mask of 10^18 pixels": (large, mask(10**9, b64encode(zlib.compress(b"")))),
        "object 10^30": (
            first,
            {**step, "changes": [{"of": "object", "object": 10**30, "to": {"name": "a"}}]},
        ),
        "no image": ({**first, "image": None},),
        "a version of the future": ({**first, "version": 99},),
    }
    texts = {name: "\n".join(map(json.dumps, each)) + "\n" for name, each in lines.items()}
    texts["lists in lists"] = f"{json.dumps(first)}\n{'[' * 10**5}{']' * 10**5}\n"
    texts["200 MB without a line break"] = "x" * (200 * 2**20)
    paths = {}
    for name, text in texts.items():
        paths[name] = folder / f"{len(paths)}.jsonl"
        paths[name].write_text(text)
    return {name: lambda path=path: read_session(path) for name, path in paths.items()}


def _guarded(call: Callable[[], object], seconds: float = 30.0) -> tuple[str, float, float]:
    """Call in a fork: how it ended, seconds, and MB by which its memory grew."""
    reading, writing = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        end = "opened"
        try:
            call()
        except REFUSED:
            end = "refused"
        except BaseException as error:
            end = type(error).__name__
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        os.write(writing, f"{end} {grown}".encode())
        os._exit(0)
    os.close(writing)
    ready, _, _ = select.select([reading], [], [], seconds)
    answer = os.read(reading, 1000).decode() if ready else ""
    os.close(reading)
    if not ready:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    end, _, grown = answer.partition(" ")
    return end or "hang or crash", time.monotonic() - began, float(grown or 0)


def _session(path: Path) -> tuple[Path, Any]:
    """Write a session of 60 steps; the file and its log."""
    from datetime import UTC, datetime

    from napari_sam2.annotation.drawn_prompts import DrawnPrompts
    from napari_sam2.annotation.history import Action, History, Key, Kind, StoredMask
    from napari_sam2.annotation.objects import ObjectRecord
    from napari_sam2.io.sessions.session_files import Fingerprint, Header, write_session
    from napari_sam2.masks.packing import pack
    from sam2_torch.masks import SparseMask

    image = Fingerprint.of(np.zeros((6, 64, 64), np.uint8), "movie")
    history = History(image.n_frames, image.frame_shape)
    rows, columns = np.ogrid[:64, :64]
    for i in range(1, 21):
        history.record(Action.NEW, {Key(Kind.OBJECT, i): ObjectRecord(f"cell {i}")})
        history.record(Action.PROMPT, {Key(Kind.PROMPTS, i, i % 6): DrawnPrompts(((i, 2.5, 1),))})
        disc = SparseMask.from_dense((rows - 2 * i) ** 2 + (columns - 32) ** 2 < 80)
        history.record(Action.PROPAGATE, {Key(Kind.MASK, i, i % 6): StoredMask(pack(disc))})
    header = Header(image, "cells_nano", datetime.now(UTC), "benchmark")
    write_session(path, header, history.entries)
    return path, history


def _labels(path: Path, n_frames: int) -> Path:
    """Write a label movie of discs that move."""
    rows, columns = np.ogrid[:192, :256]
    labels = np.zeros((n_frames, 192, 256), np.uint16)
    for t in range(n_frames):
        for i in range(8):
            near = (rows - 20 - 20 * i) ** 2 + (columns - 40 - 3 * t - 15 * i) ** 2 < 80
            labels[t][near] = i + 1
    tifffile.imwrite(path, labels, imagej=True, metadata={"axes": "TYX"})
    return path


def _files(output: Path) -> list[Path]:
    second = output.with_name(f"{output.stem}_tracks{output.suffix}")
    files = [output, second] if output.suffix == ".csv" else [output]
    return [f for top in files for f in (sorted(top.rglob("*")) if top.is_dir() else [top])]


def _digest(output: Path) -> str:
    """Return a hash of an output's files; empty if there are none."""
    found = hashlib.sha256()
    files = [file for file in _files(output) if file.is_file()]
    for file in files:
        found.update(str(file.relative_to(output.parent)).encode() + file.read_bytes())
    return found.hexdigest() if files else ""


def _remove(output: Path) -> None:
    if output.is_dir():
        shutil.rmtree(output)
    for file in _files(output):
        file.unlink(missing_ok=True)


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "napari_sam2.cli", *map(str, arguments)]


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _start(*arguments: object, prefix: list[str] | None = None) -> subprocess.Popen[str]:
    command = [*(prefix or []), *_command(*arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def _wait(process: subprocess.Popen[str], until: Callable[[], bool]) -> None:
    while process.poll() is None and not until():
        time.sleep(0.001)


def _refuses_unshare() -> bool:
    command = ["unshare", "--pid", "--fork", "true"]
    return shutil.which("unshare") is None or subprocess.run(command).returncode != 0


if __name__ == "__main__":
    main()
