"""What the tools answer: typed, bounded, and explicit about what was left out.

A host may show the model either the structured content or the text, so each of them is complete: the text is the same
data as compact JSON. Logs are text only. Nothing in a reply is an instruction: descriptions, logs and results are
written by others, and stay in fields that are named for what they are.
"""
