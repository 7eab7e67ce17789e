"""One step of one network in several frameworks, and the first quantity that differs."""
