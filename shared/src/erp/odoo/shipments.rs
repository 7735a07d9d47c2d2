//! What Odoo sent: deliveries (`stock.picking`) that left for customers and are done, with a sale of ours in them. Where goods are picked
//! and packed first, those steps are internal, and only the last one counts.
//!
//! What changed is known by a delivery's own stamp, which a tracking number that is typed later moves too. What was sent stays sent: a
//! return is a delivery of its own, and is not told.
//!
//! A carrier's link is asked for last and by itself. Odoo has the carrier's connector make it, which may call that carrier, and fail: it
//! must cost nothing but the link, and only once.

mod delivery;
mod parcels;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use self::delivery::{Article, Delivery, Gone, Sale};
use super::{
    Odoo, domain,
    find::moment,
    records::Model,
    resolve,
    wire::{Arguments, Maybe, raw},
};
use crate::{
    Error, Kind,
    domain::ids::Reference,
    erp::{
        SendError,
        booking::Memory,
        shipments::{Sent, ShipmentAsk, ShipmentPage, Shipments},
        stock::Mark,
    },
    outbound::Calls,
};

/// Deliveries in a page.
const PAGE: usize = 100;
/// The most deliveries since the last question that are compared with what was seen of them; where there are more, all are told.
const MOST: usize = 5000;
/// The page before which there is none.
const FIRST: i64 = 0;

#[async_trait]
impl Shipments for Odoo {
    async fn page(&self, calls: &Calls<'_>, ask: &ShipmentAsk<'_>) -> Result<ShipmentPage, SendError> {
        // What is no mark of ours is as good as none.
        let since = ask.since.and_then(Mark::read);
        let tracked = self.has_carriers(calls, since.is_none()).await?;
        let desk = Desk { odoo: self, calls, tracked };
        let Some(since) = since else {
            return Ok(ShipmentPage { mark: Some(desk.start().await?.to_string()), ..ShipmentPage::default() });
        };
        if let Some(page) = ask.page {
            let no_page = || SendError::NotNow(Error::new(Kind::Unreadable, "the page is none of Odoo's shipments"));
            let after: i64 = page.parse().map_err(|_| no_page())?;
            let found = desk.deliveries(&since, Some(after), ("id", PAGE)).await?;
            let next = if found.len() < PAGE { None } else { found.last().map(|last| last.id.to_string()) };
            return Ok(ShipmentPage { next, ..desk.told(found).await? });
        }
        let (changed, mark) = desk.changed(&since).await?;
        let mark = Some(mark.to_string());
        match changed {
            Some(changed) => Ok(ShipmentPage { mark, ..desk.told(changed).await? }),
            None => Ok(ShipmentPage { mark, next: Some(FIRST.to_string()), ..ShipmentPage::default() }),
        }
    }
}

impl Odoo {
    /// Whether deliveries have carriers and tracking numbers, which are of a module: `delivery`, from 17 on `stock_delivery`. One that is
    /// installed later is known where shipments are asked about from the start, or after a question for it failed.
    async fn has_carriers(&self, calls: &Calls<'_>, afresh: bool) -> Result<bool, SendError> {
        let memory = Memory { of: resolve::NAME, ids: calls.ids, afresh };
        let known = memory
            .known_or("shipments", BTreeSet::from([CARRIERS.to_owned()]), async |_| {
                let wanted = ["carrier_id", "carrier_tracking_ref", "carrier_tracking_url"];
                let arguments = Arguments::new().with("allfields", wanted).with("attributes", ["type"]);
                let fields: HashMap<String, Box<RawValue>> =
                    self.server.read(calls, "stock.picking", "fields_get", arguments).await?;
                let all = wanted.iter().all(|field| fields.contains_key(*field));
                Ok(HashMap::from([(CARRIERS.to_owned(), all)]))
            })
            .await?;
        Ok(known.get(CARRIERS).copied().unwrap_or_default())
    }
}

/// Under what it is remembered whether there are carriers.
const CARRIERS: &str = "carriers";

/// Where one question for shipments is answered.
struct Desk<'a> {
    odoo: &'a Odoo,
    calls: &'a Calls<'a>,
    /// Whether deliveries have carriers and tracking numbers.
    tracked: bool,
}

