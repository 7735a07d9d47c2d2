//! What `template.yaml` must keep true, whoever edits it.

use std::collections::BTreeSet;

use puente::{
    domain::task::Period,
    edge::routes::{Door, ROUTES, Reach, Side},
    flow::tasks::TASKS,
};
use serde_json::Value;

use crate::support::moto::{properties, statements, template};

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
    let concurrency = mapping["ScalingConfig"]["MaximumConcurrency"]["Ref"].as_str().unwrap();
    let parameter = &template().unwrap()["Parameters"][concurrency];
    // SQS takes no less than 2.
    assert!(seconds(&parameter["MinValue"]) >= 2 && seconds(&parameter["Default"]) >= 2);
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
fn a_connection_has_ten_requests_a_second_and_three_hundred_a_day() {
    let (Some(template), Some(plan)) = (template(), properties("UsagePlan")) else { return };
    let default = |reference: &Value| template["Parameters"][reference["Ref"].as_str().unwrap()]["Default"].clone();
    assert_eq!(default(&plan["Throttle"]["RateLimit"]), 10);
    assert_eq!((default(&plan["Quota"]["Limit"]), &plan["Quota"]["Period"]), (300.into(), &"DAY".into()));
    assert_eq!(plan["ApiStages"][0]["ApiId"]["Ref"], "Api");
    // The key is the one that the authorizer found, also where it came in the address.
    assert_eq!(properties("Api").unwrap()["ApiKeySourceType"], "AUTHORIZER");
}

/// A route as the template has it: who serves it, who checks the caller, and whether it counts against a plan.
type Route = (String, String, Option<String>, bool);

/// The routes of all functions.
fn routed(template: &Value) -> BTreeSet<Route> {
    let mut routes = BTreeSet::new();
    for (function, resource) in template["Resources"].as_object().unwrap() {
        let events = resource["Properties"]["Events"].as_object();
        for event in events.into_iter().flatten().map(|(_, event)| event).filter(|event| event["Type"] == "Api") {
            let route = &event["Properties"];
            assert_eq!(route["RestApiId"]["Ref"], "Api", "{function}");
            let name = format!("{} {}", route["Method"].as_str().unwrap(), route["Path"].as_str().unwrap());
            let authorizer = route["Auth"]["Authorizer"].as_str().map(ToOwned::to_owned);
            let counted = route["Auth"]["ApiKeyRequired"] == true;
            assert!(routes.insert((name.clone(), function.clone(), authorizer, counted)), "{name}: twice");
        }
    }
    routes
}

#[test]
fn the_template_has_the_routes_of_the_table_and_somebody_at_each_door() {
    let Some(template) = template() else { return };
    let expected = ROUTES.iter().filter(|route| route.reach == Reach::Service).map(|route| {
        let function = match route.side() {
            Side::Stores => "Ingest",
            Side::People => "Operate",
        };
        // What has a connection's key counts against its plan.
        let (authorizer, counted) = match route.door {
            Door::Open => (None, false),
            Door::Key => (Some("Webhooks"), true),
            Door::ApiKey => (Some("Clients"), true),
            Door::Operator(_) => (Some("Operators"), false),
        };
        let name = format!("{} {}", route.verb.method(), route.path);
        (name, function.to_owned(), authorizer.map(ToOwned::to_owned), counted)
    });
    assert_eq!(routed(template), expected.collect());
    for (name, authorizer) in properties("Api").unwrap()["Auth"]["Authorizers"].as_object().unwrap() {
        assert_eq!(authorizer["FunctionPayloadType"], "REQUEST", "{name}");
        // Cached answers are for one path only: another connection's key stays another's.
        let context = authorizer["Identity"]["Context"].as_array().unwrap();
        assert!(context.contains(&"path".into()), "{name}");
    }
}

