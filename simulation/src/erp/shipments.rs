//! What the ERP says that was sent.

use std::collections::BTreeMap;

use async_trait::async_trait;
use puente::{
    domain::{
        money::Amount,
        shipment::{Parcel, Shipment},
    },
    erp::{
        SendError,
        shipments::{Sent, ShipmentAsk, ShipmentPage, Shipments},
    },
    outbound::Calls,
};

use super::{Connector, network::Lost};
use crate::warehouse::Left;

#[async_trait]
impl Shipments for Connector {
    async fn page(&self, calls: &Calls<'_>, ask: &ShipmentAsk<'_>) -> Result<ShipmentPage, SendError> {
        let Some(warehouse) = self.0.warehouse.clone() else { return Ok(ShipmentPage::default()) };
        let since: Option<u64> = ask.since.and_then(|since| since.parse().ok());
        let answer = self.0.reach(calls, "erp.shipments", &[], move |_, _| warehouse.stock().sent(since));
        let (left, mark) = answer.await.map_err(|lost: Lost| lost.send_error())?;
        let rows = left.into_iter().filter_map(sent).collect();
        Ok(ShipmentPage { rows, mark: Some(mark.to_string()), ..ShipmentPage::default() })
    }
}

fn sent((place, left): (usize, Left)) -> Option<Sent> {
    let id = (place + 1).to_string();
    let shipment = Shipment {
        id: id.parse().ok()?,
        number: format!("OUT/{id}"),
        items: BTreeMap::from([(left.article.parse().ok()?, Amount::ONE)]),
        carrier: Some("A carrier".to_owned()),
        parcels: left.tracking.into_iter().map(|number| Parcel { number, url: None }).collect(),
    };
    Some(Sent { sale: left.order.sale(), shipment })
}
