"""Fetch files of an npm package once, and keep them beside the Python environment."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

KEPT = Path(sys.prefix) / "share"


def files(package: str, wanted: dict[str, str], name: str) -> Path | None:
    """Give the folder with the files, which the first call fills; None where npm or the network is missing.

    package: with its version, "pyodide@314.0.7";  wanted: names in the package and names to be kept under;  name: of the folder
    """
    folder = KEPT / name
    if all((folder / kept).exists() for kept in wanted.values()):
        return folder
    if not shutil.which("npm"):
        return None
    with tempfile.TemporaryDirectory() as place:
        command = ["npm", "pack", "--silent", "--pack-destination", place, package]
        if subprocess.run(command, check=False, capture_output=True, timeout=120).returncode:
            return None
        with tarfile.open(next(Path(place).glob("*.tgz"))) as archive:
            folder.mkdir(parents=True, exist_ok=True)
            for inside, kept in wanted.items():
                member = archive.extractfile(inside)
                assert member is not None, inside
                (folder / kept).write_bytes(member.read())
    return folder
