"""The one cluster definition, and what is rendered or started from it."""
