"""Tests with what .ci/hosts installs. Without it they are not collected, nor is what they import."""

from __future__ import annotations

import os

from support.programs import HOSTS

collect_ignore_glob = [] if HOSTS in os.environ else ["test_*.py"]
