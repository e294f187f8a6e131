"""train.py --list: what the configs are for."""

from tinyfft.runs.config import CONFIGS


def show() -> int:
    """A line for each: its name, and of the comment its file begins with what is before the colon; returns the exit
    code."""
    files = sorted(CONFIGS.glob("*.toml"), key=lambda file: file.stem)
    width = max(len(file.stem) for file in files)
    for file in files:
        about = file.read_text(encoding="utf-8").partition(":")[0].removeprefix("#").strip()
        print(f"{file.stem:<{width}}  {about}")
    return 0
