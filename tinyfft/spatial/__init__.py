"""What the engine does on planes in space, beside the transforms: windows that slide over them."""
