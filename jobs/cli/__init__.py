"""The commands of `gristmill`: one module a group, each thin over the module that does the work."""
