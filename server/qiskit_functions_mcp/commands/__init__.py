"""The command line: serving, and what is not serving."""
