"""What runs inside the sandbox. Each module is handed over as text, so it imports the standard library only."""
