"""What the front says: protocols, FIM rendering, limits, completion rules, page assets."""
