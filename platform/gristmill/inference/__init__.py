"""Prompt -> tokens: cache, scheduler, sampler, engine."""
