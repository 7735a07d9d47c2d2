//! Medusa's own names, and only those that are read. Every figure is there twice; `raw_…` has it as text, and is not needed: a JSON
//! number is read digit by digit, and what a double has lost lies far behind the minor unit.
//! <https://docs.medusajs.com/api/admin#orders_order_schema>

use std::{borrow::Cow, collections::HashMap};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::parse::{Code, Money, Text, list, object};
use crate::domain::{ids::OrderId, money::Amount};

/// What the subscriber sends: `{ "event": …, "order": { … } }`.
#[derive(Deserialize)]
pub(super) struct Webhook<'a> {
    #[serde(borrow)]
    pub(super) order: Order<'a>,
}

/// What every webhook has, whatever else is wrong with it. Medusa's own events carry `data.id`.
#[derive(Deserialize)]
pub(super) struct Outline<'a> {
    #[serde(borrow, default, deserialize_with = "object")]
    pub(super) order: Option<OrderOutline<'a>>,
    #[serde(borrow, default, deserialize_with = "object")]
    data: Option<Data<'a>>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    order_id: Text<'a>,
}

/// What can be said of an order that cannot be read.
#[derive(Deserialize)]
pub(super) struct OrderOutline<'a> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    status: Text<'a>,
    #[serde(default)]
    is_draft_order: Option<bool>,
    #[serde(borrow, default)]
    pub(super) total: Option<&'a RawValue>,
}

impl Outline<'_> {
    /// The order's id.
    pub(super) fn id(&self) -> Option<OrderId> {
        let data = self.data.as_ref();
        let named =
            [self.order.as_ref().map(|order| &order.id), data.map(|data| &data.order_id), data.map(|data| &data.id)];
        named.into_iter().flatten().find_map(|text| order_id(text.as_str()))
    }
}

impl OrderOutline<'_> {
    /// Whether somebody is still writing it.
    pub(super) fn is_draft(&self) -> bool {
        self.is_draft_order == Some(true) || self.status.as_str() == "draft"
    }
}

/// An order's id: `order_` and a ULID. Other things' ids begin with other words.
pub(super) fn order_id(text: &str) -> Option<OrderId> {
    let plain = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if text.strip_prefix("order_").is_some_and(plain) { text.parse().ok() } else { None }
}

/// An answer with one order.
#[derive(Deserialize)]
pub(super) struct Single<'a> {
    #[serde(borrow)]
    pub(super) order: &'a RawValue,
}

#[derive(Deserialize)]
pub(super) struct Order<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow, default)]
    pub(super) display_id: Code<'a>,
    #[serde(borrow, default)]
    pub(super) status: Text<'a>,
    #[serde(borrow, default)]
    pub(super) canceled_at: Text<'a>,
    #[serde(borrow)]
    pub(super) currency_code: Text<'a>,
    #[serde(borrow, default)]
    pub(super) email: Text<'a>,
    #[serde(borrow)]
    pub(super) created_at: Text<'a>,
    #[serde(borrow)]
    pub(super) updated_at: Text<'a>,
    #[serde(borrow, default)]
    pub(super) customer_id: Text<'a>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub(super) customer: Option<Customer<'a>>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub(super) sales_channel: Option<Channel<'a>>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub(super) billing_address: Option<Address<'a>>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub(super) shipping_address: Option<Address<'a>>,
    #[serde(borrow, default)]
    pub(super) metadata: Option<Metadata<'a>>,
    #[serde(borrow, deserialize_with = "list")]
    pub(super) items: Vec<Part<'a>>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(super) shipping_methods: Vec<Part<'a>>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(super) credit_lines: Vec<CreditLine<'a>>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(super) payment_collections: Vec<Collection<'a>>,
    #[serde(default, deserialize_with = "object")]
    pub(super) summary: Option<Summary>,
    /// What it comes to now: after credit lines, and so after refunds.
    pub(super) total: Amount,
    #[serde(default)]
    pub(super) tax_total: Money,
}

pub(super) type Metadata<'a> = HashMap<Cow<'a, str>, Text<'a>>;

#[derive(Deserialize)]
pub(super) struct Customer<'a> {
    #[serde(borrow, default)]
    pub(super) first_name: Text<'a>,
    #[serde(borrow, default)]
    pub(super) last_name: Text<'a>,
    #[serde(borrow, default)]
    pub(super) company_name: Text<'a>,
    #[serde(borrow, default)]
    pub(super) phone: Text<'a>,
    #[serde(borrow, default)]
    pub(super) metadata: Option<Metadata<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Channel<'a> {
    #[serde(borrow, default)]
    pub(super) name: Text<'a>,
}

