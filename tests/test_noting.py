"""A network whose kernels are but noted (tinyfft/compiling.py): what it asks for, and that it stays as it was."""

import numpy as np
import pytest
from trainers import linear_trainer

import tinyfft
from tinyfft import backend, choices, compiling, gpu, nn
from tinyfft.fourier import launch
from tinyfft.nn import FFTConvolution
from tinyfft.step import Step


@pytest.mark.gpu
def test_a_step_needs_no_compiler_behind_its_notes(monkeypatch, tmp_path):
    """Whatever is chosen, and with all that is fused."""
    device = tinyfft.use_device("cuda")
    monkeypatch.setenv("TINYFFT_CACHE", str(tmp_path))
    monkeypatch.setattr(choices, "_known", {})
    kernels, together = [], compiling.together

    def compiled():
        return launch._compiled.cache_info().misses + gpu._compiled.cache_info().misses

    def note(calls, device):
        before, inside = compiled(), compiling.only_notes()
        together(calls, device)
        if not inside:
            kernels.append(compiled() - before)

    monkeypatch.setattr(compiling, "together", note)
    layers = (nn.Convolution(3, 48, 3, padding=1), nn.BatchNormalization(48), nn.ReLU(), nn.MaxPool(2))
    layers += (nn.Convolution(48, 40, 5, padding=2), nn.ReLU(), nn.Dropout(0.1), nn.Flatten(), nn.Linear(40 * 36, 5))
    trainer = linear_trainer(nn.Sequential(*layers))
    step = Step(trainer.network, trainer.criterion, trainer.optimizer)
    step.train(device.array(np.ones((20, 3, 12, 12), np.float32)), device.array(np.arange(20) % 5))
    assert kernels[0] > 10
    assert kernels[1:] == [0] * len(kernels[1:])
    before = compiled()
    step.train(device.array(np.ones((20, 3, 12, 12), np.float32)), device.array(np.arange(20) % 5))
    assert compiled() == before


def test_a_step_that_only_notes_counts_and_draws_nothing(monkeypatch):
    """Losses are of what was not computed, and a mask too many would be another one in each later step."""
    trainer = linear_trainer(nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 3)))
    step = Step(trainer.network, trainer.criterion, trainer.optimizer)
    x = np.full((2, 4), np.nan, np.float32)
    monkeypatch.setattr(compiling._thread, "noted", {}, raising=False)
    state = str(backend.generator().bit_generator.state)
    steps = backend.weights_version()
    step._train(x, np.array([0, 1]))
    assert backend.weights_version() == steps
    assert str(backend.generator().bit_generator.state) == state
    assert step._losses == 0


@pytest.mark.parametrize("known", [False, True])
def test_convolution_chooses_nothing_while_kernels_are_noted(monkeypatch, known):
    """But what is known from before: then other ways are not noted."""
    layer = nn.Convolution(2, 3, 3, padding=1)
    x, of_machine = np.ones((2, 2, 7, 6), np.float32), {}
    monkeypatch.setattr(choices, "known", lambda device: of_machine)
    monkeypatch.setattr(choices, "_write", lambda device: None)
    monkeypatch.setattr(choices, "seconds", lambda ways, device: dict.fromkeys(ways, 1.0))
    if known:
        layer.backward(x, np.ones_like(layer.forward(x)))
    chosen, asked = layer.choices, dict(of_machine)
    layer.choices = []
    monkeypatch.setattr(compiling._thread, "noted", {}, raising=False)
    layer.backward(x, np.ones_like(layer.forward(x)))
    assert layer.choices == chosen
    assert of_machine == asked
    assert bool(chosen) == known


def test_what_relu_on_the_way_needs_is_noted_of_all_ways(monkeypatch):
    calls = []
    layer, relu = nn.Convolution(2, 3, 5, padding=2), nn.ReLU()
    x = np.ones((2, 2, 48, 48), np.float32)
    plans = layer.plans(x.shape)
    monkeypatch.setattr(choices, "known", lambda device: {})
    monkeypatch.setattr(nn.FFTConvolution, "updateOutput", lambda self, x, relu=None: note(self, "updateOutput", relu))
    monkeypatch.setattr(
        nn.FFTConvolution, "_backward", lambda self, passes, x, gy, scale=1, relu=None: note(self, passes, relu)
    )

    def note(layer, passes, relu):
        calls.append((layer.plan(x.shape), passes, relu is not None))

    monkeypatch.setattr(compiling._thread, "noted", {}, raising=False)
    layer.updateOutput(x, relu)
    layer.backward(x, np.ones((2, 3, 48, 48), np.float32), relu=relu)
    assert len(plans) > 1
    for passes in ("updateOutput", ("updateGradInput",), ("accGradParameters",)):
        assert {(plan, passes, fused) for plan in plans for fused in (False, True)} <= set(calls)


def test_spectra_that_were_not_computed_are_not_kept(monkeypatch):
    """Neither in training nor in use."""
    layer = FFTConvolution(2, 3, 3, padding=1, memory="keep")
    x = layer.device.array(np.random.default_rng(0).standard_normal((2, 2, 7, 6), dtype=np.float32))
    expected = layer.forward(x).copy()
    for prepare in (layer.training, layer.evaluate):
        prepare()
        layer.clearState()
        monkeypatch.setattr(compiling._thread, "noted", {}, raising=False)
        layer.forward(x)
        assert layer.spectra._sources == {}
        monkeypatch.undo()
        assert np.array_equal(layer.forward(x), expected)
        assert layer.spectra._sources
