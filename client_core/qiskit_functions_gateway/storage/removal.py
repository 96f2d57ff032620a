"""Removing what functions wrote."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path


def remove_tree(folder: Path) -> None:
    """Remove a folder whatever a function did in it, or a file; what cannot be removed stays, and nothing is raised.

    ``shutil.rmtree`` gives up at a folder that may not be entered, and until Python 3.13 at a thousand folders one in
    another. So these are opened, and moved up before they are emptied.
    """
    if folder.is_symlink() or not folder.is_dir():
        with suppress(OSError):
            folder.unlink()
        return
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except (OSError, RecursionError):
        _remove_level_by_level(folder)


def _remove_level_by_level(folder: Path) -> None:
    names = count()
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        with suppress(OSError):
            place.chmod(0o700)
            waiting += _emptied(place, folder, names)
            if place != folder:
                place.rmdir()
    with suppress(OSError):
        folder.rmdir()


def _emptied(place: Path, folder: Path, names: Iterator[int]) -> Iterator[Path]:
    """Remove a folder's files, and yield its folders, which are then in ``folder``."""
    with os.scandir(place) as entries:
        found = list(entries)
    for entry in found:
        path = Path(entry.path)
        with suppress(OSError):
            if not entry.is_dir(follow_symlinks=False):
                path.unlink()
                continue
            path.chmod(0o700)
            if place != folder:
                path = path.rename(folder / f".{os.urandom(4).hex()}-{next(names)}")
            yield path