impl Desk<'_> {
    /// Where changes begin: all that is there by now is known.
    async fn start(&self) -> Result<Mark, SendError> {
        let last = self.deliveries(&Mark::from(None), None, ("write_date desc", 1)).await?;
        Ok(self.changed(&Mark::from(last.first().and_then(Delivery::at))).await?.1)
    }

    /// Those made or written since, and the next mark; `None`: more than one page.
    async fn changed(&self, since: &Mark) -> Result<(Option<Vec<Delivery>>, Mark), SendError> {
        let mut found = self.deliveries(since, None, ("write_date desc, id desc", MOST)).await?;
        if found.len() >= MOST {
            return Ok((None, Mark::from(found.first().and_then(Delivery::at))));
        }
        let (changed, mark) = since.next(&found.iter().map(Delivery::moved).collect::<Vec<_>>());
        found.retain(|delivery| changed.contains(&delivery.id));
        Ok(((found.len() <= PAGE).then_some(found), mark))
    }

    /// Deliveries with a sale of ours, made or written since.
    async fn deliveries(
        &self,
        since: &Mark,
        after: Option<i64>,
        (order, most): (&str, usize),
    ) -> Result<Vec<Delivery>, SendError> {
        let moves = if self.odoo.server.edition(self.calls).await?.major < 16 { "move_lines" } else { "move_ids" };
        let of_ours = format!("{moves}.sale_line_id.order_id.{}", Model::Sale.mark());
        let domain = domain![
            ("company_id", "=", self.odoo.settings.company),
            ("picking_type_code", "=", "outgoing"),
            ("state", "=", "done"),
            (of_ours, "=like", "puente %"),
            ("write_date", ">=", moment(since.begins())),
            ("id", ">", after.unwrap_or(FIRST))
        ];
        let mut fields = vec!["name", "write_date"];
        if self.tracked {
            fields.extend(["carrier_id", "carrier_tracking_ref"]);
        }
        let arguments =
            Arguments::new().with("domain", &domain).with("fields", fields).with("order", order).with("limit", most);
        let found = self.odoo.server.read(self.calls, "stock.picking", "search_read", arguments).await;
        if self.tracked && matches!(found, Err(SendError::Ambiguous(_))) {
            // Their module may have been removed.
            self.calls.ids.forget(&[resolve::name("shipments", CARRIERS)]).await.map_err(SendError::NotNow)?;
        }
        found
    }

    /// What is told of deliveries.
    async fn told(&self, mut deliveries: Vec<Delivery>) -> Result<ShipmentPage, SendError> {
        let mut page = ShipmentPage::default();
        deliveries.sort_unstable_by_key(|delivery| delivery.id);
        let ids: Vec<i64> = deliveries.iter().map(|delivery| delivery.id).collect();
        let sales = if ids.is_empty() { HashMap::new() } else { self.sales(&ids).await? };
        if sales.is_empty() {
            return Ok(page);
        }
        let gone = self.gone(&ids, sales.keys().copied().collect()).await?;
        let articles = self.articles(&gone).await?;
        let mut parts: BTreeMap<(i64, &Reference), Vec<&Gone>> = BTreeMap::new();
        for gone in &gone {
            if let Some(sale) = sales.get(&gone.sale_line_id.0) {
                parts.entry((gone.picking_id.0, sale)).or_default().push(gone);
            }
        }
        let links = self.links(&deliveries, &parts.keys().map(|(id, _)| *id).collect()).await?;
        let deliveries: HashMap<i64, &Delivery> = deliveries.iter().map(|delivery| (delivery.id, delivery)).collect();
        for ((id, sale), gone) in parts {
            let Some(delivery) = deliveries.get(&id) else { continue };
            match delivery.shipment(&gone, &articles, links.get(&id).map(String::as_str)) {
                // Nothing of the sale was in it.
                Ok(shipment) if shipment.items.is_empty() => {}
                Ok(shipment) => page.rows.push(Sent { sale: sale.clone(), shipment }),
                Err(why) => page.unread.push((delivery.number(), why)),
            }
        }
        Ok(page)
    }

    /// The references of our sales in deliveries, by the ids of their lines.
    async fn sales(&self, deliveries: &[i64]) -> Result<HashMap<i64, Reference>, SendError> {
        let domain = domain![
            ("company_id", "=", self.odoo.settings.company),
            (Model::Sale.mark(), "=like", "puente %"),
            ("order_line.move_ids.picking_id", "in", deliveries)
        ];
        let found: Vec<Sale> = self.read("sale.order", &domain, &[Model::Sale.reference(), "order_line"]).await?;
        let lines = found.into_iter().filter_map(|sale| Some((sale.client_order_ref.0?, sale.order_line)));
        Ok(lines.flat_map(|(sale, lines)| lines.into_iter().map(move |line| (line, sale.clone()))).collect())
    }

    /// What left with deliveries, of these lines of sales.
    async fn gone(&self, deliveries: &[i64], lines: BTreeSet<i64>) -> Result<Vec<Gone>, SendError> {
        let before_17 = self.odoo.server.edition(self.calls).await?.major < 17;
        let quantity = if before_17 { "quantity_done" } else { "quantity" };
        let domain = domain![("picking_id", "in", deliveries), ("state", "=", "done"), ("sale_line_id", "in", lines)];
        let fields =
            ["picking_id", "sale_line_id", "product_id", quantity, "product_uom", "product_uom_qty", "product_qty"];
        self.read("stock.move", &domain, &fields).await
    }

    async fn articles(&self, gone: &[Gone]) -> Result<HashMap<i64, Article>, SendError> {
        let ids: BTreeSet<i64> = gone.iter().map(|gone| gone.product_id.0).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        // Archived ones were sent too.
        let domain = domain![("id", "in", ids), ("active", "in", [true, false])];
        let found: Vec<Article> = self.read("product.product", &domain, &["default_code", "uom_id"]).await?;
        Ok(found.into_iter().map(|article| (article.id, article)).collect())
    }

    /// Where deliveries can be followed, of those among `told` that have numbers; nothing where a carrier's connector fails.
    async fn links(&self, deliveries: &[Delivery], told: &BTreeSet<i64>) -> Result<HashMap<i64, String>, SendError> {
        #[derive(Deserialize)]
        struct Linked {
            id: i64,
            #[serde(default)]
            carrier_tracking_url: Maybe<String>,
        }
        let followed = |delivery: &&Delivery| told.contains(&delivery.id) && delivery.is_followed();
        let ids: Vec<i64> = deliveries.iter().filter(followed).map(|delivery| delivery.id).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        match self.read::<Linked>("stock.picking", &domain![("id", "in", ids)], &["carrier_tracking_url"]).await {
            Ok(found) => {
                Ok(found.into_iter().filter_map(|linked| Some((linked.id, linked.carrier_tracking_url.0?))).collect())
            }
            Err(SendError::Ambiguous(_)) => Ok(HashMap::new()),
            Err(send_error) => Err(send_error),
        }
    }

    async fn read<T: DeserializeOwned>(
        &self,
        model: &str,
        domain: &[Box<RawValue>],
        fields: &[&str],
    ) -> Result<Vec<T>, SendError> {
        self.odoo.server.search(self.calls, model, &raw(&domain), fields).await
    }
}

#[cfg(test)]
mod tests;
