"""What holds state on a Ray worker: one actor a file, thin over the library."""
