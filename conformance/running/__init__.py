"""From a scenario to an observation: building, training, watching, and the hand-written oracle."""
