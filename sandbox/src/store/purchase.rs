//! What buyers do: orders as they really are, before any vendor's format. Amounts are whole minor units, so that they are exact.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use crate::dice::Dice;

/// An article of the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Article {
    /// Its code.
    pub sku: &'static str,
    /// Its name.
    pub title: &'static str,
    /// Its price in minor units.
    pub price: i64,
}

const fn article(sku: &'static str, title: &'static str, price: i64) -> Article {
    Article { sku, title, price }
}

/// What the shop sells, and the ERP knows.
pub const CATALOGUE: &[Article] = &[
    article("MATE-01", "Mate de calabaza", 1290),
    article("BOMB-02", "Bombilla de alpaca", 899),
    article("YERBA-1K", "Yerba mate 1 kg", 645),
    article("TERMO-1L", "Termo 1 l \"Andes\"", 5499),
    article("PONCHO-M", "Poncho <M> & Co.", 8990),
    article("ALF-12", "Alfajores, caja de 12", 1575),
    article("DDL-400", "Dulce de leche 400 g", 333),
    article("CINTO-95", "Cinturón de cuero", 4210),
];

/// Sold as an article, but a liability and not revenue; it is not taxed.
pub(super) const GIFT_CARD: Article = article("ALF-12", "Gift card", 2500);

/// An article that no ERP knows.
pub(super) const UNKNOWN: Article = article("NO-SUCH-SKU", "Misspelt article", 1000);

/// How an order came to its end, and how its webhooks travelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Story {
    Paid,
    Steps,
    Delivered,
    Duplicate,
    OutOfOrder,
    SameSecond,
    Lost,
    Forged,
    UnknownSku,
    BadBooks,
    Malformed,
    Unpaid,
    Cancelled,
    Test,
    /// Changed by the shop before it was paid: pieces and a line removed, another line added for them.
    Edited,
    /// A part given back before anybody was told of the order.
    Refunded,
}

/// One state of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) at: Timestamp,
    pub(super) stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Pending,
    Paid,
    Fulfilled,
    Cancelled,
    Refunded,
}

/// An order.
#[derive(Debug, Clone)]
pub(super) struct Purchase {
    pub(super) story: Story,
    pub(super) id: u64,
    pub(super) number: u64,
    pub(super) placed_at: Timestamp,
    pub(super) currency: (&'static str, u32),
    pub(super) tax_included: bool,
    pub(super) tax_per_thousand: i64,
    /// What was sold in the end.
    pub(super) lines: Vec<Line>,
    /// What an edit made of it; the last of `lines` came with it.
    pub(super) edit: Option<Edit>,
    pub(super) shipping: Option<Shipping>,
    pub(super) tip: i64,
    pub(super) coupon: Option<&'static str>,
    pub(super) buyer: Option<Buyer>,
    pub(super) states: Vec<State>,
    pub(super) token: String,
}

#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) id: u64,
    pub(super) article: Article,
    pub(super) quantity: i64,
    pub(super) discount: i64,
    pub(super) tax: i64,
    pub(super) gift_card: bool,
}

/// What an edit took away.
#[derive(Debug, Clone)]
pub(super) struct Edit {
    /// Pieces of the first line, with their own part of its discount and tax.
    pub(super) fewer: Line,
    /// A whole line.
    pub(super) gone: Line,
}

