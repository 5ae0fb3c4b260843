"""The wire: calls, downloads and their failures, and how a local file gets an address."""
