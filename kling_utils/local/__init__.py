"""The loopback server and its engine: the contract's other side, on this machine, at draft quality.

Refuses to know the client, the store and the app.
"""