#[test]
fn what_the_gateway_refuses_is_a_problem_document_too() {
    let Some(api) = properties("Api") else { return };
    let responses = api["GatewayResponses"].as_object().unwrap();
    for (name, response) in responses {
        let headers = &response["ResponseParameters"]["Headers"];
        assert_eq!(headers["Content-Type"], "'application/problem+json'", "{name}");
        let text = response["ResponseTemplates"]["application/json"].as_str().unwrap();
        let document: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
        assert_eq!(document["request_id"], "$context.requestId", "{name}");
        if let Some(status) = response["StatusCode"].as_u64() {
            assert_eq!(document["status"], status, "{name}");
            assert_eq!(headers["Retry-After"].is_string(), matches!(status, 429 | 503 | 504), "{name}");
        }
    }
    for name in ["UNAUTHORIZED", "ACCESS_DENIED", "THROTTLED", "QUOTA_EXCEEDED", "DEFAULT_4XX", "DEFAULT_5XX"] {
        assert!(responses.contains_key(name), "{name}");
    }
}

#[test]
fn the_access_log_has_no_query_and_no_body() {
    let Some(api) = properties("Api") else { return };
    let format = api["AccessLogSetting"]["Fn::If"][1]["Format"].as_str().unwrap();
    let line: Value = serde_json::from_str(format).unwrap();
    for (name, value) in line.as_object().unwrap() {
        let value = value.as_str().unwrap();
        assert!(
            ["requestOverride", "querystring", "body", "apiKey"].iter().all(|secret| !value.contains(secret)),
            "{name}"
        );
    }
}

