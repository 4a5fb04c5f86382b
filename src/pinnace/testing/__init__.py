"""What tests of Pinnace and of Pinnace's users share: fake clock, builders, fixtures, waiting for states."""
