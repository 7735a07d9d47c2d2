//! The front door on AWS: API Gateway's keys and usage plans, which count requests per connection.
//!
//! An API key is named `puente/{connection}`, a usage plan of ours `puente {rate}-{per_day}`. Both are tagged with the table of
//! the stack they belong to: several stacks share one account. A plan of ours opens the stack's own stage only.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-usage-plans.html>

use std::{collections::BTreeSet, time::Duration};

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_apigateway::{
    Client,
    config::Builder,
    types::{ApiStage, Op, PatchOperation, QuotaPeriodType, QuotaSettings, ThrottleSettings, UsagePlan},
};

use super::{OWNER, client::failed};
use crate::{
    Error, Kind, Result,
    config::{FrontDoor, Secret},
    domain::ids::ConnectionId,
};

/// What the names of our keys begin with.
const KEYS: &str = "puente/";
/// What the names of our usage plans begin with.
const PLANS: &str = "puente ";
/// The most entries of a page.
const PAGE: i32 = 500;
/// API Gateway's own calls are few a second for the whole account: patience.
const ATTEMPTS: u32 = 10;

/// API Gateway's keys and usage plans.
#[derive(Clone)]
pub struct Gateway {
    client: Client,
    table: String,
    region: String,
}

/// A stage of an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The API's id.
    pub api: String,
    /// The stage's name.
    pub name: String,
}

/// A usage plan.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it allows each key; `None` if that cannot be said as requests a second and a day.
    pub limits: Option<FrontDoor>,
    /// What it opens.
    pub stages: Vec<Stage>,
}

/// A key. Its value is the connection's key.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Secret,
    /// Whether this stack made it.
    pub ours: bool,
}

impl ApiKey {
    /// The name of a connection's key.
    #[must_use]
    pub fn name_of(connection: &ConnectionId) -> String {
        format!("{KEYS}{connection}")
    }
}

impl Plan {
    /// The name of a plan of our own with these limits.
    #[must_use]
    pub fn name_of(limits: FrontDoor) -> String {
        format!("{PLANS}{}-{}", limits.per_second, limits.per_day)
    }

    fn of(plan: UsagePlan) -> Self {
        let stage = |stage: ApiStage| Some(Stage { api: stage.api_id?, name: stage.stage? });
        // Whole numbers are written without a point; others are no limits of ours.
        let per_second = plan.throttle.and_then(|throttle| throttle.rate_limit.to_string().parse().ok());
        let daily = plan.quota.filter(|quota| quota.period == Some(QuotaPeriodType::Day));
        let per_day = daily.and_then(|quota| u32::try_from(quota.limit).ok());
        Self {
            id: plan.id.unwrap_or_default(),
            name: plan.name.unwrap_or_default(),
            limits: per_second.zip(per_day).map(|(per_second, per_day)| FrontDoor { per_second, per_day }),
            stages: plan.api_stages.into_iter().flatten().filter_map(stage).collect(),
        }
    }
}

