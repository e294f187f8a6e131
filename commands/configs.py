"""train.py --list: what the configs are for."""

from tinyfft.config import CONFIGS


def show() -> int:
    """A line for each: its name and the first line of its file, which is a comment; returns the exit code."""
    files = sorted(CONFIGS.glob("*.toml"))
    width = max(len(file.stem) for file in files)
    for file in files:
        about = file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("#").strip()
        print(f"{file.stem:<{width}}  {about}")
    return 0
