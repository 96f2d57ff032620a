"""The server's settings, from flags and environment variables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from qiskit_functions_core import Account, resolve_account

from .folders import is_too_broad

Toolset = Literal["functions", "jobs", "platform", "files"]
"""A group of tools; each is a module in ``tools/``."""


class Settings(BaseSettings):
    """Settings of the server; each can be set as ``QISKIT_FUNCTIONS_<NAME>``.

    The token comes only from the environment or a saved account: a flag would show it in the list of processes.

    Attributes:
        channel, host, instance, account: see ``qiskit_functions_core.resolve_account``; ``account`` is the
            name of an account saved by qiskit-ibm-runtime.
        home: the data folder of this machine's gateway; by default a folder of the user's.
        local_usage_limit_seconds: quota of this machine's gateway, in seconds of running functions.
        reply_characters: the longest reply; 20,000 is well below where hosts cut replies.
        allow_dirs: local folders that tools may read; see ``folders`` for what they write. The working directory by
            default, unless it is a home folder or holds one.
        consent: how the person is asked before something is overwritten, deleted, uploaded to run on this machine,
            or run with a low quota. ``auto`` asks through the client, or through the assistant where the client
            cannot show a question; ``always`` refuses in that case; ``never`` does not ask.
        read_only: offer only tools that change nothing.
        toolsets: the groups of tools to offer; all by default.
        log_level, log_format: of the log on stderr.
    """

    model_config = SettingsConfigDict(env_prefix="QISKIT_FUNCTIONS_", extra="ignore")

    channel: str = ""
    host: str = ""
    instance: str = ""
    account: str = ""
    home: Path | None = None
    local_usage_limit_seconds: float | None = Field(default=None, ge=0)
    reply_characters: int = Field(default=20_000, ge=2_000, le=250_000)
    allow_dirs: list[Path] = Field(default_factory=list)
    consent: Literal["auto", "never", "always"] = "auto"
    read_only: bool = False
    toolsets: list[Toolset] = Field(default_factory=lambda: list(get_args(Toolset)))
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"

    @field_validator("allow_dirs", mode="before")
    @classmethod
    def _without_empty(cls, folders: Any) -> Any:
        """Leave out a setting that a person left empty in a host; as a path, it would be the working directory."""
        return [folder for folder in folders if folder != ""] if isinstance(folders, list) else folders

    @property
    def folders(self) -> list[Path]:
        """The local folders that tools may use; none where the server was not started in a project."""
        return self.allow_dirs or ([] if is_too_broad(Path.cwd()) else [Path.cwd()])

    def resolved_account(self) -> Account:
        """Return the account to use.

        Raises:
            AccountError: the credentials are missing or incomplete.
        """
        return resolve_account(
            channel=self.channel,
            host=self.host,
            # Not a field of the settings, so that nothing which prints them prints the token.
            token=os.environ.get("QISKIT_FUNCTIONS_TOKEN", ""),
            instance=self.instance,
            name=self.account,
        )
