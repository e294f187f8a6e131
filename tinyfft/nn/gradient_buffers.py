"""Two arrays that the modules of a chain use alternately as their gradInput.

The backward pass runs a chain from its end. Each module reads the gradient in one array and writes its gradInput into
the other one, so a chain of any length needs only two arrays of its largest input's size. A gradInput is valid until
two further modules have run their backward pass.
"""

from collections.abc import Iterable, Iterator

from tinyfft.backend import Array, Device
from tinyfft.nn.module import Module


class GradientBuffers:
    def __init__(self, device: Device, modules: Iterable[Module]) -> None:
        """device   the chain's device
        modules  the chain's modules, in a list that may grow later
        """
        self._device, self._modules = device, modules
        self._buffers: list[Array | None] = [None, None]

    def lend(self, module: Module, input: Array, gradOutput: Array, overwrite: bool = False) -> Array:
        """Set the module's gradInput to a lent array of the input's shape and dtype, and return it.

        overwrite  whether the module may write its gradInput over a lent gradOutput
        A module that needs no gradInput keeps its own; then the result is gradOutput.
        """
        if not module.needs_gradInput or not isinstance(input, self._device.xp.ndarray):
            return gradOutput
        if overwrite and self._is_lent(gradOutput):
            module.gradInput = gradOutput
            return gradOutput
        free = 1 if self._buffers[0] is not None and gradOutput.base is self._buffers[0] else 0
        buffer, old = self._at_least(free, input.nbytes), module.gradInput
        if old is None or old.base is not buffer or (old.shape, old.dtype) != (input.shape, input.dtype):
            module.gradInput = buffer[: input.nbytes].view(input.dtype).reshape(input.shape)
        return module.gradInput

    def take_back(self, module: Module) -> None:
        """Let the module allocate its own gradInput at its next call."""
        if self._is_lent(module.gradInput):
            module.gradInput = None

    def __iter__(self) -> Iterator[Array | None]:
        """Iterate over the two arrays."""
        return iter(self._buffers)

    def _at_least(self, which: int, nbytes: int) -> Array:
        """Return buffer 0 or 1, after it has grown to `nbytes` if it was smaller."""
        old = self._buffers[which]
        if old is None or old.nbytes < nbytes:
            for module in self._modules:  # free the old array before allocating the new one
                if old is not None and module.gradInput is not None and module.gradInput.base is old:
                    module.gradInput = None
            old = self._buffers[which] = None
            self._buffers[which] = self._device.empty((nbytes,), "uint8")
        return self._buffers[which]

    def _is_lent(self, array: Array | None) -> bool:
        return array is not None and any(array.base is buffer for buffer in self._buffers if buffer is not None)
