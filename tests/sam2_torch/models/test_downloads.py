"""Downloads from a server on this machine that answers as the Hugging Face Hub does."""

import errno
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from huggingface_hub import constants
from loopback_hub import COMMIT, PAYLOAD, Handler, finished, sha256, unfinished
from safetensors.torch import save_file

from sam2_torch import SAM2, SAM2Config, load_sam2
from sam2_torch.checkpoints.loading import CheckpointError
from sam2_torch.checkpoints.transformers_names import to_transformers
from sam2_torch.models import model_cache
from sam2_torch.models.downloads import DownloadCancelled, DownloadError, fetch
from sam2_torch.models.registry import find_model

SIZES = {
    "image_size": 128, "embed_dim": 16, "stages": [1, 1, 2, 1], "global_blocks": [2],
    "window_sizes": [8, 4, 4, 4], "background_size": 4, "d_model": 64, "memory_layers": 1,
    "memory_feedforward": 64, "memory_dim": 16,
}  # fmt: skip
CONFIG = SAM2Config.from_dict(SIZES)


def test_file_of_the_hub_is_fetched_once_and_found_again(hub, cache):
    seen = []
    path = fetch(hub.entry(), progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == PAYLOAD and path.name == "net.pt"
    assert seen[0] == (0, len(PAYLOAD)) and seen[-1] == (len(PAYLOAD), len(PAYLOAD))
    assert seen == sorted(seen)
    hub.refuses = 500
    assert fetch(hub.entry(), local_only=True) == path
    # the hub's own layout, so that other programs find it
    assert (cache / "hub/models--lab--net/refs/main").read_text() == COMMIT
    assert path.resolve().name == sha256(PAYLOAD)


def test_file_in_the_hubs_cache_needs_no_network(hub, cache):
    snapshot = cache / "hub/models--lab--net/snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "net.pt").write_bytes(b"from another program")
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs/main").write_text(COMMIT)
    assert fetch(hub.entry(), local_only=True) == snapshot / "net.pt"


def test_second_choice_is_taken_where_the_first_is_not_there(hub):
    hub.put("lab/net/model.safetensors", b"the other layout")
    entry = hub.entry(files=("gone.pt", "model.safetensors"))
    assert fetch(entry).read_bytes() == b"the other layout"


@pytest.mark.parametrize("layout", ["meta", "transformers"])
def test_random_checkpoints_of_both_layouts_load(hub, tmp_path, layout):
    torch.manual_seed(0)
    state = SAM2(CONFIG).state_dict()
    file = tmp_path / ("net.pt" if layout == "meta" else "model.safetensors")
    torch.save({"model": state}, file) if layout == "meta" else save_file(
        to_transformers(state), file
    )
    hub.put(f"lab/random/{file.name}", file.read_bytes())
    register(tmp_path, f'repo = "lab/random"\nfile = "{file.name}"')
    model = load_sam2("net", "cpu")
    assert model.config == CONFIG
    torch.testing.assert_close(dict(model.state_dict()), state)


def register(folder: Path, lines: str) -> None:
    sizes = "\n".join(f"{name} = {value}" for name, value in SIZES.items())
    registry = folder / "models.toml"
    registry.write_text(f"[models.net]\n{lines}\n[models.net.config]\n{sizes}\n")
    os.environ["NAPARI_SAM2_MODELS"] = str(registry)  # put back by the fixture


@pytest.mark.parametrize("kind", ["hub", "plain"])
def test_line_that_breaks_for_a_moment_is_taken_up_again(hub, kind):
    hub.break_after = 1_000_000
    entry = hub.entry() if kind == "hub" else hub.plain()
    assert fetch(entry).read_bytes() == PAYLOAD
    assert hub.ranges == [None, "bytes=1000000-", "bytes=2000000-"]


def test_interrupted_download_goes_on_later_where_it_broke_off(hub, cache):
    hub.break_after = 700_000

    def die(done: int, total: int | None) -> None:
        if done >= 700_000:
            hub.refuses = 503

    with pytest.raises(DownloadError, match=r"cannot answer now \(HTTP 503\).* 0\.7 MB are kept"):
        fetch(hub.entry(), progress=die)
    assert finished(cache) == [] and unfinished(cache) == [700_000]
    hub.refuses, hub.break_after = None, None
    assert fetch(hub.entry()).read_bytes() == PAYLOAD
    assert hub.ranges[-1] == "bytes=700000-"
    assert unfinished(cache) == []


@pytest.mark.parametrize("stated", [True, False])
def test_plain_download_goes_on_only_if_a_checksum_can_tell_the_halves_apart(hub, cache, stated):
    entry = hub.plain(sha256=sha256(PAYLOAD) if stated else None)

    def cancel(done: int, total: int | None) -> None:
        if done > 500_000:
            raise DownloadCancelled

    with pytest.raises(DownloadCancelled):
        fetch(entry, progress=cancel)
    kept = unfinished(cache)
    assert finished(cache) == [] and len(kept) == stated
    assert fetch(entry).read_bytes() == PAYLOAD
    assert hub.ranges == [None, f"bytes={kept[0]}-" if stated else None]


def test_server_without_ranges_starts_anew(hub, cache):
    hub.break_after, hub.gives_ranges = 300_000, False
    with pytest.raises(DownloadError, match=r"the connection to 127\.0\.0\.1 failed"):
        fetch(hub.entry())
    hub.break_after = None
    assert fetch(hub.entry()).read_bytes() == PAYLOAD


def test_left_over_of_another_file_is_started_anew(hub):
    entry = hub.plain(b"short", sha256=sha256(b"short"))
    part = model_cache.plain_file(entry).with_name("net.pt" + model_cache.UNFINISHED)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"longer than that")
    assert fetch(entry).read_bytes() == b"short"
    assert hub.ranges == ["bytes=16-", None]


