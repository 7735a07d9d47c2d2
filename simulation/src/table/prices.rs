//! The price tags as the table keeps them.

use async_trait::async_trait;
use jiff::Timestamp;
use puente::{
    Result,
    domain::{
        goods::Sku,
        ids::ConnectionId,
        price::{NotTold, PriceTag, PriceWrite},
    },
    ports::{Chance, Prices},
};

use super::Table;

/// A write of a price tag.
fn said(write: &PriceWrite) -> String {
    match write {
        PriceWrite::Quoted(quoted) => format!("the ERP says {} in poll {}", quoted.offer.price.amount, quoted.poll),
        PriceWrite::Sending(sending) => {
            format!("its store is about to be told {} ({})", sending.telling.price.amount, sending.telling.attempt)
        }
        PriceWrite::Told { attempt, price, .. } => format!("its store has {} ({attempt})", price.amount),
        PriceWrite::Seen { read, .. } => format!("its store was looked at: {read:?}"),
        PriceWrite::NotTold(NotTold { attempt, certain, due, note, .. }) => {
            format!("its store was not told ({attempt:?}, for certain: {certain}), again {due:?}: {note}")
        }
        PriceWrite::Again { .. } => "a person has it looked at".to_owned(),
    }
}

#[async_trait]
impl Prices for Table {
    async fn tag(&self, connection: &ConnectionId, sku: &Sku) -> Result<Option<PriceTag>> {
        let key = (connection.clone(), sku.clone());
        self.call("prices.tag", |rows, _| rows.prices.get(&key).cloned()).await
    }

    async fn write(&self, connection: &ConnectionId, sku: &Sku, write: &PriceWrite, now: Timestamp) -> Result<bool> {
        let (key, token) = ((connection.clone(), sku.clone()), self.world.chance.token());
        self.call("prices.write", |rows, again| {
            // A repeated request finds its own token, unless somebody wrote since.
            if again && rows.price_tokens.get(&key) == Some(&token) {
                return true;
            }
            let before = rows.prices.get(&key);
            let mut after = before.cloned();
            let applied = write.apply(&mut after, now);
            self.world.say(|| {
                format!("price of {sku} in {connection}: {}{}", said(write), if applied { "" } else { ": refused" })
            });
            if let Some(after) = after.filter(|after| applied && before != Some(after)) {
                rows.prices.insert(key.clone(), after);
                rows.price_tokens.insert(key.clone(), token.clone());
            }
            applied
        })
        .await
    }

    async fn due(&self, connection: &ConnectionId, now: Timestamp, limit: usize) -> Result<Vec<Sku>> {
        self.call("prices.due", |rows, _| {
            let ours = rows.prices.iter().filter(|((of, _), _)| of == connection);
            let due = ours.filter_map(|((_, sku), tag)| Some((tag.due.filter(|due| *due <= now)?, sku.clone())));
            let mut due: Vec<_> = due.collect();
            due.sort();
            due.into_iter().take(limit).map(|(_, sku)| sku).collect()
        })
        .await
    }

    async fn next_due(&self, connection: &ConnectionId) -> Result<Option<Timestamp>> {
        self.call("prices.next_due", |rows, _| {
            let ours = rows.prices.iter().filter(|((of, _), _)| of == connection);
            ours.filter_map(|(_, tag)| tag.due).min()
        })
        .await
    }

    async fn list(&self, connection: &ConnectionId, after: Option<&Sku>, limit: usize) -> Result<Vec<(Sku, PriceTag)>> {
        let after = after.cloned();
        self.call("prices.list", |rows, _| {
            let ours = rows.prices.iter().filter(|((of, _), _)| of == connection);
            let rest = ours.filter(|((_, sku), _)| after.as_ref().is_none_or(|after| sku > after));
            rest.take(limit).map(|((_, sku), tag)| (sku.clone(), tag.clone())).collect()
        })
        .await
    }
}
