"""Both libraries at work together: environments, agents, and the tests that compare with dm-haiku and rlax."""
