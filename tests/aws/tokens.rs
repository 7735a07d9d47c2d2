//! The accounts' tokens under a key of KMS: who reads the table reads none of them, and what does not open is one clear state.

use puente::{
    Kind, Retry,
    aws::Aws,
    domain::ids::AccountId,
    ports::{Token, Tokens},
};
use serde_json::{Value, json};

use crate::{
    proxy::Proxy,
    support::moto::{Stack, call, stack},
};

fn acme() -> AccountId {
    AccountId::Store("acme".parse().unwrap())
}

fn token(value: &str) -> Token {
    Token { value: value.into(), expires_at: None }
}

/// A stack with a key; `None`: offline, and the skip was said.
async fn sealed() -> Option<Stack> {
    Some(stack().await?.with_token_key().await)
}

/// What is said of DynamoDB in its own protocol.
async fn dynamo(stack: &Stack, action: &str, mut request: Value) -> Value {
    request["TableName"] = stack.place.table.as_str().into();
    call(&stack.endpoint, "dynamodb", &format!("DynamoDB_20120810.{action}"), &request).await
}

/// The token's item of an account, as it lies in the table.
async fn item(stack: &Stack, of: &AccountId) -> Value {
    let items = dynamo(stack, "Scan", json!({})).await;
    let own = |item: &&Value| item["pk"]["S"] == format!("token/{of}");
    items["Items"].as_array().unwrap().iter().find(own).unwrap().clone()
}

#[tokio::test]
async fn who_reads_the_table_reads_no_token() {
    let Some(stack) = sealed().await else { return };
    let tokens = stack.aws().tokens;
    tokens.put(&acme(), &token("canary")).await.unwrap();
    let kept = item(&stack, &acme()).await;
    assert!(kept["sealed"]["B"].is_string() && kept["data_key"]["B"].is_string(), "{kept}");
    assert!(kept.get("secret").is_none() && !kept.to_string().contains("canary"), "{kept}");
    // Y2FuYXJ5 is `canary` in base64, as bytes are shown.
    assert!(!kept.to_string().contains("Y2FuYXJ5"), "{kept}");
    // Each has a data key of its own.
    tokens.put(&acme(), &token("canary")).await.unwrap();
    assert_ne!(item(&stack, &acme()).await["data_key"], kept["data_key"]);
}

#[tokio::test]
async fn a_stack_is_given_a_key_and_what_is_sealed_stays_sealed() {
    let Some(plain) = stack().await else { return };
    plain.aws().tokens.put(&acme(), &token("first")).await.unwrap();
    assert_eq!(item(&plain, &acme()).await["secret"]["S"], "first");
    let mut stack = plain.with_token_key().await;
    // What was kept before is read, and encrypted as soon as it is renewed.
    let tokens = stack.aws().tokens;
    let kept = tokens.get(&acme()).await.unwrap().unwrap();
    assert!(kept.token.is(&token("first")));
    tokens.swap(&acme(), Some(kept.version), &token("second")).await.unwrap();
    assert!(item(&stack, &acme()).await.get("secret").is_none());
    // Whoever was not told of the key writes nothing in plain text over it.
    stack.place.token_key = None;
    let untold = stack.aws().tokens;
    let kept = untold.get(&acme()).await.unwrap().unwrap();
    assert!(kept.token.is(&token("second")));
    for error in [
        untold.put(&acme(), &token("third")).await.unwrap_err(),
        untold.swap(&acme(), Some(kept.version), &token("third")).await.unwrap_err(),
        untold.swap(&acme(), None, &token("third")).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.to_string().contains("PUENTE_TOKEN_KEY"), "{error}");
    }
    assert!(tokens.get(&acme()).await.unwrap().unwrap().token.is(&token("second")));
    assert!(item(&stack, &acme()).await.get("secret").is_none());
}

#[tokio::test]
async fn what_was_sealed_for_another_table_does_not_open() {
    let Some(one) = sealed().await else { return };
    let Some(mut other) = stack().await else { return };
    other.place.token_key.clone_from(&one.place.token_key);
    one.aws().tokens.put(&acme(), &token("token")).await.unwrap();
    dynamo(&other, "PutItem", json!({ "Item": item(&one, &acme()).await })).await;
    let error = other.aws().tokens.get(&acme()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Config, "{error}");
}

