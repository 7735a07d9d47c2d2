//! What Shopify sends, by its own names: the order of the REST Admin API, which is also the body of an order's webhook.
//! Only what is mapped is listed; the rest of a body is skipped without being built.
//! <https://shopify.dev/docs/api/admin-rest/latest/resources/order>

#![allow(clippy::struct_field_names, reason = "the names are the vendor's")]

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    domain::money::Amount,
    store::parse::{Code, Text, list, object},
};

/// An order. Top-level amounts are in the shop's currency; `…_set` has both currencies.
#[derive(Deserialize)]
pub(crate) struct Order<'a> {
    #[serde(borrow)]
    pub(crate) id: Code<'a>,
    /// Other resources (fulfilments, refunds, draft orders) name the order they belong to; an order has none.
    #[serde(borrow, default)]
    pub(crate) order_id: Code<'a>,
    #[serde(borrow, default)]
    pub(crate) admin_graphql_api_id: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) name: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) order_number: Code<'a>,
    #[serde(borrow)]
    pub(crate) created_at: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) processed_at: Text<'a>,
    #[serde(borrow)]
    pub(crate) updated_at: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) cancelled_at: Text<'a>,
    #[serde(borrow)]
    pub(crate) currency: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) source_name: Text<'a>,
    #[serde(default)]
    pub(crate) test: Option<bool>,
    #[serde(borrow, default)]
    pub(crate) financial_status: Text<'a>,
    #[serde(default)]
    pub(crate) taxes_included: Option<bool>,
    #[serde(default)]
    pub(crate) duties_included: Option<bool>,
    pub(crate) total_price: Amount,
    #[serde(default)]
    pub(crate) total_tax: Option<Amount>,
    #[serde(default)]
    pub(crate) total_discounts: Option<Amount>,
    #[serde(default)]
    pub(crate) total_tip_received: Option<Amount>,
    #[serde(default)]
    pub(crate) original_total_duties_set: Option<Both>,
    #[serde(default)]
    pub(crate) original_total_additional_fees_set: Option<Both>,
    #[serde(default)]
    pub(crate) total_cash_rounding_payment_adjustment_set: Option<Both>,
    #[serde(borrow, default)]
    pub(crate) email: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) contact_email: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) phone: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) order_status_url: Text<'a>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) note_attributes: Vec<NoteAttribute<'a>>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub(crate) customer: Option<Customer<'a>>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub(crate) billing_address: Option<Address<'a>>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub(crate) shipping_address: Option<Address<'a>>,
    #[serde(borrow, deserialize_with = "list")]
    pub(crate) line_items: Vec<LineItem<'a>>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) shipping_lines: Vec<ShippingLine<'a>>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) discount_applications: Vec<DiscountApplication<'a>>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) refunds: Vec<Refund<'a>>,
}

/// An amount in the shop's and in the buyer's currency: only the shop's is used, everywhere.
#[derive(Deserialize, Clone, Copy)]
pub(crate) struct Both {
    pub(crate) shop_money: ShopMoney,
}

#[derive(Deserialize, Clone, Copy)]
pub(crate) struct ShopMoney {
    pub(crate) amount: Amount,
}

#[derive(Deserialize)]
pub(crate) struct NoteAttribute<'a> {
    #[serde(borrow, default)]
    pub(crate) name: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) value: Code<'a>,
}

#[derive(Deserialize)]
pub(crate) struct Customer<'a> {
    #[serde(borrow, default)]
    pub(crate) id: Code<'a>,
    #[serde(borrow, default)]
    pub(crate) first_name: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) last_name: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) email: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) phone: Text<'a>,
}

#[derive(Deserialize)]
pub(crate) struct Address<'a> {
    #[serde(borrow, default)]
    pub(crate) name: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) first_name: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) last_name: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) company: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) address1: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) address2: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) city: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) province: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) zip: Code<'a>,
    #[serde(borrow, default)]
    pub(crate) country_code: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) phone: Text<'a>,
}

/// A line, as at purchase (`current_quantity` is what edits and refunds left of it, and is not used).
#[derive(Deserialize)]
pub(crate) struct LineItem<'a> {
    #[serde(borrow)]
    pub(crate) id: Code<'a>,
    #[serde(borrow, default)]
    pub(crate) sku: Code<'a>,
    #[serde(borrow, default)]
    pub(crate) name: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) title: Text<'a>,
    pub(crate) quantity: Amount,
    /// Of one, before discounts.
    pub(crate) price: Amount,
    #[serde(default)]
    pub(crate) gift_card: Option<bool>,
    /// Present only on a line that is a tip.
    #[serde(borrow, default)]
    pub(crate) tip: Option<&'a RawValue>,
    /// The truth about this line's discounts; `total_discount` beside it stays at zero for codes and scripts.
    #[serde(default, deserialize_with = "list")]
    pub(crate) discount_allocations: Vec<DiscountAllocation>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) tax_lines: Vec<TaxLine<'a>>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) duties: Vec<Duty<'a>>,
}

