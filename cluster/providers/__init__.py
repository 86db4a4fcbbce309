"""How each kind of cluster is opened, one module per kind.

``opened(spec, resources)`` is a context manager that yields a connected client, and leaves no
process behind that it has started. Where the spec does not say what the cluster offers, it is
``opened(spec)``, and ``offered(spec, client)`` asks it.
"""
