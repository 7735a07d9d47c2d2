//! Customers and their addresses: remembered, looked up, or created, each for all sales together and each only once.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::Duration,
};

use serde_json::value::RawValue;

use super::{
    customer::Buyer,
    resolve::{Resolver, name},
    wire::{self, Address, FoundParty, NewAddress, parameters},
};
use crate::{
    Error, Kind,
    domain::reason::{Reason, Why},
    erp::SendError,
};

/// How often in a row a customer may have been merged into another.
const MERGERS: usize = 8;

fn address_name(reference: &str, address: &Address) -> String {
    name("address", format_args!("{reference}/{}", address.hash()))
}

/// What became of the buyers.
#[derive(Default)]
pub(super) struct Parties {
    /// Parties and addresses by the names they are remembered under.
    ids: HashMap<String, i64>,
    /// Refused, by reference: why.
    refused: HashMap<String, Why>,
    /// Created by somebody at this moment, by reference.
    later: HashSet<String>,
    /// With an address that is being created for another order, by reference: how long it cannot be looked up.
    awaited: HashMap<String, Duration>,
}

impl Parties {
    /// The party, the invoice's address and the shipment's.
    pub(super) fn of(&self, buyer: &Buyer) -> Result<(i64, i64, i64), SendError> {
        let reference = buyer.reference.as_str();
        if let Some(why) = self.refused.get(reference) {
            return Err(SendError::Refused(why.clone().into()));
        }
        let party = self.ids.get(&name("party", reference));
        let address = |address| self.ids.get(&address_name(reference, address));
        if let (Some(party), Some(invoice), Some(shipment)) = (party, address(&buyer.invoice), address(&buyer.shipment))
        {
            return Ok((*party, *invoice, *shipment));
        }
        if let Some(wait) = self.awaited.get(reference) {
            return Err(SendError::awaits(reference, *wait));
        }
        let text = if self.later.contains(reference) {
            format!(
                "the customer {reference} is in Tryton, where this user cannot see it, or was created at this moment"
            )
        } else {
            format!("the customer {reference} was not ready in Tryton")
        };
        Err(SendError::NotNow(Error::new(Kind::Unavailable, text)))
    }
}

