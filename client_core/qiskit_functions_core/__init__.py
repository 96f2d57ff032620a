"""Client core for Qiskit Functions."""