impl Gateway {
    pub(super) fn new(sdk: &SdkConfig, table: String) -> Self {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(20)).build();
        let config = Builder::from(sdk)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts)
            .build();
        let region = sdk.region().map(ToString::to_string).unwrap_or_default();
        Self { client: Client::from_conf(config), table, region }
    }

    /// Where a stage is reached, without a domain of its own.
    #[must_use]
    pub fn url(&self, stage: &Stage) -> String {
        let suffix = if self.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        format!("https://{}.execute-api.{}.{suffix}/{}", stage.api, self.region, stage.name)
    }

    /// One usage plan.
    pub async fn plan(&self, id: &str) -> Result<Plan> {
        let plan = self.client.get_usage_plan().usage_plan_id(id).send().await;
        let plan = plan.map_err(|error| failed("cannot read the usage plan", &error).within(format!("plan `{id}`")))?;
        let plan = UsagePlan::builder()
            .set_id(plan.id)
            .set_name(plan.name)
            .set_api_stages(plan.api_stages)
            .set_throttle(plan.throttle)
            .set_quota(plan.quota);
        Ok(Plan::of(plan.build()))
    }

    /// The usage plans that this stack made. One that opens nothing was about to be deleted.
    pub async fn own_plans(&self) -> Result<Vec<Plan>> {
        let mut pages = self.client.get_usage_plans().limit(PAGE).into_paginator().items().send();
        let mut plans = Vec::new();
        while let Some(plan) = pages.next().await {
            let plan = plan.map_err(|error| failed("cannot list usage plans", &error))?;
            if plan.tags().and_then(|tags| tags.get(OWNER)) == Some(&self.table) {
                plans.push(Plan::of(plan));
            }
        }
        plans.retain(|plan| plan.name.starts_with(PLANS));
        Ok(plans)
    }

    /// The keys that carry names of ours, with their values.
    pub async fn keys(&self) -> Result<Vec<ApiKey>> {
        let list = self.client.get_api_keys().name_query(KEYS).include_values(true).limit(PAGE);
        let mut pages = list.into_paginator().items().send();
        let mut keys = Vec::new();
        while let Some(key) = pages.next().await {
            let key = key.map_err(|error| failed("cannot list API keys", &error))?;
            let ours = key.tags().and_then(|tags| tags.get(OWNER)) == Some(&self.table);
            if let (Some(id), Some(name), Some(value)) = (key.id, key.name, key.value) {
                keys.push(ApiKey { id, name, value: Secret::new(value), ours });
            }
        }
        Ok(keys)
    }

    /// The ids of a plan's keys.
    pub async fn members(&self, plan: &str) -> Result<BTreeSet<String>> {
        let list = self.client.get_usage_plan_keys().usage_plan_id(plan).limit(PAGE);
        let mut pages = list.into_paginator().items().send();
        let mut members = BTreeSet::new();
        while let Some(key) = pages.next().await {
            members.extend(key.map_err(|error| failed("cannot list a usage plan's keys", &error))?.id);
        }
        Ok(members)
    }

    /// Makes a connection's key: its id.
    pub async fn create_key(&self, connection: &ConnectionId, value: &Secret) -> Result<String> {
        let name = ApiKey::name_of(connection);
        let create = self.client.create_api_key().name(name).value(value.expose()).enabled(true);
        let made = create.tags(OWNER, &self.table).send().await;
        let made = made.map_err(|error| failed("cannot make an API key", &error))?;
        made.id.ok_or_else(|| Error::new(Kind::Unavailable, "API Gateway made a key and did not say its id"))
    }

    /// Deletes a key.
    pub async fn delete_key(&self, id: &str) -> Result<()> {
        let deleted = self.client.delete_api_key().api_key(id).send().await;
        deleted.map(drop).map_err(|error| failed("cannot delete an API key", &error))
    }

    /// Makes a plan of our own on `stage`: its id. Twice its rate may come at once, as with the stack's own plan.
    pub async fn create_plan(&self, limits: FrontDoor, stage: &Stage) -> Result<String> {
        let count = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
        let throttle = ThrottleSettings::builder()
            .rate_limit(f64::from(limits.per_second))
            .burst_limit(count(limits.per_second.saturating_mul(2)));
        let quota = QuotaSettings::builder().limit(count(limits.per_day)).period(QuotaPeriodType::Day);
        let create = self
            .client
            .create_usage_plan()
            .name(Plan::name_of(limits))
            .tags(OWNER, &self.table)
            .throttle(throttle.build())
            .quota(quota.build())
            .api_stages(ApiStage::builder().api_id(&stage.api).stage(&stage.name).build());
        let made = create.send().await.map_err(|error| failed("cannot make a usage plan", &error))?;
        made.id.ok_or_else(|| Error::new(Kind::Unavailable, "API Gateway made a usage plan and did not say its id"))
    }

    /// Deletes a plan: first it opens nothing any more, since API Gateway deletes no other.
    pub async fn delete_plan(&self, plan: &Plan) -> Result<()> {
        let mut close = self.client.update_usage_plan().usage_plan_id(&plan.id);
        for stage in &plan.stages {
            let stage = format!("{}:{}", stage.api, stage.name);
            close = close
                .patch_operations(PatchOperation::builder().op(Op::Remove).path("/apiStages").value(stage).build());
        }
        if !plan.stages.is_empty() {
            close.send().await.map_err(|error| failed("cannot close a usage plan", &error))?;
        }
        let deleted = self.client.delete_usage_plan().usage_plan_id(&plan.id).send().await;
        deleted.map(drop).map_err(|error| failed("cannot delete a usage plan", &error))
    }

    /// Puts a key under a plan. A key may be under one plan of a stage only.
    pub async fn join(&self, plan: &str, key: &str) -> Result<()> {
        let join = self.client.create_usage_plan_key().usage_plan_id(plan).key_id(key).key_type("API_KEY");
        join.send().await.map(drop).map_err(|error| failed("cannot put an API key under its usage plan", &error))
    }

    /// Takes a key from under a plan.
    pub async fn leave(&self, plan: &str, key: &str) -> Result<()> {
        let leave = self.client.delete_usage_plan_key().usage_plan_id(plan).key_id(key);
        leave.send().await.map(drop).map_err(|error| failed("cannot take an API key from its usage plan", &error))
    }
}
