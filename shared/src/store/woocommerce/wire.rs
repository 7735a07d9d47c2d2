//! What `WooCommerce` sends, by its own names: the order of its REST API v3, which is also the body of an order's webhook.
//! Only what is mapped is listed; the rest of a body is skipped without being built. PHP and plugins make the types drift,
//! hence `Code`, `Money`, `list` and `object`.
//! <https://woocommerce.github.io/woocommerce-rest-api-docs/#order-properties>

#![allow(clippy::struct_field_names, reason = "the names are the vendor's")]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    domain::money::Amount,
    store::parse::{Code, Money, Text, list, object},
};

/// An order. Lines, shipping and fees are net of tax, whatever `prices_include_tax` says.
#[derive(Deserialize)]
pub(crate) struct Order<'a> {
    #[serde(borrow)]
    pub(crate) id: Code<'a>,
    #[serde(borrow, default)]
    pub(crate) number: Code<'a>,
    #[serde(borrow)]
    pub(crate) status: Text<'a>,
    #[serde(borrow)]
    pub(crate) currency: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) created_via: Text<'a>,
    /// The gateway's id, such as `bacs`.
    #[serde(borrow, default)]
    pub(crate) payment_method: Text<'a>,
    /// The site's own time, without an offset.
    #[serde(borrow, default)]
    pub(crate) date_created: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) date_created_gmt: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) date_modified_gmt: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) date_paid_gmt: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) date_paid: Text<'a>,
    pub(crate) total: Amount,
    #[serde(default)]
    pub(crate) total_tax: Money,
    /// 0 is a guest.
    #[serde(borrow, default)]
    pub(crate) customer_id: Code<'a>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub(crate) billing: Option<Address<'a>>,
    #[serde(borrow, default, deserialize_with = "object")]
    pub(crate) shipping: Option<Address<'a>>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) meta_data: Vec<Meta<'a>>,
    #[serde(borrow, deserialize_with = "list")]
    pub(crate) line_items: Vec<LineItem<'a>>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) tax_lines: Vec<TaxLine<'a>>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) shipping_lines: Vec<ShippingLine<'a>>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) fee_lines: Vec<FeeLine<'a>>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) coupon_lines: Vec<CouponLine<'a>>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) refunds: Vec<Refund<'a>>,
    /// Of the vendor's gift card extension: outside the lines, and `total` is lower by them.
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) gift_cards: Vec<GiftCard<'a>>,
    /// Only subscriptions have one; they look like orders otherwise.
    #[serde(borrow, default)]
    pub(crate) billing_period: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(crate) struct Address<'a> {
    #[serde(borrow, default)]
    pub(crate) first_name: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) last_name: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) company: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) address_1: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) address_2: Text<'a>,
    /// `number`, `neighborhood`, `persontype`, `cpf` and `cnpj` come from the Brazilian market plugin.
    #[serde(borrow, default)]
    pub(crate) number: Code<'a>,
    #[serde(borrow, default)]
    pub(crate) neighborhood: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) persontype: Code<'a>,
    #[serde(borrow, default)]
    pub(crate) cpf: Code<'a>,
    #[serde(borrow, default)]
    pub(crate) cnpj: Code<'a>,
    #[serde(borrow, default)]
    pub(crate) city: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) state: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) postcode: Code<'a>,
    #[serde(borrow, default)]
    pub(crate) country: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) email: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) phone: Code<'a>,
}

/// How the keys of what we keep ourselves in an order's metadata begin: nothing of it says anything about the order.
pub(crate) const OURS: &str = "_puente_";

/// Anything a plugin kept. The value is any JSON; only text and numbers are of interest.
#[derive(Deserialize)]
pub(crate) struct Meta<'a> {
    #[serde(borrow, default)]
    pub(crate) key: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) value: Code<'a>,
}

#[derive(Deserialize)]
pub(crate) struct LineItem<'a> {
    #[serde(borrow, default)]
    pub(crate) id: Code<'a>,
    #[serde(borrow, default)]
    pub(crate) name: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) sku: Code<'a>,
    /// Fractions occur.
    pub(crate) quantity: Amount,
    /// Before coupons. (`price` beside it is a float after coupons, and is not used.)
    #[serde(default)]
    pub(crate) subtotal: Money,
    /// After coupons.
    pub(crate) total: Amount,
    #[serde(default)]
    pub(crate) total_tax: Money,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) taxes: Vec<LineTax<'a>>,
    /// Among it what the shop took off its stock for the line.
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) meta_data: Vec<Meta<'a>>,
}

/// The part of one rate in a line's tax, with more decimals than are charged.
#[derive(Deserialize)]
pub(crate) struct LineTax<'a> {
    /// The `rate_id` of a [`TaxLine`].
    #[serde(borrow, default)]
    pub(crate) id: Code<'a>,
    #[serde(default)]
    pub(crate) total: Money,
}

