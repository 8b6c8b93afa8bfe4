"""Commands that are more than a call and a print, and how all of them print."""
