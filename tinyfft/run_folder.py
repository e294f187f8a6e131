"""The public name of tinyfft.runs.run_folder."""

from tinyfft.runs.run_folder import RunFolder, RunFolderError

__all__ = ["RunFolder", "RunFolderError"]
