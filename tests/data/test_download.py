"""Files of known content: from folders, the cache and mirrors that misbehave, on the loopback interface."""

import gzip
import hashlib
import struct
import threading
import tracemalloc
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import numpy as np
import pytest

from fnnet.data.download import PinnedFile, download, read_pinned
from fnnet.data.image_sources import FASHION_MNIST, MNIST, ImageSource
from fnnet.data.mnist import load_images
from fnnet.errors import InputError


def idx(*shape: int, seed: int) -> bytes:
    values = np.random.default_rng(seed).integers(0, 3, shape, np.uint8)
    return struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + values.tobytes()


def pin(name: str, content: bytes) -> PinnedFile:
    return PinnedFile(name, len(content), hashlib.sha256(content).hexdigest())


CONTENT = {
    "train-images": idx(7, 3, 2, seed=0),
    "train-labels": idx(7, seed=1),
    "test-images": idx(5, 3, 2, seed=2),
    "test-labels": idx(5, seed=3),
}
NAME = "train-images"
PINNED = pin(NAME, CONTENT[NAME])


class Mirror(BaseHTTPRequestHandler):
    """Serves `/<behaviour>/<name>.gz`."""

    requests: ClassVar[Counter[str]] = Counter()

    def do_GET(self):
        _, behaviour, file = self.path.split("/")
        self.requests[behaviour] += 1
        raw = CONTENT[file.removesuffix(".gz")]
        whole = gzip.compress(raw)
        if behaviour == "missing":
            self.send_error(404)
        elif behaviour == "elsewhere":
            self.send_response(302)
            self.send_header("Location", f"/good/{file}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif behaviour == "dies":
            self.reply(whole[: len(whole) // 2], length=len(whole))
        else:
            bodies = {
                "good": whole,
                "raw": raw,
                "wrong": gzip.compress(raw[:-1] + b"\xff"),
                "truncated": whole[: len(whole) // 2],
                "page": b"<html>Please log in</html>",
                "bomb": gzip.compress(bytes(10_000_000)),
                "endless": bytes(5_000_000),
            }
            self.reply(bodies[behaviour])

    def reply(self, body: bytes, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:  # the client has seen enough
            self.close_connection = True

    def log_message(self, *arguments):
        """Keep the output of the tests clean."""


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as running:
        thread = threading.Thread(target=running.serve_forever, args=[0.01])
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture
def fetch(server, tmp_path, monkeypatch):
    """Downloads the pinned file from mirrors of the given behaviours."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def run(*behaviours: str) -> bytes:
        urls = [f"{server}/{behaviour}/{NAME}.gz" for behaviour in behaviours]
        return download(PINNED, urls, tmp_path / "cache", allow_http=True)

    return run


def files(folder) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("behaviour", ["good", "raw"])
def test_good_mirror(fetch, tmp_path, behaviour):
    assert fetch(behaviour) == CONTENT[NAME]
    assert files(tmp_path) == [f"{NAME}.gz"]
    assert read_pinned(tmp_path / "cache" / f"{NAME}.gz", PINNED) == CONTENT[NAME]


BAD = {
    "wrong": f"expected content of SHA-256 {PINNED.sha256}, got [0-9a-f]{{64}}",
    "truncated": "truncated, the compressed data end early",
    "dies": "[Ii]ncomplete|broken",
    "missing": "404",
    "page": f"expected {PINNED.num_bytes} bytes of content, got 26",
    "bomb": f"expected {PINNED.num_bytes} bytes of content, got more|more bytes than expected",
    "endless": "more bytes than expected",
    "elsewhere": f"expected {PINNED.num_bytes} bytes of content, got 0",
}


@pytest.mark.parametrize("behaviour", BAD)
def test_bad_mirror_leaves_nothing(fetch, tmp_path, behaviour):
    with pytest.raises(InputError, match=f"(?s)could not download {NAME}.gz.*{behaviour}/.*{BAD[behaviour]}"):
        fetch(behaviour)
    assert files(tmp_path) == []


@pytest.mark.parametrize("behaviour", BAD)
def test_second_mirror_is_the_fallback(fetch, tmp_path, behaviour):
    assert fetch(behaviour, "good") == CONTENT[NAME]
    assert files(tmp_path) == [f"{NAME}.gz"]


def test_error_names_every_bad_mirror(fetch, tmp_path):
    with pytest.raises(InputError, match=r"(?s)/dies/.*/wrong/.*expected content of SHA-256"):
        fetch("dies", "wrong")
    assert files(tmp_path) == []


def test_bad_download_does_not_touch_a_good_file(fetch, tmp_path):
    fetch("good")
    with pytest.raises(InputError):
        fetch("wrong")
    assert files(tmp_path) == [f"{NAME}.gz"]
    assert read_pinned(tmp_path / "cache" / f"{NAME}.gz", PINNED) == CONTENT[NAME]


def test_without_a_server(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(InputError, match="could not download"):
        download(PINNED, ["http://127.0.0.1:1/x.gz"], tmp_path, allow_http=True)
    assert files(tmp_path) == []


@pytest.mark.parametrize("scheme", ["http", "ftp", "file", "HTTP"])
def test_http_must_be_allowed(tmp_path, scheme):
    with pytest.raises(InputError, match="must be downloaded over https"):
        download(PINNED, ["https://127.0.0.1:1/x.gz", f"{scheme}://127.0.0.1:1/x.gz"], tmp_path)


@pytest.mark.parametrize("source", [MNIST, FASHION_MNIST], ids=lambda source: source.name)
def test_there_are_two_pinned_https_mirrors(source):
    assert len(source.mirrors) >= 2
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in source.mirrors)
    assert len({file.sha256 for file in source.files}) == 4


def test_fashion_mnist_folder_has_two_spellings():
    assert {"fashion_mnist", "fashion-mnist"} <= set(FASHION_MNIST.folders)


def test_decompression_stops_at_the_pinned_size(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(10_000_000)))
    tracemalloc.start()
    with pytest.raises(InputError, match="expected 3 bytes of content, got more"):
        read_pinned(path, PinnedFile("bomb", 3, "0" * 64))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_damaged_compressed_data(tmp_path):
    path = tmp_path / "x.gz"
    content = bytearray(gzip.compress(bytes(range(200)), compresslevel=9))
    content[40] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.gz"):
        read_pinned(path, PinnedFile("x", 200, hashlib.sha256(bytes(range(200))).hexdigest()))


@pytest.fixture
def source(server, tmp_path, monkeypatch) -> ImageSource:
    """A set of 7 + 5 images of 3 x 2 pixels, with a bad mirror before a good one, and empty folders."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("FNNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FNNET_DATA", str(tmp_path / "data"))
    Mirror.requests.clear()
    pinned = [pin(name, content) for name, content in CONTENT.items()]
    mirrors = (f"{server}/dies/", f"{server}/good/")
    return ImageSource("tiny_images", ("tiny_images", "tiny-images"), mirrors, ("a", "b", "c"), tuple(pinned))


def test_images_are_downloaded_once(source, tmp_path):
    images = load_images(source, allow_http=True)
    test_inputs, test_targets = images.test
    assert images.inputs.shape == (7, 6) and test_inputs.shape == (5, 6)
    assert images.inputs.dtype == np.float32
    assert images.feature_names == [f"pixel_{row}_{column}" for row in range(3) for column in range(2)]
    expected = np.frombuffer(CONTENT["train-images"][16:], np.uint8).reshape(7, 6) / 255
    np.testing.assert_allclose(images.inputs, expected, rtol=1e-6)
    assert test_targets.tolist() == list(CONTENT["test-labels"][8:])
    assert files(tmp_path / "cache" / "tiny_images") == sorted(f"{name}.gz" for name in CONTENT)
    assert Mirror.requests == {"dies": 4, "good": 4}
    load_images(source, allow_http=True)
    assert Mirror.requests == {"dies": 4, "good": 4}


def test_damaged_file_in_the_cache_is_replaced(source, tmp_path):
    load_images(source, allow_http=True)
    damaged = tmp_path / "cache" / "tiny_images" / f"{NAME}.gz"
    damaged.write_bytes(damaged.read_bytes()[:-5])
    load_images(source, allow_http=True)
    assert Mirror.requests["good"] == 5
    assert read_pinned(damaged, PINNED) == CONTENT[NAME]


def test_without_mirrors_the_error_suggests_a_copy(source, tmp_path):
    with pytest.raises(
        InputError, match=r"FNNET_DATA to a folder that contains tiny_images/train-images\.gz"
    ):
        load_images(source._replace(mirrors=()))
    with pytest.raises(InputError, match="must be downloaded over https"):
        load_images(source)


@pytest.mark.parametrize("folder", ["data/tiny_images", "data/tiny-images", "data"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_users_copies_come_first(source, tmp_path, folder, suffix):
    (tmp_path / folder).mkdir(parents=True)
    for name, content in CONTENT.items():
        (tmp_path / folder / f"{name}{suffix}").write_bytes(gzip.compress(content) if suffix else content)
    assert load_images(source).targets.tolist() == list(CONTENT["train-labels"][8:])
    assert not Mirror.requests
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("folder", ["data/tiny-images", "data"])
def test_damaged_user_copy_is_an_error(source, tmp_path, folder):
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / NAME).write_bytes(CONTENT[NAME][:-1] + b"\xff")
    with pytest.raises(
        InputError, match=f"{folder}/{NAME}: expected content of SHA-256 {PINNED.sha256}, got"
    ):
        load_images(source, allow_http=True)
    assert not Mirror.requests
