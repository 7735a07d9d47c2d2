//! What Shopify sends, by its own names: the order of the REST Admin API, which is also the body of an order's webhook.
//! Only what is mapped is listed; the rest of a body is skipped without being built.
//! <https://shopify.dev/docs/api/admin-rest/latest/resources/order>

#![allow(clippy::struct_field_names, reason = "the names are the vendor's")]

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    domain::money::Amount,
    store::parse::{Code, Money, Text, list, object},
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
    /// What the buyer saw and paid in.
    #[serde(borrow, default)]
    pub(crate) presentment_currency: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) source_name: Text<'a>,
    #[serde(default)]
    pub(crate) test: Option<bool>,
    #[serde(borrow, default)]
    pub(crate) financial_status: Text<'a>,
    /// How it is paid, as the buyer read it: a provider's name, a manual method's.
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) payment_gateway_names: Vec<Text<'a>>,
    #[serde(default)]
    pub(crate) taxes_included: Option<bool>,
    #[serde(default)]
    pub(crate) duties_included: Option<bool>,
    /// As bought, with what edits added; what edits and returns removed is still in it.
    pub(crate) total_price: Amount,
    /// What is left after edits, returns and refunds. Bodies of old API versions do not say; nor of the other `current_…`.
    #[serde(default)]
    pub(crate) current_total_price: Money,
    #[serde(default)]
    pub(crate) current_total_tax: Money,
    #[serde(default)]
    pub(crate) current_total_duties_set: Option<Both>,
    #[serde(default)]
    pub(crate) current_total_additional_fees_set: Option<Both>,
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

/// A line, as at purchase, but for `current_quantity`.
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
    /// What edits, returns and refunds left of it.
    #[serde(default)]
    pub(crate) current_quantity: Money,
    /// What no carrier has yet.
    #[serde(default)]
    pub(crate) fulfillable_quantity: Money,
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
    pub(crate) id: Code<'a>,
    /// By an edit.
    #[serde(default)]
    pub(crate) is_removed: Option<bool>,
    /// What discounts, edits and refunds left of `price`.
    #[serde(default)]
    pub(crate) current_discounted_price_set: Option<Both>,
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

/// Money given back, goods taken off the order, or both: an edit that removes a line is a refund without transactions.
#[derive(Deserialize)]
pub(crate) struct Refund<'a> {
    #[serde(borrow)]
    pub(crate) id: Code<'a>,
    #[serde(borrow, default)]
    pub(crate) note: Text<'a>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) refund_line_items: Vec<RefundLineItem<'a>>,
    /// Since API version 2024-10; before, and sometimes beside it, they are order adjustments.
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) refund_shipping_lines: Vec<RefundShippingLine<'a>>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) order_adjustments: Vec<OrderAdjustment<'a>>,
    #[serde(default)]
    pub(crate) total_duties_set: Option<Both>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) transactions: Vec<Transaction<'a>>,
}

/// JSON numbers, unlike all other amounts, in the shop's currency; newer bodies have only the sets.
#[derive(Deserialize)]
pub(crate) struct RefundLineItem<'a> {
    #[serde(borrow, default)]
    pub(crate) line_item_id: Code<'a>,
    #[serde(default)]
    pub(crate) quantity: Money,
    #[serde(borrow, default)]
    pub(crate) restock_type: Text<'a>,
    #[serde(default)]
    pub(crate) subtotal: Money,
    #[serde(default)]
    pub(crate) subtotal_set: Option<Both>,
    #[serde(default)]
    pub(crate) total_tax: Money,
    #[serde(default)]
    pub(crate) total_tax_set: Option<Both>,
}

#[derive(Deserialize)]
pub(crate) struct RefundShippingLine<'a> {
    #[serde(borrow, default)]
    pub(crate) shipping_line_id: Code<'a>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub(crate) shipping_line: Option<Id<'a>>,
    #[serde(default)]
    pub(crate) subtotal_amount_set: Option<Both>,
}

#[derive(Deserialize)]
pub(crate) struct Id<'a> {
    #[serde(borrow, default)]
    pub(crate) id: Code<'a>,
}

/// Negative where more was given back than the lines say, positive where less. In the shop's currency.
#[derive(Deserialize)]
pub(crate) struct OrderAdjustment<'a> {
    #[serde(borrow, default)]
    pub(crate) kind: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) reason: Text<'a>,
    #[serde(default)]
    pub(crate) amount: Money,
    #[serde(default)]
    pub(crate) amount_set: Option<Both>,
    #[serde(default)]
    pub(crate) tax_amount: Money,
    #[serde(default)]
    pub(crate) tax_amount_set: Option<Both>,
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

/// The answer to one order.
#[derive(Deserialize)]
pub(crate) struct Single<'a> {
    #[serde(borrow)]
    pub(crate) order: &'a RawValue,
}
