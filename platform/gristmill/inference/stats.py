"""What an engine is doing now, and has done since it was made: plain numbers for metrics and scaling."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EngineStats:
    """A snapshot."""

    num_waiting: int
    num_running: int
    num_held_blocks: int
    num_blocks: int
    num_steps: int
    num_prompt_tokens: int
    num_cached_tokens: int
    num_output_tokens: int
    num_preemptions: int = 0
    num_drafts: int = 0
    num_draft_tokens: int = 0
    num_accepted_tokens: int = 0
    """Of drafts."""
    num_queued_tokens: int = 0
    """Tokens of prompts that are still to be computed, of running and of waiting requests."""
