"""For all tests of datasets/: an empty cache, and no proxy before the server on loopback."""

import pytest


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    """An empty cache instead of the user's."""
    monkeypatch.setenv("TINYFFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache"