def test_truncated_file_is_told_and_not_kept(hub, cache):
    hub.announced["lab/net/net.pt"] = sha256(PAYLOAD), len(PAYLOAD) + 100
    with pytest.raises(DownloadError, match=r"expected 2097252 bytes .* found 2097152.*truncated"):
        fetch(hub.entry())
    assert finished(cache) == unfinished(cache) == []


@pytest.mark.parametrize("kind", ["hub", "plain"])
def test_wrong_checksum_is_told_and_nothing_kept(hub, cache, kind):
    wrong = "0" * 64
    if kind == "hub":
        hub.announced["lab/net/net.pt"] = wrong, len(PAYLOAD)
        entry = hub.entry()
    else:
        entry = hub.plain(sha256=wrong)
    with pytest.raises(DownloadError, match=f"checksum {wrong}.* found {sha256(PAYLOAD)}"):
        fetch(entry)
    assert finished(cache) == unfinished(cache) == []


def test_checksum_of_the_registry_counts_before_anything_is_downloaded(hub):
    with pytest.raises(DownloadError, match=r"checksum of a registry.*correct the registry"):
        fetch(hub.entry(sha256="0" * 64))
    assert hub.ranges == []


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (404, "expected a file at .*, found none"),
        (401, "gives no permission .*HF_TOKEN"),
        (403, "gives no permission"),
        (503, r"cannot answer now \(HTTP 503\); try again later"),
    ],
)
@pytest.mark.parametrize("kind", ["hub", "plain"])
def test_refusals_are_one_sentence(hub, cache, kind, status, sentence):
    entry = hub.entry() if kind == "hub" else hub.plain()
    hub.refuses = status
    with pytest.raises(DownloadError, match=f"^model 'net': .*{sentence}") as raised:
        fetch(entry)
    assert "\n" not in str(raised.value)
    assert finished(cache) == unfinished(cache) == []


@pytest.mark.parametrize("kind", ["hub", "plain"])
def test_no_network(hub, monkeypatch, kind):
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/{filename}")
        entry = hub.entry() if kind == "hub" else hub.plain(url=f"{url}/net.pt")
        with pytest.raises(DownloadError, match=r"connection to 127\.0\.0\.1 failed.*HTTPS_PROXY"):
            fetch(entry)


@pytest.mark.parametrize("how", ["argument", "variable"])
def test_offline(hub, monkeypatch, how):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", how == "variable")
    with pytest.raises(DownloadError, match="not on this machine, and downloads are off"):
        fetch(hub.entry(), local_only=how == "argument")
    assert hub.ranges == []


def test_full_disk_is_told_before_the_download(hub, cache, monkeypatch):
    usage = shutil.disk_usage(cache.parent)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DownloadError, match=r"expected 2 MB of free disk .* found 1 MB.*HF_HOME"):
        fetch(hub.entry())
    assert hub.ranges == [] and finished(cache) == []


def test_disk_that_fills_up_on_the_way_is_left_clean(hub, cache, monkeypatch):
    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DownloadError, match="found the disk full; nothing was kept"):
        fetch(hub.entry())
    assert finished(cache) == unfinished(cache) == []


def test_folder_without_permission_is_named(hub, cache, monkeypatch):
    real = Path.open

    def refuse(path: Path, mode: str = "r", *args: object, **kwargs: object) -> object:
        if "w" in mode and path.name.endswith(".incomplete"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DownloadError, match=r"permission to write in .*blobs.*HF_HOME"):
        fetch(hub.entry())
    assert finished(cache) == []


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_read_only_cache_is_told(hub, cache):
    cache.mkdir()
    cache.chmod(0o555)
    with pytest.raises(DownloadError, match="permission to write"):
        fetch(hub.entry())


def test_what_a_callback_raises_stops_the_download(hub, cache):
    class Impatience(Exception):
        pass

    def stop(done: int, total: int | None) -> None:
        raise Impatience

    with pytest.raises(Impatience):
        fetch(hub.entry(), progress=stop)
    assert finished(cache) == []