#[allow(clippy::struct_field_names, reason = "the vendor's own names")]
#[derive(Deserialize)]
pub(super) struct Address<'a> {
    #[serde(borrow, default)]
    pub(super) first_name: Text<'a>,
    #[serde(borrow, default)]
    pub(super) last_name: Text<'a>,
    #[serde(borrow, default)]
    pub(super) company: Text<'a>,
    #[serde(borrow, default)]
    pub(super) address_1: Text<'a>,
    #[serde(borrow, default)]
    pub(super) address_2: Text<'a>,
    #[serde(borrow, default)]
    pub(super) city: Text<'a>,
    #[serde(borrow, default)]
    pub(super) province: Text<'a>,
    #[serde(borrow, default)]
    pub(super) postal_code: Text<'a>,
    #[serde(borrow, default)]
    pub(super) country_code: Text<'a>,
    #[serde(borrow, default)]
    pub(super) phone: Text<'a>,
    #[serde(borrow, default)]
    pub(super) metadata: Option<Metadata<'a>>,
}

/// An item, or a shipping method: both have these figures, and none of them is rounded.
#[derive(Deserialize)]
pub(super) struct Part<'a> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    /// Of a shipping method.
    #[serde(borrow, default)]
    pub(super) name: Text<'a>,
    /// Of an item.
    #[serde(borrow, default)]
    pub(super) title: Text<'a>,
    #[serde(borrow, default)]
    pub(super) variant_title: Text<'a>,
    #[serde(borrow, default)]
    pub(super) variant_sku: Code<'a>,
    #[serde(default)]
    pub(super) is_giftcard: bool,
    #[serde(default)]
    pub(super) quantity: Money,
    /// Whether the price contains its tax.
    #[serde(default)]
    pub(super) is_tax_inclusive: bool,
    /// Before discounts, without tax.
    pub(super) subtotal: Amount,
    /// Before discounts, with tax.
    pub(super) original_total: Amount,
    /// What discounts take off, without tax.
    pub(super) discount_subtotal: Amount,
    /// What discounts take off, with tax.
    pub(super) discount_total: Amount,
    /// The tax after discounts.
    pub(super) tax_total: Amount,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(super) tax_lines: Vec<TaxLine<'a>>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(super) adjustments: Vec<Adjustment<'a>>,
}

#[derive(Deserialize)]
pub(super) struct TaxLine<'a> {
    #[serde(borrow, default)]
    pub(super) description: Text<'a>,
    #[serde(borrow, default)]
    pub(super) code: Text<'a>,
    /// A percentage.
    #[serde(default)]
    pub(super) rate: Money,
    #[serde(default)]
    pub(super) total: Money,
}

#[derive(Deserialize)]
pub(super) struct Adjustment<'a> {
    #[serde(borrow, default)]
    pub(super) code: Text<'a>,
}

/// What lowers the total: what a refund took off, or a credit.
#[derive(Deserialize)]
pub(super) struct CreditLine<'a> {
    /// `payment_collection` where a refund made it.
    #[serde(borrow, default)]
    pub(super) reference: Text<'a>,
    #[serde(default)]
    pub(super) amount: Money,
}

#[derive(Deserialize)]
pub(super) struct Collection<'a> {
    #[serde(borrow, default)]
    pub(super) status: Text<'a>,
    #[serde(borrow, default)]
    pub(super) updated_at: Text<'a>,
    #[serde(default)]
    pub(super) authorized_amount: Money,
    #[serde(default)]
    pub(super) captured_amount: Money,
    #[serde(default)]
    pub(super) refunded_amount: Money,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(super) payments: Vec<Payment<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Payment<'a> {
    #[serde(borrow, default, deserialize_with = "list")]
    pub(super) refunds: Vec<Refund<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Refund<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    pub(super) amount: Amount,
    #[serde(borrow, default)]
    pub(super) note: Text<'a>,
}

/// What is known of the payment where its collections are not there.
#[derive(Deserialize)]
pub(super) struct Summary {
    #[serde(default)]
    pub(super) paid_total: Money,
    #[serde(default)]
    pub(super) refunded_total: Money,
}
