#!/usr/bin/env python3
"""Checks events against the schema of the Open Cybersecurity Schema Framework, which the package ocsf-json-schema carries.

Reads JSON lines from the standard input. Writes a line for each: {"uid": …, "class_uid": …, "problems": […]}.
Needs: pip install ocsf-json-schema==1.2.0 jsonschema==4.26.0
"""

import json
import sys

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema


def validator(version, class_uid):
    schemas = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=version))
    name = schemas.lookup_class_name_from_uid(class_uid=class_uid)
    return Draft202012Validator(schemas.get_class_schema(class_name=name, profiles=[]))


def main():
    validators = {}
    for line in sys.stdin:
        event = json.loads(line)
        key = (event["metadata"]["version"], event["class_uid"])
        if key not in validators:
            validators[key] = validator(*key)
        problems = [f"{error.json_path}: {error.message[:300]}" for error in validators[key].iter_errors(event)]
        # The schema does not compute this number.
        if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
            problems.append("$.type_uid: it does not follow from class_uid and activity_id")
        print(json.dumps({"uid": event["metadata"].get("uid"), "class_uid": key[1], "problems": sorted(problems)}))


main()
