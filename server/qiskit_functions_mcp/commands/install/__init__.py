"""``qiskit-functions-mcp install``: ``hosts`` knows where each assistant keeps its servers, ``jsonc`` and ``toml``
change a part of such a file, ``config_file`` replaces it safely, and ``command`` is what a person runs.
"""
