"""The gateway's API as classes: ``functions``, ``jobs`` and ``files`` are its nouns, and ``submission`` starts jobs.

``artifact`` packs a function's code, ``arguments_schema`` validates arguments, and ``job_polling`` lets all who wait
for a job share its status.
"""
