//! What is on AWS already.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use puente::{
    Error, Kind, Result,
    aws::{ApiKey, Aws, Gateway, Plan, Stage, content},
    config::Secret,
    parties::{Needs, Settings},
    ports::Bundle,
};
use secrecy::{ExposeSecret, SecretString};

use super::Wanted;

/// How many secrets are asked for at a time.
const AT_A_TIME: usize = 8;

/// What is on AWS already.
pub(super) struct Found {
    /// The published configuration.
    pub(super) text: Option<String>,
    /// What that one needs; nothing if it cannot be understood any more.
    pub(super) needs: Needs,
    /// Secrets that were written down because nothing refers to them any more.
    pub(super) retired: BTreeSet<String>,
    /// Secrets of this stack's making that the wanted configuration does not need: those written down, the published one's, and
    /// those of a release that kept every value as a secret of its own.
    pub(super) superfluous: BTreeSet<String>,
    /// Those of the wanted bundles that are there.
    pub(super) bundles: BTreeMap<Bundle, BTreeMap<String, Secret>>,
    /// Values that are in none of these: what an earlier release kept under the very name, and what the published configuration
    /// has in a bundle that is not wanted any more.
    pub(super) elsewhere: BTreeMap<String, Secret>,
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

    let mine = |bundle: &Bundle| aws.secrets.name_of(bundle);
    let wanted_names: BTreeSet<String> = wanted.needs.bundles.keys().map(mine).collect();
    let mut drawer = Drawer { bundles: BTreeMap::new(), elsewhere: BTreeMap::new() };
    for (bundle, text) in texts(aws, wanted.needs.bundles.keys().map(|bundle| (bundle.clone(), mine(bundle)))).await? {
        drawer.add(bundle, mine, &text, wanted)?;
    }
    let mut plain = BTreeSet::new();
    let missing: Vec<String> =
        wanted.needs.names().into_iter().filter(|name| !drawer.has(name)).map(str::to_owned).collect();
    if !missing.is_empty() {
        // A connection that got another name brings its secrets along.
        let gone = needs.bundles.iter().filter(|(bundle, names)| {
            !wanted.needs.bundles.contains_key(bundle) && missing.iter().any(|name| names.contains(name))
        });
        for (_, text) in texts(aws, gone.map(|(bundle, _)| (bundle.clone(), mine(bundle)))).await? {
            drawer.elsewhere.extend(content(&text).unwrap_or_default().into_iter().map(secret));
        }
        // As an earlier release kept it.
        let own = missing.iter().filter(|name| aws.secrets.is_own_name(name) && !drawer.has(name));
        let own: Vec<(String, String)> = own.map(|name| (name.clone(), name.clone())).collect();
        for (name, text) in texts(aws, own).await? {
            plain.insert(name.clone());
            drawer.elsewhere.insert(name, Secret::new(text.expose_secret()));
        }
    }

    let mut superfluous = BTreeSet::new();
    let published: BTreeSet<String> = needs.bundles.keys().map(mine).collect();
    for name in retired.iter().chain(&published).chain(&plain).filter(|name| !wanted_names.contains(*name)) {
        if !superfluous.contains(name) && aws.secrets.is_ours(name).await? {
            superfluous.insert(name.clone());
        }
    }
    let door = match gateway {
        Some((gateway, usage)) => Some(FoundDoor::look(gateway, usage).await?),
        None => None,
    };
    Ok(Found { text, needs, retired, superfluous, bundles: drawer.bundles, elsewhere: drawer.elsewhere, door })
}

/// The texts of those of these secrets that are there.
async fn texts<K: Send>(aws: &Aws, names: impl IntoIterator<Item = (K, String)>) -> Result<Vec<(K, SecretString)>> {
    let one = |(key, name): (K, String)| async move {
        let text = aws.secrets.find(&name).await?;
        Ok::<_, Error>(text.map(|text| (key, text)))
    };
    let found = stream::iter(names.into_iter().collect::<Vec<_>>()).map(one).buffered(AT_A_TIME);
    found.try_filter_map(|found| async move { Ok(found) }).try_collect().await
}

fn secret((name, text): (String, SecretString)) -> (String, Secret) {
    (name, Secret::new(text.expose_secret()))
}

/// What is known of the secrets.
struct Drawer {
    bundles: BTreeMap<Bundle, BTreeMap<String, Secret>>,
    elsewhere: BTreeMap<String, Secret>,
}

impl Drawer {
    fn has(&self, name: &str) -> bool {
        self.elsewhere.contains_key(name) || self.bundles.values().any(|content| content.contains_key(name))
    }

    /// A wanted bundle that is there.
    fn add(
        &mut self,
        bundle: Bundle,
        mine: impl Fn(&Bundle) -> String,
        text: &SecretString,
        wanted: &Wanted,
    ) -> Result<()> {
        let name = mine(&bundle);
        if let Some(content) = content(text) {
            self.bundles.insert(bundle, content.into_iter().map(secret).collect());
        } else if wanted.needs.names().contains(name.as_str()) {
            // An earlier release kept a value under the name that the bundle has now.
            self.bundles.insert(bundle, BTreeMap::new());
            self.elsewhere.insert(name, Secret::new(text.expose_secret()));
        } else {
            let words = format!(
                "the secret `{name}` in Secrets Manager is not a JSON object of names and texts, and that name is needed for one. \
                 Nothing was changed: give what is there another name, or delete it"
            );
            return Err(Error::new(Kind::Config, words));
        }
        Ok(())
    }
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
