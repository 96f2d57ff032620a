"""``qiskit-functions-mcp prune``: show what this machine's data folder holds, and remove what is old from it."""

from __future__ import annotations

import argparse
import re
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from qiskit_functions_core.errors import EmbeddedGatewayError
from qiskit_functions_core.serverless.local_gateway import default_data_folder

from .errors import failed

if TYPE_CHECKING:
    from qiskit_functions_gateway.storage.pruning import Item

_LABELS = {
    "jobs": "jobs, with their logs and results",
    "environments": "environments with dependencies",
    "artifacts": "uploaded code",
    "uploads": "uploads that were broken off",
    "files": "files of functions, never pruned",
    "database": "database",
}

_MOST_DIGITS = 18

_HOW = "Nothing was removed. To remove what is old, say how old or how large: --older-than 30d, --max-size 2GB."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument(
        "--older-than",
        type=duration,
        metavar="AGE",
        help="remove jobs that ended, and environments last used, so long ago: 30d, 12h, 2w",
    )
    parser.add_argument(
        "--max-size",
        type=size,
        metavar="SIZE",
        help="remove the oldest of them until the folder has at most this size: 500MB, 2GB",
    )
    parser.add_argument("--dry-run", action="store_true", help="only show what would be removed")
    parser.add_argument("--home", default=argparse.SUPPRESS, help="data folder")


def duration(text: str) -> timedelta:
    """Return a time such as ``30d``.

    Raises:
        argparse.ArgumentTypeError: it is not a whole number of hours, days or weeks.
    """
    units = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
    match = re.fullmatch(r"(\d{1,6})([hdw])", text.strip().lower(), re.ASCII)
    if not match:
        raise argparse.ArgumentTypeError(f"{text[:50]!r} is not a time such as 12h, 30d or 2w")
    return int(match[1]) * units[match[2]]


def size(text: str) -> int:
    """Return the bytes of a size such as ``2GB``, with units of 1,024.

    Raises:
        argparse.ArgumentTypeError: it is not a size.
    """
    number = text.strip().lower().removesuffix("b").removesuffix("i")
    power = "kmgt".find(number[-1:]) + 1 if number else 0
    digits = number[:-1].rstrip() if power else number
    if not digits or len(digits) > _MOST_DIGITS or not set(digits) <= set("0123456789.") or digits.count(".") > 1:
        raise argparse.ArgumentTypeError(f"{text[:50]!r} is not a size such as 500MB or 2GB")
    return int(float(f"0{digits}") * 1024**power)


def main(home: str | None, *, older_than: timedelta | None, max_size: int | None, dry_run: bool) -> int:
    """Show the folder's contents, remove what was asked for, and return the exit code.

    A gateway and jobs may run at the same time; jobs that have not ended stay, with all that they need.
    """
    from qiskit_functions_gateway.storage.data_folder import DataFolder
    from qiskit_functions_gateway.storage.database import Database
    from qiskit_functions_gateway.storage.pruning import contents, remove, select

    folder = DataFolder(Path(home).expanduser().absolute() if home else default_data_folder())
    try:
        if not folder.database_file.is_file():
            raise EmbeddedGatewayError(f"there is no data folder at {folder.path}")
        folder.prepare()
        with closing(Database(folder.database_file)) as database:
            found = contents(folder, database)
            print(f"{folder.path} has {shown(found.total)}:")
            for kind, number in found.counts.items():
                print(f"  {shown(found.sizes[kind]):>10}  {number:>7,}  {_LABELS[kind]}")
            if older_than is None and max_size is None:
                print(_HOW)
                return 0
            chosen = select(found, older_than=older_than, max_bytes=max_size)
            if dry_run:
                print(f"Would be removed: {_summary(chosen)}.")
                return 0
            removed = remove(database, chosen)
            left = contents(folder, database).total
    except EmbeddedGatewayError as error:
        return failed(error)
    print(f"Removed: {_summary(removed)}. The folder has {shown(left)} now.")
    if max_size is not None and left > max_size:
        print(f"That is more than {shown(max_size)}: what is left is in use, or files of functions.")
    return 0


def _summary(items: list[Item]) -> str:
    if not items:
        return "nothing"
    kinds = dict.fromkeys(item.kind for item in items)
    counts = ", ".join(f"{sum(item.kind == kind for item in items):,} {kind}" for kind in kinds)
    return f"{counts}, {shown(sum(item.bytes for item in items))}"


def shown(number: float) -> str:
    """Return a number of bytes for people, such as ``2.0 GiB``."""
    power = min(max(int(number).bit_length() - 1, 0) // 10, 4)
    return f"{number:.0f} B" if not power else f"{number / 1024**power:.1f} {'KMGT'[power - 1]}iB"
