"""The clauses' tests: one file a chapter of the contract, one docstring a clause."""
