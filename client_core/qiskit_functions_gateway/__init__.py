"""The gateway in a box: Qiskit Serverless's API on this machine, with SQLite and processes.

Nothing imports this package until a client without an account needs it, or a supervisor, which needs no
more than its own part: import from the modules.
"""