#[tokio::test]
async fn kms_is_asked_once_for_each_version_of_a_token() {
    let Some(stack) = sealed().await else { return };
    stack.aws().tokens.put(&acme(), &token("first")).await.unwrap();
    let proxy = Proxy::before(&stack.endpoint).await;
    let reader = Aws::new(&stack.access().at(&proxy.endpoint), stack.place.clone()).tokens;
    let asked = || proxy.asked().into_iter().filter(|(target, _)| target.starts_with("TrentService.")).count();
    for _ in 0..3 {
        reader.get(&acme()).await.unwrap();
    }
    assert_eq!(asked(), 1);
    // Somebody else renews it.
    stack.aws().tokens.put(&acme(), &token("second")).await.unwrap();
    for _ in 0..3 {
        assert!(reader.get(&acme()).await.unwrap().unwrap().token.is(&token("second")));
    }
    assert_eq!(asked(), 2);
    // Who renewed it knows it.
    reader.put(&acme(), &token("third")).await.unwrap();
    assert!(reader.get(&acme()).await.unwrap().unwrap().token.is(&token("third")));
    assert_eq!(asked(), 3);
}

#[tokio::test]
async fn what_does_not_open_is_one_clear_state() {
    let Some(stack) = sealed().await else { return };
    let tokens = stack.aws().tokens;
    let other = AccountId::Store("other".parse().unwrap());
    for damage in ["sealed cut off", "data key cut off", "another account's", "no data key", "no content"] {
        for of in [&acme(), &other] {
            tokens.put(of, &token("token")).await.unwrap();
        }
        let mut kept = item(&stack, &acme()).await;
        match damage {
            "sealed cut off" => kept["sealed"]["B"] = "AQID".into(),
            "data key cut off" => kept["data_key"]["B"] = "AQID".into(),
            "another account's" => {
                let others = item(&stack, &other).await;
                for part in ["sealed", "data_key"] {
                    kept[part] = others[part].clone();
                }
            }
            "no data key" => drop(kept.as_object_mut().unwrap().remove("data_key")),
            _ => drop(kept.as_object_mut().unwrap().remove("sealed")),
        }
        dynamo(&stack, "PutItem", json!({ "Item": kept })).await;
        for _ in 0..2 {
            let error = stack.aws().tokens.get(&acme()).await.unwrap_err();
            assert_eq!((error.kind(), error.retryable()), (Kind::Config, Retry::Never), "{damage}: {error}");
            assert!(error.to_string().contains("puente connections authorize acme"), "{damage}: {error}");
        }
        tokens.put(&acme(), &token("anew")).await.unwrap();
        assert!(tokens.get(&acme()).await.unwrap().unwrap().token.is(&token("anew")), "{damage}");
    }
}

#[tokio::test]
async fn a_key_that_may_not_be_used_is_waited_for() {
    let Some(stack) = sealed().await else { return };
    stack.aws().tokens.put(&acme(), &token("token")).await.unwrap();
    let proxy = Proxy::before(&stack.endpoint).await;
    proxy.refuse(|target| target.starts_with("TrentService."));
    let refused = Aws::new(&stack.access().at(&proxy.endpoint), stack.place.clone()).tokens;
    for error in [
        refused.ready(&acme()).await.unwrap_err(),
        refused.get(&acme()).await.unwrap_err(),
        refused.put(&acme(), &token("other")).await.unwrap_err(),
        refused.swap(&acme(), Some(1), &token("other")).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), Kind::Unavailable, "{error}");
        let words = error.to_string();
        assert!(words.contains("token") && words.contains("KMS") && words.contains("AccessDenied"), "{words}");
    }
    let words = refused.get(&acme()).await.unwrap_err().to_string();
    assert!(words.contains("TokenKey") && words.contains("puente connections authorize acme"), "{words}");
    proxy.refuse(|_| false);
    refused.ready(&acme()).await.unwrap();
    assert!(refused.get(&acme()).await.unwrap().unwrap().token.is(&token("token")), "nothing was lost");
}