#[derive(Deserialize)]
pub(crate) struct DiscountAllocation {
    pub(crate) amount: Amount,
    #[serde(default)]
    pub(crate) discount_application_index: Option<usize>,
}

#[derive(Deserialize)]
pub(crate) struct DiscountApplication<'a> {
    #[serde(borrow, default)]
    pub(crate) code: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) title: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) description: Text<'a>,
}

#[derive(Deserialize)]
pub(crate) struct TaxLine<'a> {
    #[serde(borrow, default)]
    pub(crate) title: Text<'a>,
    #[serde(default)]
    pub(crate) rate: Option<Amount>,
    pub(crate) price: Amount,
}

#[derive(Deserialize)]
pub(crate) struct Duty<'a> {
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) tax_lines: Vec<TaxLine<'a>>,
}

#[derive(Deserialize)]
pub(crate) struct ShippingLine<'a> {
    #[serde(borrow, default)]
    pub(crate) title: Text<'a>,
    pub(crate) price: Amount,
    #[serde(default)]
    pub(crate) discounted_price: Option<Amount>,
    #[serde(default, deserialize_with = "list")]
    pub(crate) discount_allocations: Vec<DiscountAllocation>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) tax_lines: Vec<TaxLine<'a>>,
}

#[derive(Deserialize)]
pub(crate) struct Refund<'a> {
    #[serde(borrow)]
    pub(crate) id: Code<'a>,
    #[serde(borrow, default)]
    pub(crate) note: Text<'a>,
    #[serde(default, deserialize_with = "list")]
    pub(crate) refund_line_items: Vec<RefundLineItem>,
    #[serde(default, deserialize_with = "list")]
    pub(crate) order_adjustments: Vec<OrderAdjustment>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) transactions: Vec<Transaction<'a>>,
}

/// JSON numbers, unlike all other amounts. In the shop's currency.
#[derive(Deserialize)]
pub(crate) struct RefundLineItem {
    #[serde(default)]
    pub(crate) subtotal: Option<Amount>,
    #[serde(default)]
    pub(crate) total_tax: Option<Amount>,
}

/// Negative where more was given back than the lines say (shipping), positive where less.
#[derive(Deserialize)]
pub(crate) struct OrderAdjustment {
    #[serde(default)]
    pub(crate) amount: Option<Amount>,
    #[serde(default)]
    pub(crate) tax_amount: Option<Amount>,
}

#[derive(Deserialize)]
pub(crate) struct Transaction<'a> {
    #[serde(borrow, default)]
    pub(crate) kind: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) status: Text<'a>,
    #[serde(default)]
    pub(crate) amount: Option<Amount>,
    /// Not always the shop's.
    #[serde(borrow, default)]
    pub(crate) currency: Text<'a>,
}

/// Whatever else a webhook may carry: only whose it is.
#[derive(Deserialize)]
pub(crate) struct Other<'a> {
    #[serde(borrow, default)]
    pub(crate) id: Code<'a>,
    #[serde(borrow, default)]
    pub(crate) admin_graphql_api_id: Text<'a>,
    /// Fulfilments, refunds, transactions.
    #[serde(borrow, default)]
    pub(crate) order_id: Code<'a>,
    /// Returns.
    #[serde(borrow, default, deserialize_with = "object")]
    pub(crate) order: Option<Owner<'a>>,
    /// `orders/edited`.
    #[serde(borrow, default, deserialize_with = "object")]
    pub(crate) order_edit: Option<Owner<'a>>,
    #[serde(borrow, default)]
    pub(crate) financial_status: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) line_items: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) order_status_url: Text<'a>,
}

/// The order something belongs to.
#[derive(Deserialize)]
pub(crate) struct Owner<'a> {
    #[serde(borrow, default)]
    pub(crate) id: Code<'a>,
    #[serde(borrow, default)]
    pub(crate) order_id: Code<'a>,
}

/// A page of the orders' list. Each is read by itself, so that one that cannot be read costs the others nothing.
#[derive(Deserialize)]
pub(crate) struct Page<'a> {
    #[serde(borrow)]
    pub(crate) orders: Vec<&'a RawValue>,
}

/// The answer to one order.
#[derive(Deserialize)]
pub(crate) struct Single<'a> {
    #[serde(borrow)]
    pub(crate) order: &'a RawValue,
}
