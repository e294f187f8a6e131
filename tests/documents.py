"""What README and the other documents say to type, taken from their text."""

import re

from program import ROOT

NAMES = (
    "README.md",
    "CONTRIBUTING.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
    "benchmarks/results/README.md",
)
PICTURES = ("PICTURES", "DIR", "my-pictures")  # how the documents call a folder of pictures


def commands(program):
    """The arguments of every `python PROGRAM ...`, without what comes before it and the comment behind it."""
    found = set()
    for name in NAMES:
        text = (ROOT / name).read_text(encoding="utf-8")
        for piece in re.findall(r"`([^`\n]+)`", text) + text.splitlines():
            command = re.sub(r"\s+#.*", "", piece)
            match = re.match(rf"(?:.*&& )?(?:\w+=\S+ )*(?:\S+/)?python {program}( [^#`]*)?$", command)
            if match:
                found.add(" ".join(filter(None, (*match.groups(),))).strip())
    return sorted(found)


def examples():
    """(document, code) of every block of Python."""
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in NAMES}
    return [(name, block) for name in NAMES for block in re.findall(r"```python\n(.*?)```", texts[name], re.S)]
