#!/bin/bash
set -e
cp "$(dirname "$0")"/roster/*.py /app/roster/
cd /app && exec python3 -B -m unittest tests.test_roster
