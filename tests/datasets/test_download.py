"""datasets/download.py against a server on loopback that cuts off, ignores Range, or sends wrong bytes."""

import contextlib
import hashlib
import http.server
import socket
import threading
import urllib.request

import pytest

from datasets import download as module
from datasets.dataset import DataError
from datasets.download import download


class Server(http.server.HTTPServer):
    """Sends `body`, whole or from the requested byte. `asked` has the Range header of each request."""

    body = b""
    cut_after = None  # bytes sent before the connection is closed
    knows_range = True
    range_offset = 0  # sent from so many bytes after the requested one
    status = None

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/file.bin"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        start = 0
        if server.status:
            return self.send_error(server.status)
        if asked and server.knows_range:
            start = int(asked.removeprefix("bytes=").removesuffix("-")) + server.range_offset
            if start >= len(server.body):
                return self.send_error(416)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(server.body) - 1}/{len(server.body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(server.body) - start))
        self.end_headers()
        self.wfile.write(server.body[start:][: server.cut_after])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(rng):
    with Server() as server:
        server.body = rng.bytes(700_001)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "file.bin"


def fetch(server, path, **arguments):
    download(server.url, path, hashlib.sha256(server.body).hexdigest(), progress=False, **arguments)


def part_of(path):
    return path.with_name("file.bin.part")


def write_part(path, contents):
    path.parent.mkdir()
    part_of(path).write_bytes(contents)


def check_done(server, path):
    assert path.read_bytes() == server.body
    assert [file.name for file in path.parent.iterdir()] == ["file.bin"]


def test_whole_file(server, path):
    fetch(server, path)
    check_done(server, path)
    assert server.asked == [None]


def test_bar_counts_the_bytes(server, path, capsys):
    write_part(path, server.body[:350_000])
    download(server.url, path, hashlib.sha256(server.body).hexdigest())
    assert "700k/700k" in capsys.readouterr().err


def test_a_file_that_is_there_is_not_fetched(server, path):
    fetch(server, path)
    fetch(server, path)
    assert len(server.asked) == 1


def test_a_wrong_file_that_is_there_is_replaced(server, path):
    path.parent.mkdir()
    path.write_bytes(b"something else")
    fetch(server, path)
    check_done(server, path)


def test_resumed_after_a_cut(server, path):
    server.cut_after = 300_000
    with pytest.raises(DataError, match="the connection ended after 300000 of 700001 bytes; they are kept"):
        fetch(server, path)
    assert part_of(path).read_bytes() == server.body[:300_000]
    assert not path.exists()
    with pytest.raises(DataError, match="the connection ended after 600000 of 700001 bytes"):
        fetch(server, path)
    server.cut_after = None
    fetch(server, path)
    check_done(server, path)
    assert server.asked == [None, "bytes=300000-", "bytes=600000-"]


def test_server_that_ignores_range(server, path):
    server.knows_range = False
    write_part(path, server.body[:1000])
    fetch(server, path)
    check_done(server, path)
    assert server.asked == ["bytes=1000-"]


def test_a_whole_part_needs_no_network(server, path):
    write_part(path, server.body)
    fetch(server, path)
    check_done(server, path)
    assert server.asked == []


def test_a_part_that_is_too_long_is_started_again(server, path):
    write_part(path, server.body + b"more")
    fetch(server, path)
    check_done(server, path)
    assert server.asked == ["bytes=700005-", None]


def test_wrong_checksum_removes_the_part(server, path):
    wrong = "0" * 64
    found = hashlib.sha256(server.body).hexdigest()
    with pytest.raises(DataError, match=f"has the SHA-256 {found}, expected {wrong}; it was removed"):
        download(server.url, path, wrong, progress=False)
    assert list(path.parent.iterdir()) == []


def test_a_part_of_another_file_is_removed_and_the_next_try_succeeds(server, path):
    write_part(path, b"x" * 1000)
    with pytest.raises(DataError, match="it was removed"):
        fetch(server, path)
    fetch(server, path)
    check_done(server, path)


def test_an_answer_from_another_byte_is_not_appended(server, path):
    server.range_offset = 5
    write_part(path, server.body[:1000])
    with pytest.raises(DataError, match="SHA-256"):
        fetch(server, path)
    assert not path.exists()


def test_error_of_the_server_keeps_the_part(server, path):
    server.status = 404
    write_part(path, server.body[:1000])
    with pytest.raises(DataError, match=r"file\.bin could not be downloaded to .*: Not Found"):
        fetch(server, path)
    assert part_of(path).read_bytes() == server.body[:1000]


def test_nothing_listening(path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(DataError, match=r"could not be downloaded .*refused"):
        download(f"http://127.0.0.1:{port}/file.bin", path, "0" * 64, progress=False)


def test_a_silent_server_is_given_up(path, monkeypatch):
    assert module.TIMEOUT_SECONDS <= 10
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.2)
    urlopen, limits = urllib.request.urlopen, []

    def record(request, timeout):
        limits.append(timeout)
        return urlopen(request, timeout=timeout)

    monkeypatch.setattr(urllib.request, "urlopen", record)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/file.bin"
        with pytest.raises(DataError, match=r"could not be downloaded .*timed out"):
            download(url, path, "0" * 64, progress=False)
    assert limits == [0.2]


def test_answer_that_is_not_http(path):
    def babble(listening):
        with contextlib.closing(listening.accept()[0]) as connection:
            connection.recv(4096)
            connection.sendall(b"220 mail.example ESMTP\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=babble, args=(listening,))
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/file.bin"
        with pytest.raises(DataError, match="could not be downloaded"):
            download(url, path, "0" * 64, progress=False)
        thread.join()


def test_unwritable_place(server, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DataError, match=r"could not be downloaded to .*file/file\.bin"):
        fetch(server, tmp_path / "file" / "file.bin")
