"""The house keeps its order: each file has its test, each named file its size, and layers know no device."""

import re
import subprocess
from pathlib import Path

import pytest
from program import ROOT

FOLDERS = ["tinyfft", "datasets", "models", "commands", "benchmarks"]
RE_EXPORT_LINES = 5

TESTED_ELSEWHERE = {
    # Files without behaviour of their own: what uses them shows it.
    "tinyfft/backend.py": ("test_arena", "every test of arrays runs through it; its memory is tested with the arena's"),
    "tinyfft/machine.py": ("test_autotune", "names the machine in the table of choices"),
    "tinyfft/random.py": ("training/test_deterministic", "one seed, one result"),
    "tinyfft/runs/text_table.py": ("commands/test_time", "prints the table of layers"),
    "tinyfft/runs/toml_schema.py": ("runs/test_config", "every key and every error is one of a config"),
    "tinyfft/runs/inference.py": ("commands/test_predict", "loads a checkpoint and classifies images"),
    "tinyfft/runs/report/run.py": ("runs/report/test_comparison", "reads the folders that are compared"),
    "tinyfft/runs/report/html.py": ("runs/report/test_run_page", "writes each element of the page"),
    "tinyfft/runs/report/__main__.py": ("runs/report/test_comparison", "the command and its errors"),
    "tinyfft/training/interrupts.py": ("training/test_resume", "Ctrl-C saves and exits"),
    # The engine's parts, tested together against the definition.
    "tinyfft/fourier/convolution.py": ("nn/test_convolution_layer", "three passes against float64 sums"),
    "tinyfft/fourier/spectrum_cache.py": ("nn/test_fft_convolution", "kept spectra, whole and in chunks"),
    "tinyfft/fourier/spectrum.py": ("fourier/test_primitives", "against numpy.fft, on CPU and host-built kernels"),
    "tinyfft/fourier/product.py": ("fourier/test_primitives", "against plain sums"),
    "tinyfft/fourier/signal.py": ("fourier/test_primitives", "against numpy.fft"),
    "tinyfft/fourier/cpu/transforms.py": ("fourier/test_primitives", "the CPU's spectrum and signal"),
    "tinyfft/fourier/cpu/blocks.py": ("fourier/test_primitives", "the CPU's spectrum and signal"),
    "tinyfft/fourier/cpu/matrix_dft.py": ("fourier/test_primitives", "the CPU's spectrum and signal"),
    "tinyfft/fourier/gpu/codelets.py": ("test_kernels", "runs and compiles the kernels of every length"),
    "tinyfft/fourier/gpu/warpgroup_product.py": (
        "fourier/gpu/test_tensor_product",
        "both products, the same cases",
    ),
    "tinyfft/cuda/source.py": ("test_kernels", "every source is specialised and compiled"),
    # Layers: one table of cases for three convolutions, one file for what a network decides.
    "tinyfft/nn/arguments.py": ("nn/test_module", "wrong arguments of each constructor"),
    "tinyfft/nn/direct_convolution.py": ("nn/test_convolution_layer", "one of the three convolution layers"),
    "tinyfft/nn/method_tuner.py": ("nn/test_convolution", "chosen methods and plans"),
    "tinyfft/nn/gradient_buffers.py": ("nn/test_sequential", "lends the buffers of a backward pass"),
    "tinyfft/ops/direct_convolution/__init__.py": ("nn/test_convolution_layer", "through DirectConvolution"),
    # Commands, data and networks.
    "datasets/make_sample.py": ("datasets/test_sample", "the archive, made and read"),
    "commands/build.py": ("commands/test_train", "data, network and trainer of a run"),
    "commands/training.py": ("commands/test_train", "a whole run"),
    "commands/list_configs.py": ("commands/test_options", "--list"),
    "commands/resume.py": ("training/test_resume", "--resume"),
    "commands/saved_checkpoint.py": ("commands/test_evaluate", "--checkpoint, and those that cannot be read"),
    "models/__init__.py": ("models/test_convnet", "both networks are built by name"),
    "models/paper.py": ("models/test_convnet", "both networks, one table of layers"),
    # Benchmarks: a command is tested by running it as documented.
    "benchmarks/accuracy.py": ("benchmarks/test_peers", "the float64 reference"),
    "benchmarks/fft_conv_pytorch.py": ("benchmarks/test_peers", "one of the peers"),
    "benchmarks/layer_timing.py": ("benchmarks/test_peers", "times the peers"),
    "benchmarks/clock.py": ("benchmarks/test_breakdown", "on a fake device"),
    "benchmarks/watch.py": ("benchmarks/test_breakdown", "on a fake device"),
    "benchmarks/figures.py": ("benchmarks/test_sweeps", "draws the figures"),
    "benchmarks/resident_memory.py": ("benchmarks/test_documented_benchmarks", "runs the command"),
    "benchmarks/shapes.py": ("benchmarks/test_methods", "a table of layers"),
    "benchmarks/torch_iteration.py": ("benchmarks/test_iteration_timing", "the same weights as tinyfft's"),
    "benchmarks/torch_training.py": ("benchmarks/test_training", "PyTorch's side"),
    "benchmarks/transforms.py": ("benchmarks/test_documented_benchmarks", "runs the command"),
}

