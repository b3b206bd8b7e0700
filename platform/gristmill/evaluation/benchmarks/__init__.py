"""One module a benchmark, found by looking: its data, prompts, stop rules, truncation and tests."""
