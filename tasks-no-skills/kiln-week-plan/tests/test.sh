#!/bin/bash
# -I: nothing but the standard library and this directory can be imported.
mkdir -p /logs/verifier
exec python3 -I -B "$(dirname "$0")/check.py"
