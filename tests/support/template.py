"""Prints a CloudFormation template as JSON, its short intrinsics (!Ref, !GetAtt, !Sub) spelled out.

usage: template.py TEMPLATE
"""

import json
import sys

import yaml


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags."""


def intrinsic(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else "Fn::" + suffix
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {name: value}


Loader.add_multi_constructor("!", intrinsic)

with open(sys.argv[1], encoding="utf-8") as file:
    json.dump(yaml.load(file, Loader), sys.stdout)
