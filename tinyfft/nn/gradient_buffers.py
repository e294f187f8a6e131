"""Two arrays that the modules of a chain use in turn as their gradInput.

While gradients go through a chain from its end, a module reads the array that the module behind it has written, and
writes the other one. So a chain of any length needs two arrays of its largest input. Each gradInput is right until the
next module but one has run.
"""

from collections.abc import Iterable, Iterator

from tinyfft.backend import Array, Device
from tinyfft.nn.module import Module


class GradientBuffers:
    def __init__(self, device: Device, modules: Iterable[Module]) -> None:
        """device   where the chain lives
        modules  the modules of the chain
        """
        self._device, self._modules = device, modules
        self._buffers: list[Array | None] = [None, None]

    def lend(self, module: Module, input: Array, gradOutput: Array, overwrite: bool = False) -> Array:
        """Make an array like `input` the module's gradInput and return it; gradOutput if the module needs none.

        overwrite  whether the module may write its gradInput over a lent gradOutput
        """
        if not module.needs_gradInput or not isinstance(input, self._device.xp.ndarray):
            return gradOutput
        if overwrite and self._is_lent(gradOutput):
            module.gradInput = gradOutput
            return gradOutput
        free = 1 if self._buffers[0] is not None and gradOutput.base is self._buffers[0] else 0
        buffer, held = self._at_least(free, input.nbytes), module.gradInput
        if held is None or held.base is not buffer or (held.shape, held.dtype) != (input.shape, input.dtype):
            module.gradInput = buffer[: input.nbytes].view(input.dtype).reshape(input.shape)
        return module.gradInput

    def take_back(self, module: Module) -> None:
        """Let the module have a gradInput of its own at its next call."""
        if self._is_lent(module.gradInput):
            module.gradInput = None

    def __iter__(self) -> Iterator[Array | None]:
        """Iterate over the two arrays."""
        return iter(self._buffers)

    def _at_least(self, which: int, nbytes: int) -> Array:
        old = self._buffers[which]
        if old is None or old.nbytes < nbytes:
            for module in self._modules:  # the old array goes before the new one is allocated: never both at once
                if old is not None and module.gradInput is not None and module.gradInput.base is old:
                    module.gradInput = None
            old = self._buffers[which] = None
            self._buffers[which] = self._device.empty((nbytes,), "uint8")
        return self._buffers[which]

    def _is_lent(self, array: Array | None) -> bool:
        return array is not None and any(array.base is buffer for buffer in self._buffers if buffer is not None)
