"""Quota and backends: ``platform`` says what can be asked, ``ibm`` and ``ibm_instances`` ask IBM Quantum's REST API,
and ``local`` answers for this machine.
"""
