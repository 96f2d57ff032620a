"""An MCP server for Qiskit Functions.

Imports point downwards; import-linter holds this order (see pyproject.toml):

    commands                                the command line; nothing imports it
    app                                     the server, put together
    tools, resources, prompts, completions, subscriptions, tasks
                                            what clients can ask for; none of these imports another
    consent                                 what the person is asked first
    session, replies                        the client that calls share; what they answer
    stdio, confirmations, settings, sdk     leaves; sdk is the adapter for the MCP SDK
"""
