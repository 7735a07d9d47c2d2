//! Taking the steps, one after the other. Each says what it was about if it fails; what was done before it stays, and the next
//! run finds it.

use std::collections::BTreeMap;

use puente::{
    Error, Kind, Result,
    aws::{Aws, Gateway, Plan},
};
use secrecy::SecretString;

use super::{
    Wanted,
    difference::{Content, Step},
    found::Found,
};
use crate::progress;

/// Takes the steps.
pub(super) async fn apply(
    aws: &Aws,
    gateway: Option<&Gateway>,
    wanted: &Wanted,
    found: &Found,
    steps: &[Step],
) -> Result<()> {
    let mut hands = Hands { aws, gateway, wanted, found, made: BTreeMap::new() };
    for step in steps {
        let about = step.about();
        let spinner = progress::spinner(about.clone());
        let outcome = hands.take(step).await;
        spinner.finish_and_clear();
        outcome.map_err(|error| {
            error.within(format!("stopped at: {about}; what was done before stays, run it again for the rest"))
        })?;
    }
    Ok(())
}

struct Hands<'a> {
    aws: &'a Aws,
    gateway: Option<&'a Gateway>,
    wanted: &'a Wanted,
    found: &'a Found,
    /// The ids of the usage plans that were made, by name.
    made: BTreeMap<String, String>,
}

impl Hands<'_> {
    async fn take(&mut self, step: &Step) -> Result<()> {
        let aws = self.aws;
        match step {
            Step::CreateSecret { bundle, content } => aws.secrets.create(bundle, &secrets(content)).await,
            Step::ChangeSecret { bundle, content } => aws.secrets.change(bundle, &secrets(content)).await,
            Step::DeleteSecret { name } => aws.secrets.retire(name).await,
            Step::SetRetired { names } => aws.published.set_retired(names).await,
            Step::Publish => aws.published.publish_config(&self.wanted.text).await,
            _ => self.at_the_gateway(step).await,
        }
    }

    async fn at_the_gateway(&mut self, step: &Step) -> Result<()> {
        let none = || Error::new(Kind::Bug, "a step is about API Gateway, and there is none");
        let (gateway, door) = self.gateway.zip(self.found.door.as_ref()).ok_or_else(none)?;
        match step {
            Step::CreatePlan { limits } => {
                let id = gateway.create_plan(*limits, &door.stage).await?;
                self.made.insert(Plan::name_of(*limits), id);
                Ok(())
            }
            Step::CreateKey { connection, value, plan } => {
                let id = gateway.create_key(connection, value).await?;
                gateway.join(self.plan(plan)?, &id).await
            }
            Step::MoveKey { key, from, plan, .. } => {
                // A stage takes a key from one plan only: out first.
                for from in from {
                    gateway.leave(from, key).await?;
                }
                gateway.join(self.plan(plan)?, key).await
            }
            Step::DeleteKey { id, from, .. } => {
                for from in from {
                    gateway.leave(from, id).await?;
                }
                gateway.delete_key(id).await
            }
            Step::DeletePlan { plan } => gateway.delete_plan(plan).await,
            _ => Err(none()),
        }
    }

    fn plan(&self, name: &str) -> Result<&str> {
        let found = self.found.door.as_ref().and_then(|door| door.plan(name)).map(|plan| plan.id.as_str());
        let id = self.made.get(name).map(String::as_str).or(found);
        id.ok_or_else(|| Error::new(Kind::Bug, format!("usage plan `{name}` was not made")))
    }
}

impl Step {
    /// What it is about, without a secret.
    fn about(&self) -> String {
        match self {
            Self::CreateSecret { bundle, .. } => format!("making secret {bundle}"),
            Self::ChangeSecret { bundle, .. } => format!("changing secret {bundle}"),
            Self::DeleteSecret { name } => format!("deleting secret {name}"),
            Self::SetRetired { .. } => "writing down which secrets are not referred to any more".to_owned(),
            Self::Publish => "publishing puente.toml".to_owned(),
            Self::CreatePlan { limits } => format!("making usage plan {}", Plan::name_of(*limits)),
            Self::CreateKey { connection, .. } => format!("making the API key of {connection}"),
            Self::MoveKey { connection, plan, .. } => format!("putting the API key of {connection} under {plan}"),
            Self::DeleteKey { name, .. } => format!("deleting API key {name}"),
            Self::DeletePlan { plan } => format!("deleting usage plan {}", plan.name),
        }
    }
}

/// As the adapter takes them.
pub(super) fn secrets(content: &Content) -> BTreeMap<String, SecretString> {
    content.iter().map(|(name, value)| (name.clone(), SecretString::from(value.expose().to_owned()))).collect()
}
