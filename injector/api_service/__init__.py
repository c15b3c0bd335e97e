"""The fault injection service: what is asked, whether it may be, which agents do it, and what became of it."""
