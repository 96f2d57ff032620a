"""Local folders: which ones tools may use, and which files they may write there without a question.

Tools read files of the allowed folders. Unasked, they write new data files into one folder for results; a file
elsewhere, or one that could be run or read as configuration, is written only after the person agreed to it. What would
run by itself, such as a virtual environment or a repository's hooks, is never written.
"""

from __future__ import annotations

import os
import re
import sysconfig
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path

from qiskit_functions_core.errors import InputError
from qiskit_functions_core.local_files import allowed_path

RESULTS = "qiskit-functions-results"
"""The folder for results, in the first allowed folder."""

_DATA = frozenset(
    {".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".npy", ".npz", ".h5", ".hdf5", ".nc", ".parquet", ".dat", ".bin"}
    | {".txt", ".log", ".png", ".jpg", ".jpeg", ".svg", ".qasm", ".qpy", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zip"}
)
"""Endings of files that nothing runs or takes orders from. Pickles and notebooks are code, and Markdown is what
assistants take orders from (CLAUDE.md, AGENTS.md)."""

_CONFIGURATION = (
    *("package*.json", "*config*.json", "*settings*.json", "*manifest*.json", "*lock*.json", "*mcp*.json"),
    *("composer.json", "deno.json", "launch.json", "tasks.json", "devcontainer*.json", "claude*.json", "*hooks*.json"),
    *("*compose*.json", "*presets.json", "*.tf.json", "*.tfvars.json", "*.conf.json", "*extension*.json"),
    *("*plugin*.json", "*marketplace*.json", "kernel.json", "server.json", "project.json", "workspace.json"),
    *("angular.json", "bower.json", "cdk.json", "conda*.json", "dub.json", "elm.json", "firebase.json", "global.json"),
    *("haxelib.json", "import_map.json", "keybindings.json", "lerna.json", "netlify.json", "nodemon.json", "now.json"),
    *("nx.json", "opencode*.json", "renovate.json", "rush.json", "serverless.json", "tslint.json", "turbo.json"),
    *("vcpkg.json", "vercel.json", "wrangler.json", "c_cpp_properties.json", "direct_url.json"),
    *("*requirements*.txt", "*constraints*.txt", "cmakelists.txt", "conanfile.txt", "meson_options.txt"),
    *("entry_points.txt", "top_level.txt", "apt.txt", "packages.txt", "runtime.txt", "*environment*.txt"),
    *("agents*.txt", "claude*.txt", "llms*.txt", "*instructions*.txt", "*rules*.txt"),
)
"""Names with the ending of a data file that package managers, editors, build tools and assistants take orders from."""

_CONFIGURATION_FOLDERS = frozenset({"requirements", "constraints"})
"""Names of folders whose files they take orders from, whatever those are called."""

_NEVER = frozenset(
    ("hooks", "venv", "site-packages", "dist-packages", "node_modules", "__pycache__", ".git", ".hg", ".svn")
)
"""Names of files and folders whose content runs without anyone starting it, or that lead to such a place."""

_MARKERS = ("pyvenv.cfg", "conda-meta")
"""What the folder of a virtual environment (PEP 405) or of a conda environment holds."""

_SPECIAL = re.compile(r'[<>:"|?*\\]|~\d+(\.|$)|[. ]$|(?i:^(con|prn|aux|nul|com\d|lpt\d)(\.|$))')
"""What makes Windows open another file than the one that is named: streams, short names, endings that it drops,
devices. A folder may be shared with Windows, so this holds everywhere."""

_ALLOW = "Ask the person to start the server in their project's folder, or with --allow-dir FOLDER."


class NoFolder(InputError):
    """No local folder is allowed."""

    def __init__(self) -> None:
        super().__init__("no local folder is allowed: this server was not started in a project's", next_step=_ALLOW)


@dataclass(frozen=True)
class WriteTarget:
    """A new local file.

    Attributes:
        needs_consent: why the person is asked before it is written; empty for a data file among the results.
    """

    path: Path
    needs_consent: str


def is_too_broad(folder: Path) -> bool:
    """Return whether a folder holds more than a project: the file system's root, a home folder or one above it.

    Hosts that are not started in a project start their servers there.
    """
    resolved = folder.resolve()
    try:
        home = Path.home().resolve()
    except RuntimeError:  # a user without a home folder
        home = Path(resolved.anchor)
    system = os.environ.get("SYSTEMROOT")  # of Windows, where services start
    return home.is_relative_to(resolved) or bool(system and resolved.is_relative_to(Path(system).resolve()))


def write_target(text: str, folders: Sequence[Path], data_folder: Path | None = None) -> WriteTarget:
    """Return where a tool writes the file that an assistant calls ``text``.

    A relative path starts in the folder for results and does not lead out of it. So ``counts.csv`` is written unasked,
    and a file elsewhere in an allowed folder is named by its whole path and asked about.

    Args:
        folders: those that are allowed.
        data_folder: of this machine's gateway; by default the user's own.

    Raises:
        InputError: no folder is allowed, the path leads out of them or to a file that exists, or nothing may be
            written there.
    """
    # It takes 60 ms, which a start need not wait for.
    from qiskit_functions_core.serverless.local_gateway import default_data_folder

    if not folders:
        raise NoFolder
    given = Path(text)
    if given.is_absolute() or text.startswith("~"):
        path = allowed_path(given, folders)
    else:
        results = folders[0] / RESULTS
        # Both, because the folder for results may be a link.
        path = allowed_path(
            allowed_path(folders[0] / given if given.parts[:1] == (RESULTS,) else given, [results]), folders
        )
    roots = [folder.expanduser().resolve() for folder in folders]
    # Of folders inside each other the innermost was allowed by itself, whatever its name.
    root = max((root for root in roots if path.is_relative_to(root)), key=lambda root: len(root.parts))
    inside = path.relative_to(root).parts
    for part in (*(part for part in given.parts if part not in (given.anchor, "..")), *inside):
        if _SPECIAL.search(part) or any(unicodedata.category(character)[0] == "C" for character in part):
            raise InputError(
                f"{text} has a name that not every file system takes as it is written: {part!r}",
                next_step="Choose a name of letters, digits, - and _ with one ending, such as counts.csv.",
            )
    if reason := _never(path, [_plain(part) for part in inside], data_folder or default_data_folder()):
        raise InputError(
            f"{text} is never written: {reason}",
            next_step=f"Choose a relative path; it is written into {RESULTS}.",
        )
    if os.path.lexists(path):
        raise InputError(f"{text} already exists: {path}", next_step="Choose another path.")
    name = _plain(path.name)
    is_configuration = any(fnmatchcase(name, pattern) for pattern in _CONFIGURATION) or (
        _CONFIGURATION_FOLDERS & {_plain(part) for part in inside[:-1]}
    )
    if Path(name).suffix not in _DATA or name.startswith(".") or is_configuration:
        return WriteTarget(path, "Such a file can be run as code or change how programs behave.")
    if not path.is_relative_to(root / RESULTS):
        return WriteTarget(path, f"It is outside the folder for results, {roots[0] / RESULTS}.")
    return WriteTarget(path, "")


def _plain(name: str) -> str:
    """Return a name as a file system that ignores case and normalizes Unicode compares it."""
    return unicodedata.normalize("NFKC", name).casefold()


def _never(path: Path, names: Sequence[str], data_folder: Path) -> str:
    """Return why nothing may be written to ``path``; empty if it may.

    Args:
        names: of the folders between the allowed one and the file, and of the file.
    """
    if any(name.startswith(".") for name in names[:-1]):
        return "it is in a folder whose name starts with a dot"
    if found := next((name for name in names if name in _NEVER), ""):
        return f"programs run by themselves what is in {found}"
    for folder in path.parents:
        if any((folder / marker).exists() for marker in _MARKERS):
            return f"{folder} is a virtual environment"
        # Not by name: the same folder may be reached through a link or be written in another case.
        if any(_is_same(folder, own) for own in (*_installation(), data_folder)):
            return f"{folder} belongs to this server"
    return ""


def _installation() -> Iterator[Path]:
    """Yield the folders from which this server's own code, or the interpreter's, is imported or started."""
    for package in ("qiskit_functions_mcp", "qiskit_functions_core", "qiskit_functions_gateway"):
        if (spec := find_spec(package)) and spec.origin:
            yield Path(spec.origin).parent
    paths = sysconfig.get_paths()
    yield from {Path(paths[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")}


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist
        return False
