"""Laws of downloads: whole and right, or not there; and an error that says what to do."""

import http.server
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_archives import described, use

from mixup_jax.data.files import archives
from mixup_jax.data.images import fashion_mnist
from mixup_jax.data.sources import load


@pytest.fixture
def server(tmp_path):
    """Serve a folder on this machine; yield its address and the folder."""
    folder = tmp_path / "server"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}", folder
        httpd.shutdown()


def at(spec, address):
    return replace(spec, archive=replace(spec.archive, url=f"{address}/{spec.archive.name}"))


def test_what_is_not_there_is_downloaded_and_kept(tiny_cifar, server, tmp_path, monkeypatch):
    spec, content, image, _ = tiny_cifar
    (server[1] / spec.archive.name).write_bytes(content)
    use(monkeypatch, at(spec, server[0]))
    (tmp_path / "data").mkdir()
    dataset = load(spec.name, tmp_path / "data")
    assert np.array_equal(dataset.train_image, image[:-3])
    assert (tmp_path / "data" / "downloads" / spec.name / spec.archive.name).read_bytes() == content


@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: content + b"!"])
def test_a_wrong_download_leaves_no_file(tiny_cifar, server, tmp_path, monkeypatch, damage):
    spec, content, _, _ = tiny_cifar
    (server[1] / spec.archive.name).write_bytes(damage(content))
    use(monkeypatch, at(spec, server[0]))
    (tmp_path / "data").mkdir()
    with pytest.raises(FileNotFoundError, match="not found, and not downloaded"):
        load(spec.name, tmp_path / "data")
    assert list((tmp_path / "data" / "downloads" / spec.name).iterdir()) == []


@pytest.mark.parametrize("inside", [b"1,2,3\n", b"1,2,4\n", b"1,2,3\n" * 1000])
def test_a_member_of_a_zip_is_taken_out_and_checked_and_nothing_else_is_left(server, tmp_path, monkeypatch, inside):
    with zipfile.ZipFile(server[1] / "t.zip", "w") as content:
        content.writestr("t.csv", inside)
        content.writestr("../other.csv", b"x")
    wanted = replace(described(b"1,2,3\n", "t.csv"), url=f"{server[0]}/t.zip", member="t.csv")
    monkeypatch.chdir(tmp_path)  # a relative folder
    if inside == b"1,2,3\n":
        (path,) = archives.download("t", [wanted], Path("data"))
        assert path.read_bytes() == inside
    else:
        with pytest.raises(FileNotFoundError, match=r"t.csv .* not found, and not downloaded"):
            archives.download("t", [wanted], Path("data"))
    left = sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file())
    assert left == [*(["data/t.csv"] if inside == b"1,2,3\n" else []), "server/t.zip"]


def test_without_network_the_error_names_file_size_sum_and_folder(tiny_cifar, tmp_path):
    spec, _, _, _ = tiny_cifar
    (tmp_path / "data").mkdir()
    with pytest.raises(FileNotFoundError) as error:
        load(spec.name, tmp_path / "data")
    message = str(error.value)
    for part in (
        spec.archive.name,
        "KiB",
        spec.archive.sha256,
        str(tmp_path / "data" / "downloads" / spec.name),
        "run again",
    ):
        assert part in message
    assert "\n" not in message


def test_the_error_names_every_file_that_is_missing(tiny_fashion, tmp_path):
    files, _ = tiny_fashion
    names = list(files)
    (tmp_path / "downloads" / "fashion_mnist").mkdir(parents=True)
    (tmp_path / "downloads" / "fashion_mnist" / names[0]).write_bytes(files[names[0]])
    with pytest.raises(FileNotFoundError) as error:
        load("fashion_mnist", tmp_path)
    assert all(name in str(error.value) for name in names[1:])
    assert names[0] not in str(error.value)


def test_a_folder_that_cannot_be_made_is_no_mystery(tiny_cifar, tmp_path):
    spec, _, _, _ = tiny_cifar
    (tmp_path / "downloads").write_text("not a folder")
    with pytest.raises(FileNotFoundError, match=f"put it into {tmp_path}/downloads/{spec.name}"):
        load(spec.name, tmp_path)


@pytest.mark.parametrize("where", ["downloads", "downloads/manual", "."])
def test_a_file_of_the_same_name_of_another_data_set_is_not_taken(tiny_fashion, server, tmp_path, monkeypatch, where):
    files, arrays = tiny_fashion
    for name, content in files.items():
        (server[1] / name).write_bytes(content)
    served = tuple(replace(each, url=f"{server[0]}/{each.name}") for each in fashion_mnist.ARCHIVES)
    monkeypatch.setattr(fashion_mnist, "ARCHIVES", served)
    (tmp_path / where).mkdir(parents=True, exist_ok=True)
    for name in files:  # as MNIST's are called, too
        (tmp_path / where / name).write_bytes(b"MNIST")
    assert np.array_equal(load("fashion_mnist", tmp_path).test_image[..., 0], arrays[2])
    assert all((tmp_path / where / name).read_bytes() == b"MNIST" for name in files)
    assert {path.name for path in (tmp_path / "downloads" / "fashion_mnist").iterdir()} == set(files)


def test_a_file_of_another_size_is_named_as_passed_over(tiny_cifar, tmp_path, caplog):
    spec, content, _, _ = tiny_cifar
    (tmp_path / spec.archive.name).write_bytes(content[:-1])
    with pytest.raises(FileNotFoundError, match="not found, and not downloaded"):
        load(spec.name, tmp_path)
    assert f"{tmp_path}/{spec.archive.name} is passed over: it has {len(content) - 1} bytes" in caplog.text


def test_sizes_are_readable():
    assert str(fashion_mnist.ARCHIVES[0]).startswith("train-images-idx3-ubyte.gz (25 MiB, sha256 3aed")
