"""What clauses judge observations by, where more than one clause does: functions over observations.

Each raises `Violation` and returns nothing. The suite's chapters decide which trainings they meet.
Most are named after the chapter they began in. Beside them:

- `events`: the documented order of callback events, worked out by hand
- `stopping`: early stopping, worked out by hand
- `trying`: counting what is done to trainings on purpose, and what each of it gets
- `witness`: callbacks that look at what they are handed, ask for something, or raise
- `curves`: TensorBoard's event files
- `lifecycle` and `playing`: stories of one model, judged step by step, and played as Hypothesis
  writes them
"""