/// Forged posts spend a connection's day before anybody sees them: a person must hear of it.
#[test]
fn refused_credentials_raise_an_alarm() {
    let Some(template) = template() else { return };
    for (seen, log, alarm, limit) in [
        ("ForgedPostsSeen", "IngestLog", "ForgedPostsAlarm", "ForgedPosts"),
        ("WrongKeysSeen", "AuthorizerLog", "WrongKeysAlarm", "WrongKeys"),
    ] {
        let (filter, alarm) = (properties(seen).unwrap(), properties(alarm).unwrap());
        assert_eq!(filter["LogGroupName"]["Ref"], log, "{seen}");
        // As the functions log a refusal: `edge/problem.rs`, `functions/src/authorizer.rs`.
        assert_eq!(filter["FilterPattern"], r#"{ $.event = "request.refused" && $.status = 401 }"#, "{seen}");
        let metric = &filter["MetricTransformations"][0];
        assert_eq!((&metric["MetricNamespace"], &metric["MetricName"]), (&alarm["Namespace"], &alarm["MetricName"]));
        assert_eq!((&metric["MetricValue"], &alarm["Statistic"]), (&"1".into(), &"Sum".into()));
        assert_eq!((&alarm["Threshold"]["Ref"], &alarm["Period"]), (&limit.into(), &300.into()));
        assert_eq!(alarm["ComparisonOperator"], "GreaterThanOrEqualToThreshold");
        assert_eq!(alarm["AlarmActions"]["Fn::If"][1][0]["Ref"], "AlarmTopic");
    }
    // Long before the day is gone.
    let default = |name: &str| seconds(&template["Parameters"][name]["Default"]);
    assert!(default("ForgedPosts") * 5 <= default("RequestsPerDay"));
}

#[test]
fn operators_see_by_default_what_the_issuer_says_and_nothing_else() {
    let (Some(template), Some(authorizer)) = (template(), properties("Authorizer")) else { return };
    let variables = &authorizer["Environment"]["Variables"];
    let claim = &variables["PUENTE_CONNECTIONS_CLAIM"]["Fn::If"];
    assert_eq!((&claim[0], &claim[1]["Ref"]), (&"WithConnectionsClaim".into(), &"ConnectionsClaim".into()));
    assert_eq!(claim[2]["Fn::If"], serde_json::json!(["WithUserPool", "cognito:groups", "puente_connections"]));
    assert_eq!(template["Parameters"]["ConnectionsClaim"]["Default"], "");
    assert_eq!(properties("AllConnections").unwrap()["GroupName"], "puente/*");
    // People are in groups; only machines see by a scope.
    let scopes = |client: &str| properties(client).unwrap()["AllowedOAuthScopes"].to_string();
    assert!(
        scopes("MachineClient").contains("puente/connections:*") && !scopes("PeopleClient").contains("connections")
    );
    let known = &properties("Scopes").unwrap()["Scopes"];
    assert!(known.as_array().unwrap().iter().any(|scope| scope["ScopeName"] == "connections:*"), "{known}");
}

/// When a task runs, as EventBridge has it.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html>
fn schedule(period: Period) -> String {
    match period {
        Period::Every(period) if period.as_mins() == 1 => "rate(1 minute)".to_owned(),
        Period::Every(period) => format!("rate({} minutes)", period.as_mins()),
        Period::Daily { hour, minute } => format!("cron({minute} {hour} * * ? *)"),
    }
}

#[test]
fn every_task_has_its_schedule_and_nothing_else_runs_on_time() {
    let Some(template) = template() else { return };
    let mut scheduled = BTreeSet::new();
    for (function, resource) in template["Resources"].as_object().unwrap() {
        let events = resource["Properties"]["Events"].as_object();
        for event in events.into_iter().flatten().map(|(_, event)| event).filter(|event| event["Type"] == "Schedule") {
            let input =
                event["Properties"]["Input"].as_str().map(|input| serde_json::from_str::<Value>(input).unwrap());
            // Without a word the function's own.
            let task =
                input.map_or(function.to_lowercase(), |input| input["detail"]["task"].as_str().unwrap().to_owned());
            let when = event["Properties"]["Schedule"].as_str().unwrap();
            assert!(scheduled.insert((task, when.to_owned())), "{function} {when}");
        }
    }
    let tasks = TASKS.iter().map(|task| (task.name().to_owned(), schedule(task.period())));
    assert_eq!(scheduled, tasks.collect());
}

#[test]
fn every_function_may_do_only_what_it_does() {
    let Some(template) = template() else { return };
    let resources = template["Resources"].as_object().unwrap();
    let of_type =
        |kind: &str| resources.iter().filter(move |(_, resource)| resource["Type"] == kind).collect::<Vec<_>>();
    let functions = of_type("AWS::Serverless::Function");
    assert_eq!(functions.len(), 6);
    for (name, function) in functions {
        // A role of its own: what SAM would add by itself is allowed on everything.
        assert_eq!(function["Properties"]["Role"]["Fn::GetAtt"], format!("{name}Role.Arn"), "{name}");
        assert_eq!(function["Metadata"]["BuildMethod"], "rust-cargolambda", "{name}");
        let log = &resources[function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"].as_str().unwrap()];
        assert!(log["Properties"]["RetentionInDays"].is_object(), "{name}'s logs are kept for a time");
    }
    for (_, queue) in of_type("AWS::SQS::Queue").into_iter().filter(|(name, _)| *name != "DeadQueue") {
        assert!(queue["Properties"]["RedrivePolicy"].is_object());
    }
    for (name, _) in of_type("AWS::IAM::Role") {
        for statement in statements(name).unwrap() {
            assert!(statement["Resource"].is_object(), "{name}: {} is a resource of this stack", statement["Resource"]);
            assert!(!statement["Action"].to_string().contains('*'), "{name}: {}", statement["Action"]);
        }
    }
    // Who may use the key for tokens is told of it, and nobody else.
    for (name, function) in of_type("AWS::Serverless::Function") {
        let told = &function["Properties"]["Environment"]["Variables"]["PUENTE_TOKEN_KEY"];
        let may =
            statements(&format!("{name}Role")).unwrap().iter().any(|it| it["Action"].to_string().contains("kms:"));
        let expected = if may { serde_json::json!({ "Ref": "TokenKey" }) } else { Value::Null };
        assert_eq!((*told == expected, may), (true, ["Worker", "Backfill"].contains(&name.as_str())), "{name}: {told}");
    }
    let without = serde_json::json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": "TokenKey" }, ""] }] });
    assert_eq!(template["Conditions"]["WithTokenKey"], without);
    let pattern = template["Parameters"]["TokenKey"]["AllowedPattern"].as_str().unwrap();
    let pattern = regex_lite::Regex::new(&format!("^(?:{pattern})$")).unwrap();
    let key = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    assert!(pattern.is_match("") && pattern.is_match(key), "{pattern}");
    // A policy takes no alias.
    assert!(!pattern.is_match("arn:aws:kms:eu-west-1:123456789012:alias/tokens"), "{pattern}");
    // What faces the internet without an operator's token reads the configuration, and no order.
    for role in ["IngestRole", "AuthorizerRole"] {
        let may = resources[role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].to_string();
        assert!(may.contains(r#""dynamodb:LeadingKeys":["config"]"#), "{role}");
        assert!(!may.contains("dynamodb:UpdateItem") && !may.contains("dynamodb:Query"), "{role}");
    }
}