MOST_LINES = {
    "tinyfft/nn/fft_convolution.py": 120,
    "tinyfft/nn/sequential.py": 130,
    "tinyfft/nn/convolution.py": 130,
    "README.md": 130,
}
FIVE_FILES = [
    "tinyfft/fourier/textbook.py",
    "tinyfft/nn/fft_convolution.py",
    "tinyfft/fourier/convolution.py",
    "tinyfft/fourier/product.py",
    "kernels/fourier/spectrum.cu",
]
ASKS_FOR_THE_DEVICE = re.compile(r"device\.kind|capturing\(|compile_all")


def tracked(*endings: str) -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    return [file for file in listed if file.endswith(endings) and (ROOT / file).exists()]


def code_lines(file: str) -> int:
    return sum(1 for line in (ROOT / file).read_text("utf-8").splitlines() if line.strip())


def without_docstring(file: str) -> str:
    return re.sub(r'^""".*?"""', "", (ROOT / file).read_text("utf-8"), count=1, flags=re.S)


def is_re_export(file: str) -> bool:
    return code_lines(file) <= RE_EXPORT_LINES


def sources() -> list[str]:
    """Return the Python files with behaviour: not re-exports, and no package that only imports."""
    found = [file for file in tracked(".py") if file.split("/")[0] in FOLDERS and not is_re_export(file)]
    return [
        file
        for file in found
        if not file.endswith("__init__.py") or re.search(r"^(def|class) ", (ROOT / file).read_text("utf-8"), re.M)
    ]


def mirrored(source: str) -> str:
    """Return the path of a file's test: tinyfft/nn/linear.py has tests/nn/test_linear.py."""
    path = Path(source.removeprefix("tinyfft/"))
    name = f"{path.parent.name}.py" if path.name == "__init__.py" else path.name
    return f"tests/{path.parent}/test_{name}".replace("/./", "/")


@pytest.fixture(autouse=True)
def in_a_checkout():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")


def test_every_source_file_has_a_test():
    without = [source for source in sources() if not (ROOT / mirrored(source)).exists()]
    assert sorted(without) == sorted(TESTED_ELSEWHERE)


def test_tests_named_for_other_files_exist():
    assert [test for test, _ in TESTED_ELSEWHERE.values() if not (ROOT / f"tests/{test}.py").exists()] == []


def test_few_files_lie_directly_in_the_package():
    files = [file for file in tracked(".py") if re.fullmatch(r"tinyfft/\w+\.py", file)]
    assert len([file for file in files if not is_re_export(file)]) <= 10


def test_no_line_is_longer_than_120_characters():
    long = [
        f"{file}:{number}"
        for file in [*tracked(".py", ".cu", ".cuh"), "README.md"]
        for number, line in enumerate((ROOT / file).read_text("utf-8").splitlines(), 1)
        if len(line) > 120
    ]
    assert long == []


@pytest.mark.parametrize("file", MOST_LINES)
def test_named_files_are_read_in_one_sitting(file):
    assert len((ROOT / file).read_text("utf-8").splitlines()) <= MOST_LINES[file]


def test_readme_names_five_files_in_order_that_are_under_600_lines():
    readme = (ROOT / "README.md").read_text("utf-8")
    places = [readme.index(file.removeprefix("tinyfft/")) for file in FIVE_FILES]
    assert places == sorted(places)
    assert sum(len((ROOT / file).read_text("utf-8").splitlines()) for file in FIVE_FILES) < 600


def test_files_that_are_cited_with_their_folder_exist():
    names = tracked("")
    cited = [
        (file, path)
        for file in tracked(".py", ".cu", ".cuh", ".h")
        for path in re.findall(r"\b[a-z][\w]*/[\w/]+\.(?:py|cuh?|h)\b", (ROOT / file).read_text("utf-8"))
    ]
    assert [pair for pair in cited if not any(f"/{name}".endswith(f"/{pair[1]}") for name in names)] == []


def test_nothing_inside_the_package_imports_its_face():
    face = re.compile(r"^\s*import tinyfft$|^\s*from tinyfft import .*\b(use_device|current_device|Device)\b", re.M)
    files = [file for file in tracked(".py") if file.startswith("tinyfft/")]
    assert [file for file in files if face.search(without_docstring(file))] == []


def test_layers_optimizer_and_step_know_no_device():
    """But one: the tuner of methods measures, which is its work."""
    files = [file for file in tracked(".py") if file.startswith("tinyfft/nn/")]
    files += ["tinyfft/optim.py", "tinyfft/training/step.py"]
    found = {file for file in files if ASKS_FOR_THE_DEVICE.search((ROOT / file).read_text("utf-8"))}
    assert found <= {"tinyfft/nn/method_tuner.py"}
