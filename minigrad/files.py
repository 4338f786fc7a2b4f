"""Write files as a whole or not at all.

A full disk, Ctrl-C or a power cut in the middle of a write leaves what the file held before: the new content goes to a
temporary file in the same folder, and takes the file's name in one step once all of it is on the disk.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The numbers of the errors by which a system says that no more can be stored."""

TEMPORARY = ".minigrad-"  # how the names of temporary files begin


def write_file(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Replace the content of a file, or make the file, in one step; text is written as UTF-8, lines as they stand.

    A file that is there keeps its permissions, a link what it points to. What is no regular file, such as /dev/stdout, is
    written directly.

    Errors: OSError, of the type that the system raised, names the file and what to do; the file is as it was.
    """
    file = Path(path)
    data = content.encode() if isinstance(content, str) else content
    try:
        target = file.resolve()
        if target.exists() and not target.is_file():
            target.write_bytes(data)
        else:
            _replace(target, data)
    except OSError as error:
        raise not_written(file, error) from error


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Put the names of a folder on the disk itself, so that a power cut does not take back what `write_file` made there.

    Where a system knows no such thing (Windows), or refuses, nothing is done: the files are whole all the same.
    """
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Remove the temporary files of writes that were killed; call it where nobody else writes into the folder."""
    for temporary in Path(folder).glob(f"{TEMPORARY}*.tmp"):
        with suppress(OSError):
            temporary.unlink()


def not_written(file: Path, error: OSError) -> OSError:
    """The same error in one sentence: which file, why, what to do."""
    advice = "make room on the disk" if error.errno in FULL else "choose a place where you may write"
    refused = type(error)(f"{file} could not be written ({error.strerror or error}): {advice}, and write it again")
    refused.errno = error.errno
    return refused


def _replace(target: Path, data: bytes) -> None:
    temporary = target.with_name(
        f"{TEMPORARY}{secrets.token_hex(8)}.tmp"
    )  # short: the file's own name may be of full length
    try:
        _write(temporary, data, target)
        temporary.replace(target)
    except BaseException:  # Ctrl-C too
        temporary.unlink(missing_ok=True)
        raise


def _write(temporary: Path, data: bytes, target: Path) -> None:
    """Write the data to the disk itself, with the permissions of the target if there is one."""
    with temporary.open("xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    if target.exists() and (mode := stat.S_IMODE(target.stat().st_mode)) != stat.S_IMODE(temporary.stat().st_mode):
        temporary.chmod(mode)
