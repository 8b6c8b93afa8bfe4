"""What clauses judge observations by, where more than one clause does: functions over observations.

Each raises `Violation` and returns nothing. The suite's chapters decide which trainings they meet.
"""
