"""For all tests of datasets/: a cache of their own, and no proxy between them and the server on loopback."""

import pytest


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    """An empty cache: nothing is read from the user's, and nothing is left in it."""
    monkeypatch.setenv("TINYFFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache"
