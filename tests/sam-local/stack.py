"""The stack of a built template on the emulator, as far as the functions need it there.

usage: stack.py BUILT-TEMPLATE ENDPOINT

Makes the table, both queues and the usage plan as the template has them, and writes into the built template what only a local
run needs: the emulator's address, and where the stack's parts are. Prints the shell variables for `puente`.
"""

import sys

import boto3
import yaml


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags, which come out again as they went in."""


class Dumper(yaml.SafeDumper):
    """The way back; no aliases, as CloudFormation has none."""

    def ignore_aliases(self, data):
        return True


class Tagged:
    def __init__(self, tag, node):
        self.tag, self.node = tag, node


Loader.add_multi_constructor("!", lambda loader, suffix, node: Tagged("!" + suffix, node))
Dumper.add_representer(Tagged, lambda dumper, tagged: tagged.node)


def main(template, endpoint):
    with open(template, encoding="utf-8") as file:
        built = yaml.load(file, Loader)
    resources = built["Resources"]

    def client(service):
        return boto3.client(service, endpoint_url=endpoint)

    described = resources["Table"]["Properties"]
    parts = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    client("dynamodb").create_table(TableName="puente", **{part: described[part] for part in parts})
    sqs = client("sqs")
    dead = sqs.create_queue(QueueName="puente-dead")["QueueUrl"]
    visibility = str(resources["WorkQueue"]["Properties"]["VisibilityTimeout"])
    work = sqs.create_queue(QueueName="puente-work", Attributes={"VisibilityTimeout": visibility})["QueueUrl"]
    gateway = client("apigateway")
    api = gateway.create_rest_api(name="puente")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    gateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
    gateway.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK")
    gateway.create_deployment(restApiId=api, stageName="live")
    plan = gateway.create_usage_plan(
        name="puente",
        apiStages=[{"apiId": api, "stage": "live"}],
        throttle={"rateLimit": 10, "burstLimit": 20},
        quota={"limit": 300, "period": "DAY"},
    )["id"]

    place = {
        "PUENTE_TABLE": "puente",
        "PUENTE_QUEUE_URL": work,
        "PUENTE_DEAD_QUEUE_URL": dead,
        "PUENTE_SECRET_PREFIX": "puente/",
    }
    variables = built["Globals"]["Function"]["Environment"]["Variables"]
    variables.update(place, AWS_ENDPOINT_URL=endpoint)
    for resource in resources.values():
        if resource["Type"] == "AWS::Serverless::Function":
            own = resource["Properties"].get("Environment", {}).get("Variables", {})
            own.update({name: value for name, value in place.items() if name in own})
    with open(template, "w", encoding="utf-8") as file:
        yaml.dump(built, file, Dumper)
    for name, value in {**place, "PUENTE_USAGE_PLAN": plan}.items():
        print(f"export {name}='{value}'")


main(*sys.argv[1:])
