"""A program in a terminal of its own, whose screen a test reads as a person does."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyte

from .programs import end_with_children

COLUMNS, LINES = 120, 50


class Terminal:
    """The terminal. What the program shows is followed only while a method waits."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], folder: Path) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self._screen = _Screen(self.press)
        self._stream = pyte.ByteStream(self._screen)
        # It makes the terminal the controlling one, which needs a process between fork and exec otherwise.
        self._process = subprocess.Popen(
            ["setsid", "--ctty", *command], stdin=theirs, stdout=theirs, stderr=theirs, env=environ, cwd=folder
        )
        os.close(theirs)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self._screen.display)

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def wait_for(self, text: str, within: float) -> None:
        """Wait until the screen shows the text.

        Raises:
            AssertionError: it does not in time, or the program has ended.
        """
        assert self.happens(lambda: text in self.text, within), f"{text!r} is not on the screen:\n{self.text}"

    def wait_until(self, condition: Callable[[], bool], within: float) -> None:
        """Wait until the condition is true, while the program is shown.

        Raises:
            AssertionError: it is not in time, or the program has ended.
        """
        assert self.happens(condition, within), f"what was waited for has not happened; the screen:\n{self.text}"

    def press_until(self, keys: str, condition: Callable[[], bool]) -> None:
        """Press keys until they have an effect: programs show a question before they listen to the answer.

        Raises:
            AssertionError: the condition never became true, or the program has ended.
        """
        for _ in range(6):
            self.press(keys)
            if self.happens(condition, within=5):
                return
        raise AssertionError(f"{keys!r} have no effect; the screen:\n{self.text}")

    def happens(self, condition: Callable[[], bool], within: float) -> bool:
        """Return whether the condition becomes true in time, while the program runs."""
        give_up = time.monotonic() + within
        while not condition():
            if time.monotonic() > give_up or not self._follow():
                return False
        return True

    def _follow(self) -> bool:
        """Take in what the program writes within a moment, and return whether it still runs."""
        if select.select([self._ours], [], [], 0.1)[0]:
            try:
                self._stream.feed(os.read(self._ours, 65536))
            except OSError:  # Linux says so when the program has closed its end
                return False
        return True

    def close(self) -> None:
        """End the program and all that it has started."""
        end_with_children(self._process)
        os.close(self._ours)


class _Screen(pyte.Screen):
    """A screen that bears the private form of a command, which sets how keys are sent, not how text looks."""

    def __init__(self, answer: Callable[[str], None]) -> None:
        super().__init__(COLUMNS, LINES)
        # Programs ask where the cursor is, and wait for the answer.
        self.write_process_input = answer

    def select_graphic_rendition(self, *attributes: int, private: bool = False) -> None:
        if not private:
            super().select_graphic_rendition(*attributes)