#[derive(Debug, Clone)]
pub(super) struct Shipping {
    pub(super) title: &'static str,
    pub(super) price: i64,
    pub(super) tax: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Buyer {
    /// Guests have none.
    pub(super) id: Option<u64>,
    pub(super) first: &'static str,
    pub(super) last: String,
    pub(super) email: String,
    pub(super) city: &'static str,
}

impl Line {
    pub(super) fn amount(&self) -> i64 {
        self.quantity * self.article.price
    }
    pub(super) fn net(&self) -> i64 {
        self.amount() - self.discount
    }
}

impl Purchase {
    /// Order number `n` of the shop, with that story.
    pub(super) fn invent(
        seed: u64,
        n: u64,
        story: Story,
        since: Timestamp,
        currencies: &[(&'static str, u32)],
    ) -> Self {
        let mut dice = Dice::new(seed, n + 1);
        let placed_at = since + SignedDuration::from_secs(i64::try_from(n).unwrap_or_default() * 7);
        let mut purchase = Self {
            story,
            // Shopify's ids pass 2^53, where a float loses digits.
            id: 5_500_000_000_000
                + n * 1_000
                + dice.below(1_000)
                + if n.is_multiple_of(3) { 9_100_000_000_000_000 } else { 0 },
            number: 1001 + n,
            placed_at,
            currency: dice.one(currencies).copied().unwrap_or(("EUR", 2)),
            tax_included: dice.chance(400),
            tax_per_thousand: *dice.one(&[210, 100, 50, 0]).unwrap_or(&210),
            lines: Vec::new(),
            edit: None,
            shipping: None,
            tip: if dice.chance(60) { dice.between(50, 500) } else { 0 },
            coupon: dice.chance(300).then_some("WELCOME10"),
            buyer: None,
            states: Vec::new(),
            token: dice.hex(32),
        };
        purchase.fill_cart(&mut dice, n);
        if story != Story::Test && dice.chance(900) {
            purchase.buyer = Some(buyer(&mut dice));
        }
        purchase.live(&mut dice);
        if story == Story::Edited {
            purchase.edit(&mut dice, n);
        }
        purchase
    }

    fn fill_cart(&mut self, dice: &mut Dice, n: u64) {
        let count = 1 + dice.below(4);
        for place in 0..count {
            let gift_card = dice.chance(30);
            let mut article = if gift_card { GIFT_CARD } else { dice.one(CATALOGUE).copied().unwrap_or(GIFT_CARD) };
            if self.story == Story::UnknownSku && place == 0 {
                article = UNKNOWN;
            }
            let quantity = 1 + i64::try_from(dice.below(3)).unwrap_or_default();
            let id = 14_000_000_000 + n * 10 + place;
            let mut line = Line { id, article, quantity, discount: 0, tax: 0, gift_card };
            if self.coupon.is_some() && !gift_card {
                // A tenth, and a cent more here and there: vendors put the remainder on one line.
                line.discount = line.amount() / 10 + dice.between(0, 1);
            }
            line.tax = if gift_card { 0 } else { self.tax_of(line.net()) };
            self.lines.push(line);
        }
        if dice.chance(700) {
            let price = *dice.one(&[0, 490, 995]).unwrap_or(&490);
            self.shipping = Some(Shipping { title: "Correo estándar", price, tax: self.tax_of(price) });
        }
    }

    /// The shop takes pieces of the first line and a whole one away, and adds a line that costs as much as they did.
    fn edit(&mut self, dice: &mut Dice, n: u64) {
        let Some(first) = self.lines.first().cloned() else { return };
        let quantity = dice.between(1, 2);
        let mut fewer = Line { quantity, discount: first.discount * quantity / first.quantity, ..first };
        let article = dice.one(CATALOGUE).copied().unwrap_or(GIFT_CARD);
        let line = |place| Line {
            id: 14_000_000_000 + n * 10 + place,
            article,
            quantity: 1,
            discount: 0,
            tax: 0,
            gift_card: false,
        };
        let mut gone = line(8);
        fewer.tax = if fewer.gift_card { 0 } else { self.tax_of(fewer.net()) };
        gone.tax = self.tax_of(gone.net());
        let mut added = line(9);
        (added.article.price, added.tax) = (fewer.net() + gone.net(), fewer.tax + gone.tax);
        self.lines.push(added);
        self.edit = Some(Edit { fewer, gone });
    }

    /// The tax on, or in, an amount: rounded half up, as an invoice does.
    fn tax_of(&self, amount: i64) -> i64 {
        let rate = self.tax_per_thousand;
        if self.tax_included {
            let whole = 1000 + rate;
            amount - (amount * 1000 * 2 + whole) / (whole * 2)
        } else {
            (amount * rate * 2 + 1000) / 2000
        }
    }

    /// `WooCommerce` states lines net of tax, however prices were entered; it sells gift cards only with an extension.
    pub(super) fn make_net(&mut self) {
        self.tax_included = false;
        let rate = self.tax_per_thousand;
        for line in &mut self.lines {
            line.gift_card = false;
            line.tax = (line.net() * rate * 2 + 1000) / 2000;
        }
        if let Some(shipping) = &mut self.shipping {
            shipping.tax = (shipping.price * rate * 2 + 1000) / 2000;
        }
    }

    fn live(&mut self, dice: &mut Dice) {
        let mut at = self.placed_at;
        let mut step = |stage| {
            at += SignedDuration::from_secs(dice.between(5, 300));
            State { at, stage }
        };
        self.states = match self.story {
            Story::Paid
            | Story::Forged
            | Story::UnknownSku
            | Story::BadBooks
            | Story::Malformed
            | Story::Lost
            | Story::Test
            | Story::Duplicate => vec![step(Stage::Paid)],
            Story::Refunded => vec![step(Stage::Refunded)],
            Story::Steps | Story::OutOfOrder | Story::Edited => vec![step(Stage::Pending), step(Stage::Paid)],
            Story::Delivered => vec![step(Stage::Pending), step(Stage::Paid), step(Stage::Fulfilled)],
            Story::SameSecond => {
                let pending = step(Stage::Pending);
                vec![pending, State { stage: Stage::Paid, ..pending }]
            }
            Story::Unpaid => vec![step(Stage::Pending)],
            Story::Cancelled => vec![step(Stage::Pending), step(Stage::Cancelled)],
        };
    }

    /// Σ lines after discounts.
    pub(super) fn subtotal(&self) -> i64 {
        self.lines.iter().map(Line::net).sum()
    }

    pub(super) fn discounts(&self) -> i64 {
        self.lines.iter().map(|line| line.discount).sum()
    }

    pub(super) fn shipping_price(&self) -> i64 {
        self.shipping.as_ref().map_or(0, |shipping| shipping.price)
    }

    pub(super) fn tax(&self) -> i64 {
        self.lines.iter().map(|line| line.tax).sum::<i64>() + self.shipping.as_ref().map_or(0, |shipping| shipping.tax)
    }

    /// What the parts make.
    pub(super) fn sum(&self) -> i64 {
        let on_top = if self.tax_included { 0 } else { self.tax() };
        self.subtotal() + self.shipping_price() + on_top + self.tip
    }

    /// What the store says: not always the same.
    pub(super) fn total(&self) -> i64 {
        if self.story == Story::BadBooks { self.sum() + 100 } else { self.sum() }
    }

    /// An amount of this order as the vendors write it.
    pub(super) fn money(&self, minor: i64) -> String {
        self.decimal(minor).to_string()
    }

    pub(super) fn decimal(&self, minor: i64) -> Decimal {
        Decimal::new(minor, self.currency.1)
    }

    pub(super) fn last(&self) -> State {
        self.states.last().copied().unwrap_or(State { at: self.placed_at, stage: Stage::Pending })
    }
}

/// Every invented e-mail address begins so: a test that finds it in a log has found personal data there.
pub const CANARY: &str = "canary.";

fn buyer(dice: &mut Dice) -> Buyer {
    let first = *dice.one(&["Ana", "Bruno", "Carla", "Diego", "Elena", "Félix", "Zoë"]).unwrap_or(&"Ana");
    let last = format!("{}-Canary", dice.one(&["Pérez", "O'Neill", "Müller", "Souza", "李"]).unwrap_or(&"Pérez"));
    Buyer {
        id: dice.chance(700).then(|| 7_000_000_000 + dice.below(40)),
        first,
        last,
        email: format!("{CANARY}{}@example.com", dice.hex(6)),
        city: dice.one(&["Rosario", "Montevideo", "Sevilla", "São Paulo"]).unwrap_or(&"Rosario"),
    }
}
