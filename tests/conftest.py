"""What holds for every test."""

from __future__ import annotations

import hypothesis

from causeway_lab import programs

# How long one example takes is the machine's business; pytest's timeout bounds the whole test.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")

programs.find_system_programs()
