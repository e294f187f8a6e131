"""datasets/unpickle.py: reads pickles of Python 2, and runs nothing that the file names."""

import os
import pickle

import numpy as np
import pytest
from data_files import global_, python2_pickle

from datasets.dataset import DataError
from datasets.unpickle import PickledArray, unpickle


def array_pickle(code=b"u1", shape=(2, 3), raw=b"abcdef", column_major=False):
    """Return the pickle of an array whose parts can contradict each other."""
    whole = python2_pickle(np.zeros((1,), np.uint8))
    dtype_end = whole.index(b"b", whole.index(b"numpy\ndtype"))
    start = whole[: whole.index(b"(", whole.index(b"tR"))]
    dtype = whole[whole.index(b"cnumpy\ndtype") : dtype_end + 1].replace(b"u1", code)
    inner = [python2_pickle(item)[2:-1] for item in (1, shape)]
    tail = [python2_pickle(item)[2:-1] for item in (column_major, raw)]
    return start + b"(" + b"".join(inner) + dtype + b"".join(tail) + b"tb."


def test_containers_strings_and_numbers():
    value = {b"labels": [0, 9, -3, 70000], b"long": b"x" * 300, b"pair": (b"", None, True), "text": "ä"}
    assert unpickle(python2_pickle(value), "file") == value


@pytest.mark.parametrize("shape", [(0,), (7,), (2, 3072), (3, 1, 5)])
def test_array_of_bytes(rng, shape):
    values = rng.integers(0, 256, shape, dtype=np.uint8)
    found = unpickle(python2_pickle([values]), "file")[0]
    assert isinstance(found, PickledArray)
    assert found.values.dtype == np.uint8
    np.testing.assert_array_equal(found.values, values)


def test_same_as_numpy_reads(rng):
    """The pickle of these tests is a real one: NumPy reads the same array from it."""
    values = rng.integers(0, 256, (4, 6), dtype=np.uint8)
    data = python2_pickle(values).replace(b"numpy.core.", b"numpy._core.")  # the name in NumPy 2, which has no warning
    np.testing.assert_array_equal(pickle.loads(data, encoding="bytes"), values)


class Payload:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch '{self.marker}'",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_hostile_pickle_does_not_run(tmp_path, protocol):
    marker = tmp_path / "marker"
    data = pickle.dumps({"data": Payload(marker)}, protocol)
    with pytest.raises(DataError, match=r"batch_1: it refers to (posix|nt)\.system, .*refused"):
        unpickle(data, "batch_1")
    assert not marker.exists()
    pickle.loads(data)  # the payload is a real one: the ordinary reader runs it
    assert marker.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        *[("builtins", "eval"), ("__builtin__", "eval"), ("builtins", "getattr"), ("_codecs", "encode")],
        *[
            ("numpy", "load"),
            ("numpy.core.multiarray", "scalar"),
            ("numpy", "ndarray.tofile"),
            ("copyreg", "_reconstructor"),
        ],
    ],
)
def test_any_other_name_is_refused(module, name):
    with pytest.raises(DataError, match=f"refers to {module}.{name}"):
        unpickle(b"\x80\x02" + global_(module, name) + b".", "file")


def test_a_pickle_cannot_change_the_reader():
    """The opcode BUILD sets attributes of the object on the stack; no admitted object has any."""
    change = python2_pickle((None, {"values": 1, "__call__": 1}))[2:-1]
    for module, name in (("numpy.core.multiarray", "_reconstruct"), ("numpy", "dtype"), ("numpy", "ndarray")):
        with pytest.raises(DataError, match="not a whole pickle"):
            unpickle(b"\x80\x02" + global_(module, name) + change + b"b.", "file")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"code": b"O8"}, "dtype b'O8', expected b'u1'"),
        ({"code": b"f4"}, "dtype b'f4', expected b'u1'"),
        ({"shape": (2, 4)}, r"shape \(2, 4\) holds 6 bytes"),
        ({"shape": (-2, -3)}, r"shape \(-2, -3\) holds 6 bytes"),
        ({"shape": (True, 6)}, r"shape \(True, 6\) holds 6 bytes"),
        ({"raw": [1, 2]}, "not uint8 in row order"),
        ({"column_major": True}, "not uint8 in row order"),
    ],
)
def test_arrays_that_contradict_themselves(arguments, message):
    assert unpickle(array_pickle(), "file").values.tolist() == [[97, 98, 99], [100, 101, 102]]
    with pytest.raises(DataError, match=message):
        unpickle(array_pickle(**arguments), "file")


def test_truncated_anywhere(rng):
    data = python2_pickle({b"data": rng.integers(0, 256, (2, 6), dtype=np.uint8), b"labels": [1, 2]})
    for length in range(len(data)):
        with pytest.raises(DataError, match=r"^batch: "):
            unpickle(data[:length], "batch")


@pytest.mark.parametrize("data", [b"<html>not found</html>", b"\x00" * 50, b"\x80\x02P1\n."])
def test_no_pickle_at_all(data):
    with pytest.raises(DataError, match="batch: not a whole pickle"):
        unpickle(data, "batch")
