//! The ERP's articles that stand for what is none.

use serde::Deserialize;

use crate::domain::order::ChargeKind;

/// The codes of the products that stand for what is not an article.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::erp) struct Codes {
    pub(in crate::erp) shipping: Option<String>,
    pub(in crate::erp) tip: Option<String>,
    pub(in crate::erp) duty: Option<String>,
    pub(in crate::erp) fee: Option<String>,
    pub(in crate::erp) discount: Option<String>,
    pub(in crate::erp) rounding: Option<String>,
    pub(in crate::erp) store_credit: Option<String>,
    /// Money given back without saying for what.
    pub(in crate::erp) refund: Option<String>,
    pub(in crate::erp) gift_card: Option<String>,
    pub(in crate::erp) custom: Option<String>,
    pub(in crate::erp) adjustment: Option<String>,
}

impl Codes {
    /// The code of the product for a kind of charge.
    #[must_use]
    pub(in crate::erp) fn of(&self, kind: ChargeKind) -> Option<&str> {
        match kind {
            ChargeKind::Shipping => &self.shipping,
            ChargeKind::Tip => &self.tip,
            ChargeKind::Duty => &self.duty,
            ChargeKind::Fee => &self.fee,
            ChargeKind::Rounding => &self.rounding,
            ChargeKind::StoreCredit => &self.store_credit,
            ChargeKind::Refund => &self.refund,
        }
        .as_deref()
    }

    /// Its key in the configuration.
    #[must_use]
    pub(in crate::erp) fn key(kind: ChargeKind) -> &'static str {
        match kind {
            ChargeKind::Shipping => "shipping",
            ChargeKind::Tip => "tip",
            ChargeKind::Duty => "duty",
            ChargeKind::Fee => "fee",
            ChargeKind::Rounding => "rounding",
            ChargeKind::StoreCredit => "store_credit",
            ChargeKind::Refund => "refund",
        }
    }
}