def test_two_that_want_the_same_file_get_it_once(hub):
    entry = hub.entry()
    paths: list[Path] = []
    threads = [threading.Thread(target=lambda: paths.append(fetch(entry))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(paths) == 3 and len(set(paths)) == 1
    assert hub.ranges == [None]


def test_waiting_for_another_process_can_be_cancelled(hub, cache):
    lock = cache / "hub/.locks/models--lab--net" / f"{sha256(PAYLOAD)}.lock"
    lock.parent.mkdir(parents=True)

    def cancel(done: int, total: int | None) -> None:
        raise DownloadCancelled

    with FileLock(lock), pytest.raises(DownloadCancelled):
        fetch(hub.entry(), progress=cancel)
    assert hub.ranges == []


def test_failed_downloads_leave_a_loaded_model_alone(hub, tmp_path):
    model = load_sam2("cells_nano", "cpu")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    hub.refuses = 404
    register(tmp_path, 'repo = "lab/net"\nfile = "net.pt"')
    with pytest.raises(DownloadError):
        load_sam2("net", "cpu")
    hub.refuses = None
    with pytest.raises(CheckpointError, match=r"truncated or foreign.*models remove net"):
        load_sam2("net", "cpu")  # the payload is no checkpoint
    torch.testing.assert_close(dict(model.state_dict()), before)


@pytest.mark.parametrize("kind", ["hub", "plain"])
def test_damage_after_the_download_is_found(hub, kind):
    entry = hub.entry() if kind == "hub" else hub.plain()
    path = fetch(entry)
    assert model_cache.verify(entry).is_intact
    path.write_bytes(PAYLOAD[:-1] + b"!")
    result = model_cache.verify(entry)
    assert result.is_intact is False
    assert result.expected == sha256(PAYLOAD) != result.sha256


def test_file_of_another_program_is_checked_by_the_name_of_its_blob(hub, cache):
    entry = hub.entry()
    path = fetch(entry)
    (cache / "assets/napari-sam2/models/net.json").unlink()
    assert model_cache.verify(entry).is_intact
    path.write_bytes(b"damaged")
    assert model_cache.verify(entry).is_intact is False


def test_what_is_not_there_cannot_be_verified(hub):
    with pytest.raises(FileNotFoundError, match="models download net"):
        model_cache.verify(hub.entry())


@pytest.mark.parametrize("kind", ["hub", "plain"])
def test_remove_deletes_whole_and_half_files(hub, cache, kind):
    entry = hub.entry() if kind == "hub" else hub.plain()
    path = fetch(entry)
    half = path.resolve().with_name("half" + model_cache.UNFINISHED)
    half.write_bytes(b"123")
    assert model_cache.remove(entry) == len(PAYLOAD) + 3
    assert finished(cache) == unfinished(cache) == []
    assert model_cache.find_file(entry) is None
    assert model_cache.remove(entry) == 0


def test_remove_spares_what_was_not_downloaded():
    with pytest.raises(ValueError, match="delete it yourself"):
        model_cache.remove(find_model("cells_nano"))
    assert find_model("cells_nano").path.is_file()


@pytest.mark.parametrize("change", ["url", "sha256"])
def test_entry_that_changes_is_downloaded_again(hub, change):
    old = hub.plain(b"version 1")
    fetch(old)
    hub.put("plain/2/net.pt", b"version 2")
    hub.put("plain/net.pt", b"version 2")
    new = {"url": f"{hub.url}/plain/2/net.pt", "sha256": sha256(b"version 2")}[change]
    entry = hub.entry(**{"repo": None, "files": (), "url": old.url, change: new})
    assert fetch(entry).read_bytes() == b"version 2"


def test_token_goes_to_the_hub_and_nowhere_else(hub, monkeypatch):
    asked = []
    real = Handler._point_to_content
    monkeypatch.setattr(
        Handler,
        "_point_to_content",
        lambda self, name: (asked.append(self.headers.get("Authorization")), real(self, name)),
    )
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch(hub.entry())
    fetch(hub.plain(name="other"))
    assert set(asked) == {"Bearer hf_secret"}
    assert hub.tokens == [None, None]


@pytest.mark.parametrize("how", ["mirror", "proxy"])
def test_environment_of_a_mirror_and_of_a_proxy(hub, tmp_path, how):
    """In a process of its own: the hub's client reads its environment once."""
    mirror = hub.url if how == "mirror" else "http://hub.invalid"
    proxies = {} if how == "mirror" else {"HTTP_PROXY": hub.url, "NO_PROXY": ""}
    hub.put("facebook/sam2-hiera-tiny/sam2_hiera_tiny.pt", b"weights")
    home = tmp_path / "home"
    code = (
        "from sam2_torch.models.downloads import fetch; "
        "from sam2_torch.models.registry import find_model; "
        "print(fetch(find_model('sam2_hiera_tiny')))"  # of which no checksum is known
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        **proxies, "HF_ENDPOINT": mirror, "HF_HOME": str(home),
    }  # fmt: skip
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    path = Path(run.stdout.strip())
    assert path.read_bytes() == b"weights" and home in path.parents
