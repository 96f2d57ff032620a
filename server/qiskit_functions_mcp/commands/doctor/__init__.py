"""``qiskit-functions-mcp doctor``: a module for each area that is checked, and ``command``, which runs them at once and
prints what they found.
"""
