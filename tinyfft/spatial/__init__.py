"""What the engine does in space, beside the transforms: windows that slide over planes."""
