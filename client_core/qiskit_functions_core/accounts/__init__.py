"""Where credentials come from: ``account`` says what they are, ``resolution`` finds them among arguments, variables and
saved accounts, and ``saved_accounts`` reads and writes those of qiskit-ibm-runtime.
"""