#[derive(Deserialize)]
pub(crate) struct TaxLine<'a> {
    #[serde(borrow, default)]
    pub(crate) rate_id: Code<'a>,
    #[serde(borrow, default)]
    pub(crate) label: Text<'a>,
    /// 21 is 21 %.
    #[serde(default)]
    pub(crate) rate_percent: Money,
}

#[derive(Deserialize)]
pub(crate) struct ShippingLine<'a> {
    #[serde(borrow, default)]
    pub(crate) method_title: Text<'a>,
    pub(crate) total: Amount,
    #[serde(default)]
    pub(crate) total_tax: Money,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) taxes: Vec<LineTax<'a>>,
}

/// Negative ones are discounts some plugins give.
#[derive(Deserialize)]
pub(crate) struct FeeLine<'a> {
    #[serde(borrow, default)]
    pub(crate) name: Text<'a>,
    pub(crate) total: Amount,
    #[serde(default)]
    pub(crate) total_tax: Money,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) taxes: Vec<LineTax<'a>>,
}

/// Only its name is used: what it takes off is in the lines already.
#[derive(Deserialize)]
pub(crate) struct CouponLine<'a> {
    #[serde(borrow, default)]
    pub(crate) code: Code<'a>,
}

#[derive(Deserialize)]
pub(crate) struct Refund<'a> {
    #[serde(borrow)]
    pub(crate) id: Code<'a>,
    #[serde(borrow, default)]
    pub(crate) reason: Text<'a>,
    /// Negative.
    pub(crate) total: Amount,
}

/// A refund with its parts, as the list of an order's refunds has it.
#[derive(Deserialize)]
pub(crate) struct Listed<'a> {
    #[serde(borrow)]
    pub(crate) id: Code<'a>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) line_items: Vec<RefundedItem<'a>>,
    /// Older releases list neither these nor fees.
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) shipping_lines: Vec<ShippingLine<'a>>,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) fee_lines: Vec<FeeLine<'a>>,
}

/// Its figures are negative.
#[derive(Deserialize)]
pub(crate) struct RefundedItem<'a> {
    pub(crate) quantity: Amount,
    pub(crate) total: Amount,
    #[serde(default)]
    pub(crate) total_tax: Money,
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) taxes: Vec<LineTax<'a>>,
    /// Which line of the order it is about.
    #[serde(borrow, default, deserialize_with = "list")]
    pub(crate) meta_data: Vec<Meta<'a>>,
}

/// The `code` beside these is money to whoever reads it, and is not read.
#[derive(Deserialize)]
pub(crate) struct GiftCard<'a> {
    #[serde(borrow, default)]
    pub(crate) id: Code<'a>,
    pub(crate) amount: Amount,
}

/// Whatever else a webhook may carry.
#[derive(Deserialize)]
pub(crate) struct Other<'a> {
    #[serde(borrow, default)]
    pub(crate) id: Code<'a>,
    #[serde(borrow, default)]
    pub(crate) status: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) line_items: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) currency: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) total: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) order_key: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) billing_period: Option<&'a RawValue>,
    /// Of bodies that an extension replaced by its own.
    #[serde(borrow, default, alias = "orderId", alias = "order_ID")]
    pub(crate) order_id: Code<'a>,
    /// Of webhooks about actions, with the action's first argument.
    #[serde(borrow, default)]
    pub(crate) action: Text<'a>,
    #[serde(borrow, default)]
    pub(crate) arg: Code<'a>,
    /// The Legacy REST API puts the order under a key.
    #[serde(borrow, default, deserialize_with = "object")]
    pub(crate) order: Option<LegacyOrder<'a>>,
    /// The REST API's errors: a code, a message, and the status among `data`.
    #[serde(borrow, default)]
    code: Text<'a>,
    #[serde(borrow, default)]
    message: Text<'a>,
    /// The Legacy API's: messages by code.
    #[serde(borrow, default)]
    errors: Option<BTreeMap<&'a str, &'a RawValue>>,
}

impl Other<'_> {
    /// The code of the error that it is, if it is one.
    pub(crate) fn error(&self) -> Option<&str> {
        let legacy = self.errors.as_ref().map(|errors| errors.keys().next().map_or("an error", |code| *code));
        legacy.or_else(|| {
            (!self.code.as_str().is_empty() && !self.message.as_str().is_empty()).then(|| self.code.as_str())
        })
    }

    /// Whether it has a status.
    pub(crate) fn is_named_status(&self) -> bool {
        !self.status.as_str().is_empty()
    }
}

/// An order as the Legacy REST API has it: only its id is read.
#[derive(Deserialize)]
pub(crate) struct LegacyOrder<'a> {
    #[serde(borrow, default)]
    pub(crate) id: Code<'a>,
}
