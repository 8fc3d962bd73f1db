#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""validate.py SCHEMA FILE...: what is not as the schema, Draft 7, says; exit status 1 if anything."""
import json
import sys

import jsonschema

with open(sys.argv[1]) as file:
    validator = jsonschema.Draft7Validator(json.load(file))
wrong = [f'{name}: {"/".join(map(str, error.absolute_path))}: {error.message[:300]}'
         for name in sys.argv[2:] for error in validator.iter_errors(json.load(open(name)))]
print('\n'.join(wrong))
sys.exit(bool(wrong))
