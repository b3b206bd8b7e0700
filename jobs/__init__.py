"""The jobs: one module a stage, in pipeline order, and the command line that submits them."""
