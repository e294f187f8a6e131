"""The spectra of one layer: computed when a pass needs them, some of them kept for a later pass.

In training with `keep`, x_hat and w_hat stay from the forward pass to the backward pass. In evaluation w_hat stays from
one pass to the next. Both hold for the same array object and plan, until an optimizer writes weights. Kept spectra lie
outside the arena and its limit, so a pass in several regions keeps nothing.
"""

from collections.abc import Iterator

from tinyfft import backend
from tinyfft.arena import Arena
from tinyfft.backend import Array, Device
from tinyfft.fourier.chunks import Region
from tinyfft.fourier.convolution import AXES
from tinyfft.fourier.plan import Plan
from tinyfft.fourier.spectrum import spectrum


class SpectrumCache:
    def __init__(self, device: Device) -> None:
        """device  where the layer lives"""
        self._device = device
        self._spectra: dict[str, Array] = {}
        self._sources: dict[str, tuple[Array, Plan, int]] = {}  # what each valid spectrum was computed from

    def spectrum(
        self, name: str, planes: Array, region: Region, arena: Arena, *, forward: bool, train: bool, keep: bool
    ) -> Array:
        """Return the spectrum "x" or "w" of a region of `planes`: a kept one, or computed in the arena's open frame.

        forward  whether the pass is updateOutput
        train    whether the layer is in training mode
        keep     whether training keeps spectra for the backward pass
        """
        serves_evaluation = name == "w" and not train
        source = (planes, region.plan, backend.weights_version())
        if (serves_evaluation or not forward) and self._is_from(name, source):
            return self._spectra[name]
        kept = region.whole and (serves_evaluation or (forward and train and keep))
        if kept:
            hat = self._buffer(name, region.plan)
        else:
            hat = arena.take(region.plan.spectrum_shape(name), region.plan.spectrum_dtype)
            if forward:
                self.drop(name)
        spectrum(region.cut(planes, AXES[name]), region.plan, name, hat, arena)
        if kept:
            self._sources[name] = source
        return hat

    def invalidate(self, name: str) -> None:
        """Forget what a spectrum was computed from; its memory stays for the next one."""
        self._sources.pop(name, None)

    def drop(self, *names: str) -> None:
        """Free these spectra; all of them if none is named."""
        for name in names or list(self._spectra):
            self.invalidate(name)
            self._spectra.pop(name, None)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the kept spectra take."""
        return sum(hat.nbytes for hat in self)

    def __iter__(self) -> Iterator[Array]:
        """Iterate over the arrays that are kept."""
        return iter(self._spectra.values())

    def _is_from(self, name: str, source: tuple[Array, Plan, int]) -> bool:
        kept = self._sources.get(name)
        return kept is not None and kept[0] is source[0] and kept[1:] == source[1:]

    def _buffer(self, name: str, plan: Plan) -> Array:
        self.invalidate(name)
        shape, dtype = plan.spectrum_shape(name), plan.spectrum_dtype
        if name in self._spectra and (self._spectra[name].shape, self._spectra[name].dtype) != (shape, dtype):
            self.drop(name)  # before a new one is allocated: never both at once
        if name not in self._spectra:
            self._spectra[name] = self._device.empty(shape, dtype)
        return self._spectra[name]
