import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import constants
from loopback_hub import finished

from napari_sam2.cli import main
from sam2_torch import RELEASED

CONTENT = bytes(1_500_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A laboratory's server with one model, its registry, and an empty cache."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "yeast.pt").write_bytes(CONTENT)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(shared)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    registry = tmp_path / "models.toml"
    registry.write_text(
        f'[models.yeast]\nurl = "http://127.0.0.1:{server.server_port}/yeast.pt"\n'
        f'sha256 = "{SHA256}"\nlicence = "CC0"\nconfig = "sam2.1_hiera_tiny"\n'
    )
    monkeypatch.setenv("NAPARI_SAM2_MODELS", str(registry))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path / "assets"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield tmp_path
    server.shutdown()
    server.server_close()
    thread.join()


def table(capsys):
    """Run `models` and read what it prints by the names of the models."""
    assert main(["models"]) == 0
    return {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}


def test_table_has_all_models(lab, capsys):
    lines = table(capsys)
    assert [*lines][:2] == ["name", "cells_nano"] and [*lines][-9:] == [*RELEASED, "yeast"]
    assert all(word in lines["cells_nano"] for word in ("8.6 M", "17 MB", "embedded"))
    assert all(word in lines["sam2.1_hiera_large"] for word in ("224.4 M", "898 MB", "Apache-2.0"))
    assert all(word in lines["yeast"] for word in ("39.0 M", "156 MB", "CC0", "not downloaded"))
    column = lines["name"].index("where")
    assert lines["yeast"][column:].startswith("not downloaded")


def test_a_model_is_fetched_verified_and_removed(lab, capsys):
    assert main(["models", "download", "yeast"]) == 0
    out, err = capsys.readouterr()
    assert out.strip() == str(lab / "assets/napari-sam2/models/yeast/yeast.pt")
    assert "1.50M/1.50M" in err
    assert "on disk" in table(capsys)["yeast"]
    assert main(["models", "path", "yeast", "--local-only"]) == 0
    assert capsys.readouterr().out == out

    assert main(["models", "verify"]) == 0
    assert f"yeast: intact, sha256 {SHA256}" in capsys.readouterr().out
    (lab / "assets/napari-sam2/models/yeast/yeast.pt").write_bytes(b"damaged")
    assert main(["models", "verify", "yeast"]) == 1
    assert "is damaged: expected sha256" in capsys.readouterr().out

    assert main(["models", "remove", "yeast"]) == 0
    assert "not downloaded" in table(capsys)["yeast"]
    assert main(["models", "remove", "yeast"]) == 0
    assert "nothing of it was downloaded" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["path", "yeast", "--local-only"], 1, "downloads are off"),
        (["verify", "yeast"], 2, "expected a downloaded file, found none"),
        (["download"], 2, "expected the name of a model, found none"),
        (["download", "yaest"], 2, "found no such model; did you mean yeast?"),
        (["remove", "cells_nano"], 2, "expected a downloaded one"),
    ],
)
def test_errors_are_sentences(lab, capsys, arguments, code, sentence):
    assert main(["models", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and sentence in err


def test_failed_download_says_so(lab, capsys):
    (lab / "shared/yeast.pt").unlink()
    assert main(["models", "download", "yeast"]) == 1
    assert "expected a file at" in capsys.readouterr().err


def test_broken_registry_is_told_beside_the_table(lab, capsys):
    with (lab / "models.toml").open("a") as file:
        file.write('[models.bad]\nurl = "nowhere"\n')
    assert main(["models", "list"]) == 2
    out, err = capsys.readouterr()
    assert "yeast" in out and "bad" not in out
    assert "model 'bad', key 'url': expected an http(s) address" in err


def test_unknown_action_is_wrong_use(lab):
    with pytest.raises(SystemExit) as raised:
        main(["models", "admire"])
    assert raised.value.code == 2


def test_failed_downloads_are_one_sentence_and_leave_nothing(
    hub, cache, failure, capsys, tmp_path, monkeypatch
):
    registry = tmp_path / "models.toml"
    registry.write_text('[models.net]\nrepo = "lab/net"\nfile = "net.pt"\n')
    monkeypatch.setenv("NAPARI_SAM2_MODELS", str(registry))
    fail, sentence = failure
    fail()
    assert main(["models", "download", "net"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and finished(cache) == []
    last = err.strip().splitlines()[-1]  # before it there may be a bar
    assert last.startswith("napari-sam2: model 'net'") and sentence in last
    assert "Traceback" not in err
