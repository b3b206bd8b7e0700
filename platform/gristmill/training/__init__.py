"""Objective, schedule, optimizer, checkpoint and the step loop (3.4-3.7)."""