impl Resolver<'_> {
    /// Parties and addresses: remembered, else looked up together, else created together.
    pub(super) async fn parties(&self, buyers: &[Buyer]) -> Result<Parties, SendError> {
        let mut parties = Parties::default();
        let names: BTreeSet<String> = buyers
            .iter()
            .flat_map(|buyer| {
                let reference = buyer.reference.as_str();
                let addresses = [&buyer.invoice, &buyer.shipment].map(|address| address_name(reference, address));
                addresses.into_iter().chain([name("party", reference)])
            })
            .collect();
        parties.ids = self.memory.recall(&names.into_iter().collect::<Vec<_>>()).await?;
        let missing: BTreeMap<&str, &Buyer> = buyers
            .iter()
            .filter(|buyer| parties.of(buyer).is_err())
            .map(|buyer| (buyer.reference.as_str(), buyer))
            .collect();
        if missing.is_empty() {
            return Ok(parties);
        }
        self.look_up(&mut parties, &missing).await?;
        self.create_parties(&mut parties, &missing).await?;
        self.create_addresses(&mut parties, buyers).await?;
        Ok(parties)
    }

    async fn look_up(&self, parties: &mut Parties, missing: &BTreeMap<&str, &Buyer>) -> Result<(), SendError> {
        let codes: Vec<&str> = missing.keys().copied().collect();
        let mut found = self.found(wire::raw(&("code", "in", codes))).await?;
        let mut stands: Vec<(String, i64)> = found.values().map(|party| (party.code.clone(), party.id)).collect();
        // A customer who was there twice: people merged one party into the other, which has all its documents since.
        for _ in 0..MERGERS {
            let heir = |id: &i64| found.get(id).and_then(FoundParty::heir);
            let heirs: BTreeSet<i64> = stands.iter().filter_map(|(_, id)| heir(id)).collect();
            if heirs.is_empty() {
                break;
            }
            for (_, id) in &mut stands {
                *id = heir(id).unwrap_or(*id);
            }
            found.extend(self.found(wire::raw(&("id", "in", heirs))).await?);
        }
        let mut learnt = Vec::new();
        for (reference, id) in stands {
            let Some(party) = found.get(&id).filter(|party| party.active.0) else {
                let why = Why::CustomerDeactivated { customer: reference.clone() };
                parties.refused.insert(reference, why);
                continue;
            };
            learnt.push((name("party", &reference), party.id));
            for address in &party.addresses {
                learnt.push((address_name(&reference, &address.content), address.id));
            }
        }
        self.memory.learn(&learnt).await?;
        parties.ids.extend(learnt);
        Ok(())
    }

    /// Parties by their ids. The unique key knows deactivated ones too.
    async fn found(&self, which: Box<RawValue>) -> Result<BTreeMap<i64, FoundParty>, SendError> {
        let domain = wire::raw(&parameters![which, ("active", "in", [true, false])]);
        let found: Vec<FoundParty> = self.search("party.party", domain, &FoundParty::FIELDS).await?;
        Ok(found.into_iter().map(|party| (party.id, party)).collect())
    }

    /// Creates the parties that are missing. One that Tryton refuses is found by halving: it must not sink the others.
    async fn create_parties(&self, parties: &mut Parties, missing: &BTreeMap<&str, &Buyer>) -> Result<(), SendError> {
        let absent: Vec<&wire::Party> = missing
            .iter()
            .filter(|(reference, _)| !parties.ids.contains_key(&name("party", reference)))
            .filter(|(reference, _)| !parties.refused.contains_key(**reference))
            .map(|(_, buyer)| &buyer.party)
            .collect();
        let mut groups: Vec<&[&wire::Party]> = absent.chunks(self.tryton.settings.bulk.max(1)).collect();
        while let Some(group) = groups.pop() {
            let created: Result<wire::Ids, _> =
                self.tryton.server.write(self.calls, "model.party.party.create", parameters![group]).await;
            match (created, group) {
                (Ok(ids), _) => {
                    let learnt: Vec<_> =
                        group.iter().zip(ids).map(|(party, id)| (name("party", &party.code), id)).collect();
                    self.memory.learn(&learnt).await?;
                    parties.ids.extend(learnt);
                }
                (Err(SendError::Refused(error)), [party]) => {
                    let why = Why::CustomerRefused { because: Box::new(Reason::of(&error)) };
                    parties.refused.insert(party.code.clone(), why);
                }
                (Err(SendError::Refused(_)), _) => {
                    let (first, second) = group.split_at(group.len() / 2);
                    groups.extend([second, first]);
                }
                // Looked up a moment ago and there now: the next attempt finds it.
                (Err(SendError::Exists), _) => {
                    parties.later.extend(group.iter().map(|party| party.code.clone()));
                }
                (Err(send_error), _) => return Err(send_error),
            }
        }
        Ok(())
    }

    async fn create_addresses(&self, parties: &mut Parties, buyers: &[Buyer]) -> Result<(), SendError> {
        let mut absent: Vec<Absent<'_>> = Vec::new();
        let mut seen = HashSet::new();
        for buyer in buyers {
            let reference = buyer.reference.as_str();
            let Some(party) = parties.ids.get(&name("party", reference)).copied() else { continue };
            for content in [&buyer.invoice, &buyer.shipment] {
                let name = address_name(reference, content);
                if !parties.ids.contains_key(&name) && seen.insert(name.clone()) {
                    absent.push(Absent { reference, name, address: NewAddress { party, content } });
                }
            }
        }
        if absent.is_empty() {
            return Ok(());
        }
        // Unlike a party's code, nothing keeps an address from being there twice.
        let names: Vec<String> = absent.iter().map(|absent| absent.name.clone()).collect();
        let in_doubt = self.memory.ids.begin(&names).await.map_err(SendError::NotNow)?;
        parties.awaited = absent
            .iter()
            .filter_map(|absent| Some((absent.reference.to_owned(), *in_doubt.get(&absent.name)?)))
            .collect();
        absent.retain(|absent| !in_doubt.contains_key(&absent.name));
        let mut groups = vec![absent];
        while let Some(mut group) = groups.pop() {
            if group.is_empty() {
                continue;
            }
            let values: Vec<_> = group.iter().map(|absent| &absent.address).collect();
            let created: Result<wire::Ids, _> =
                self.tryton.server.write(self.calls, "model.party.address.create", parameters![values]).await;
            match created {
                Ok(ids) => {
                    // Nobody is in doubt about them: a person may merge their customer now, and they are made for whoever is left.
                    self.ended(&group).await?;
                    let learnt: Vec<_> = group.into_iter().map(|absent| absent.name).zip(ids).collect();
                    self.memory.learn(&learnt).await?;
                    parties.ids.extend(learnt);
                }
                Err(SendError::Refused(_)) if group.len() > 1 => {
                    let second = group.split_off(group.len() / 2);
                    groups.extend([second, group]);
                }
                Err(SendError::Refused(error)) => {
                    self.ended(&group).await?;
                    let why = Why::AddressRefused { because: Box::new(Reason::of(&error)) };
                    parties.refused.extend(group.iter().map(|absent| (absent.reference.to_owned(), why.clone())));
                }
                Err(send_error) => {
                    if !matches!(send_error, SendError::Unknown(_)) {
                        self.ended(&group).await?;
                    }
                    for group in groups {
                        self.ended(&group).await?;
                    }
                    return Err(send_error);
                }
            }
        }
        Ok(())
    }

    /// What became of these is known.
    async fn ended(&self, group: &[Absent<'_>]) -> Result<(), SendError> {
        let names: Vec<String> = group.iter().map(|absent| absent.name.clone()).collect();
        self.memory.ids.ended(&names).await.map_err(SendError::NotNow)
    }
}

/// An address that has to be made.
struct Absent<'a> {
    /// Whose.
    reference: &'a str,
    /// What it is remembered as.
    name: String,
    address: NewAddress<'a>,
}
