"""Cases of kustomizations: one text file a case, its files below lines `### path`; and the programs that build them."""

import os
import shutil
import subprocess
from pathlib import Path

from pinnace.cli import main

CASES = Path(__file__).parent / "unit/cli/kustomize/cases"
PLACE = "/KUSTOMIZATION"


def unpack(case: Path, folder: Path) -> Path:
    """The files of a case in a folder; what is there to build."""
    path: Path | None = None
    files: dict[Path, list[str]] = {}
    for line in case.read_text().splitlines():
        if line.startswith("### "):
            path = folder / line[4:]
            files[path] = []
        elif path is not None:
            files[path].append(line)
    for target, lines in files.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{line}\n" for line in lines)
        target.write_bytes(
            text.encode("latin-1").decode("unicode_escape").encode("latin-1")
            if target.suffix == ".dat"
            else text.encode()
        )
    return folder


def steady(text: str, folder: Path) -> str:
    return text.replace(str(folder), PLACE)


def golden(case: Path) -> Path:
    return case.with_suffix(".golden")


def kubectl() -> str | None:
    """The newest real one beside the file that `kubectl` on PATH links to."""
    found = shutil.which("kubectl")
    if found is None:
        return None
    beside = sorted(Path(os.path.realpath(found)).parent.glob("kubectl.1.*"))
    return str(beside[-1]) if beside else None


def theirs(program: str, folder: Path) -> str:
    done = subprocess.run(
        [program, "kustomize", str(folder)], capture_output=True, text=True, check=False, timeout=60
    )
    return report(done.returncode, done.stdout, done.stderr, folder)


def report(code: int, out: str, err: str, folder: Path) -> str:
    return steady(f"{out}### exit {code}\n{err}", folder)


def run_main(arguments: list[str]) -> int:
    return main.main(arguments, "kubectl")
