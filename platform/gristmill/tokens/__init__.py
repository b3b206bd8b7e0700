"""Documents -> packed token sequences: tokenizer, fill-in-the-middle, packing, shards (3.1, 3.2)."""
