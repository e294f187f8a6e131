"""Work of the CPU: threads, and blocks that fit its caches."""
