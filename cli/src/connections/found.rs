//! What is on AWS already.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::{StreamExt, TryStreamExt, stream};
use puente::{
    Error, Kind, Result,
    aws::{ApiKey, Aws, Gateway, Plan, Stage},
    config::{Needs, Secret, Settings},
};
use secrecy::ExposeSecret;

use super::Wanted;

/// How many secrets are asked for at a time.
const AT_A_TIME: usize = 8;

/// What is on AWS already.
pub(super) struct Found {
    /// The published configuration.
    pub(super) text: Option<String>,
    /// What that one needs; nothing if it cannot be understood any more.
    pub(super) needs: Needs,
    /// Secrets that were written down because only earlier configurations referred to them.
    pub(super) retired: BTreeSet<String>,
    /// Secrets of this stack's making that the wanted configuration does not refer to: those written down, and the published
    /// one's.
    pub(super) superfluous: BTreeSet<String>,
    /// Those of the wanted secrets that are there.
    pub(super) secrets: BTreeMap<String, Secret>,
    /// API Gateway, if there is one.
    pub(super) door: Option<FoundDoor>,
}

/// What is in API Gateway.
pub(super) struct FoundDoor {
    /// The stack's own plan.
    pub(super) base: Plan,
    /// The stage it opens.
    pub(super) stage: Stage,
    /// The plans of ours.
    pub(super) own: Vec<Plan>,
    /// The ids of the keys under each of these plans, by the plan's id.
    pub(super) members: BTreeMap<String, BTreeSet<String>>,
    /// All keys with names of ours.
    pub(super) keys: Vec<ApiKey>,
}

/// Looks; changes nothing.
pub(super) async fn look(aws: &Aws, gateway: Option<(&Gateway, &str)>, wanted: &Wanted) -> Result<Found> {
    let text = aws.published.config().await?;
    let parsed = text.as_ref().map(|text| Settings::parse(text, "the published puente.toml", aws.secrets.clone()));
    let needs = parsed.and_then(|settings| settings.and_then(|settings| settings.needs()).ok()).unwrap_or_default();
    let retired = aws.published.retired().await?;
    let mut superfluous = BTreeSet::new();
    for name in retired.union(&needs.secrets).filter(|name| !wanted.needs.secrets.contains(*name)) {
        if aws.secrets.is_ours(name).await? {
            superfluous.insert(name.clone());
        }
    }
    let secrets = Arc::clone(&aws.secrets);
    let secrets = stream::iter(wanted.needs.secrets.iter().cloned())
        .map(|name| {
            let secrets = secrets.clone();
            async move {
                let value = secrets.find(&name).await?;
                Ok::<_, Error>(value.map(|value| (name, Secret::new(value.expose_secret()))))
            }
        })
        .buffer_unordered(AT_A_TIME)
        .try_filter_map(|found| async move { Ok(found) })
        .try_collect()
        .await?;
    let door = match gateway {
        Some((gateway, plan)) => Some(FoundDoor::look(gateway, plan).await?),
        None => None,
    };
    Ok(Found { text, needs, retired, superfluous, secrets, door })
}

impl FoundDoor {
    async fn look(gateway: &Gateway, plan: &str) -> Result<Self> {
        let base = gateway.plan(plan).await?;
        let [stage] = base.stages.as_slice() else {
            let words = format!(
                "usage plan `{plan}` opens {} stages, the stack's own opens one: is it the output UsagePlanId?",
                base.stages.len()
            );
            return Err(Error::new(Kind::Config, words));
        };
        let stage = stage.clone();
        let own = gateway.own_plans().await?;
        let mut members = BTreeMap::new();
        for plan in own.iter().chain([&base]) {
            members.insert(plan.id.clone(), gateway.members(&plan.id).await?);
        }
        let keys = gateway.keys().await?;
        Ok(Self { base, stage, own, members, keys })
    }

    /// The plan of that name, if it opens the stage.
    pub(super) fn plan(&self, name: &str) -> Option<&Plan> {
        let mut plans = self.own.iter().chain([&self.base]);
        plans.find(|plan| plan.name == name && plan.stages.contains(&self.stage))
    }

    /// The ids of the plans that a key is under.
    pub(super) fn plans_of(&self, key: &str) -> Vec<String> {
        self.members.iter().filter(|(_, members)| members.contains(key)).map(|(plan, _)| plan.clone()).collect()
    }

    /// The key with this value.
    pub(super) fn key(&self, value: &Secret) -> Option<&ApiKey> {
        self.keys.iter().find(|key| key.value.is(value.expose()))
    }
}
