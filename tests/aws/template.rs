//! What `template.yaml` must keep true, whoever edits it.

use serde_json::Value;

use crate::support::moto::{properties, template};

fn seconds(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

#[test]
fn a_message_comes_back_only_after_its_worker_is_gone() {
    let (Some(queue), Some(worker)) = (properties("WorkQueue"), properties("Worker")) else { return };
    let mapping = &worker["Events"]["Work"]["Properties"];
    let least = 6 * seconds(&worker["Timeout"]) + seconds(&mapping["MaximumBatchingWindowInSeconds"]);
    assert!(seconds(&queue["VisibilityTimeout"]) >= least, "at least {least}");
    assert_eq!(mapping["FunctionResponseTypes"], serde_json::json!(["ReportBatchItemFailures"]));
    assert!(mapping["ScalingConfig"]["MaximumConcurrency"].is_object());
}

#[test]
fn nothing_that_fails_is_dropped() {
    let (Some(queue), Some(dead)) = (properties("WorkQueue"), properties("DeadQueue")) else { return };
    assert_eq!(queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"], "DeadQueue.Arn");
    // SQS counts a dead letter's time from when it was first sent: the longest there is, for both.
    assert_eq!(
        (seconds(&queue["MessageRetentionPeriod"]), seconds(&dead["MessageRetentionPeriod"])),
        (1_209_600, 1_209_600)
    );
}

#[test]
fn records_outlive_the_stack_and_mistakes() {
    let Some(template) = template() else { return };
    let table = &template["Resources"]["Table"];
    assert_eq!((&table["DeletionPolicy"], &table["UpdateReplacePolicy"]), (&"Retain".into(), &"Retain".into()));
    assert_eq!(table["Properties"]["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true);
    assert_eq!(table["Properties"]["TimeToLiveSpecification"]["AttributeName"], "expires");
}

#[test]
fn bodies_reach_the_functions_as_they_were_signed() {
    let Some(api) = properties("Api") else { return };
    assert_eq!(api["BinaryMediaTypes"], serde_json::json!(["*~1*"]));
    assert!(api["MethodSettings"][0]["ThrottlingRateLimit"].is_object());
}

#[test]
fn every_function_may_do_only_what_it_does() {
    let Some(template) = template() else { return };
    let resources = template["Resources"].as_object().unwrap();
    let of_type =
        |kind: &str| resources.iter().filter(move |(_, resource)| resource["Type"] == kind).collect::<Vec<_>>();
    let functions = of_type("AWS::Serverless::Function");
    assert_eq!(functions.len(), 4);
    for (name, function) in functions {
        // A role of its own: what SAM would add by itself is allowed on everything.
        assert_eq!(function["Properties"]["Role"]["Fn::GetAtt"], format!("{name}Role.Arn"), "{name}");
        assert_eq!(function["Metadata"]["BuildMethod"], "rust-cargolambda", "{name}");
        let log = &resources[function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"].as_str().unwrap()];
        assert!(log["Properties"]["RetentionInDays"].is_object(), "{name}'s logs are kept for a time");
    }
    for (name, role) in of_type("AWS::IAM::Role") {
        let statements = role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap();
        for statement in statements {
            assert!(statement["Resource"].is_object(), "{name}: {} is a resource of this stack", statement["Resource"]);
            assert!(!statement["Action"].to_string().contains('*'), "{name}: {}", statement["Action"]);
        }
    }
    // What faces the internet reads the configuration, and no order.
    let ingest = resources["IngestRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].to_string();
    assert!(ingest.contains(r#""dynamodb:LeadingKeys":["config"]"#));
    assert!(!ingest.contains("dynamodb:UpdateItem") && !ingest.contains("dynamodb:Query"));
}
