"""Qiskit values handled in a child process that has limits.

- ``worker``, ``child``: the side of the caller, which imports neither Qiskit nor NumPy.
- ``process``, ``tasks``: the child.
- ``handover``: files that carry large values from one to the other.
"""
