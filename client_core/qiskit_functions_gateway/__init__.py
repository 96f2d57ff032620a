"""The gateway of one machine: Qiskit Serverless's API with SQLite and processes.

``python -m qiskit_functions_gateway`` is the program. Clients start it and import nothing of it; a supervisor imports
only what it needs: import from the modules.
"""
