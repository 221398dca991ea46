"""The skill loop: execute, judge, rewrite the memo, retry, distil."""
