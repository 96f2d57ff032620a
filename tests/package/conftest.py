"""Tests of what .ci/package builds. Without it they are not collected."""

from __future__ import annotations

import os

collect_ignore_glob = [] if "QISKIT_FUNCTIONS_TEST_WHEEL" in os.environ else ["test_*.py"]
