//! What buyers do: orders as they really are, before any vendor's format. Amounts are whole minor units, so that they are exact.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use crate::dice::Dice;

/// An article of the shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Article {
    /// Its code.
    pub sku: Cow<'static, str>,
    /// Its name.
    pub title: Cow<'static, str>,
    /// Its price in minor units.
    pub price: i64,
}

const fn article(sku: &'static str, title: &'static str, price: i64) -> Article {
    Article { sku: Cow::Borrowed(sku), title: Cow::Borrowed(title), price }
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
const GIFT_CARD: Article = article("ALF-12", "Gift card", 2500);

/// An article that no ERP knows.
const UNKNOWN: Article = article("NO-SUCH-SKU", "Misspelt article", 1000);

/// How an order came to its end, and how its webhooks travelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Story {
    /// Paid at once.
    Paid,
    /// Placed, then paid.
    Steps,
    /// Placed, paid and delivered.
    Delivered,
    /// Its webhook comes three times.
    Duplicate,
    /// An older state comes after the newer one.
    OutOfOrder,
    /// Two states have one modification time, and the older one comes last.
    SameSecond,
    /// No webhook tells of it.
    Lost,
    /// Somebody else signed it.
    Forged,
    /// It has an article that the ERP does not know.
    UnknownSku,
    /// The store's total is another than its parts make.
    BadBooks,
    /// Its total is no number.
    Malformed,
    /// Nobody pays it.
    Unpaid,
    /// Cancelled before it was paid.
    Cancelled,
    /// The store calls it a test.
    Test,
    /// Changed by the shop before it was paid: pieces and a line removed, another line added for them.
    Edited,
    /// A part given back before anybody was told of the order.
    Refunded,
}

/// One state of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// When the store modified it so.
    pub at: Timestamp,
    /// How far it is.
    pub stage: Stage,
}

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Placed, and not paid.
    Pending,
    /// Paid.
    Paid,
    /// Paid and delivered.
    Fulfilled,
    /// Cancelled.
    Cancelled,
    /// Paid, and a part given back.
    Refunded,
}

/// An order.
#[derive(Debug, Clone)]
pub struct Purchase {
    /// What becomes of it.
    pub story: Story,
    /// A number of many digits.
    pub id: u64,
    /// The number that people use.
    pub number: u64,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// ISO 4217, and how many decimals it has.
    pub currency: (&'static str, u32),
    /// Whether prices contain their tax.
    pub tax_included: bool,
    /// The tax, in thousandths; zero: nothing is taxed.
    pub tax_per_thousand: i64,
    /// What the tax is called.
    pub tax_name: &'static str,
    /// What was sold in the end.
    pub lines: Vec<Line>,
    /// What an edit made of it; the last of `lines` came with it.
    pub edit: Option<Edit>,
    /// Carriage.
    pub shipping: Option<Shipping>,
    /// A tip, untaxed.
    pub tip: i64,
    /// A code that the discounts are for.
    pub coupon: Option<&'static str>,
    /// Who bought; nobody at a till.
    pub buyer: Option<Buyer>,
    /// Its states, oldest first.
    pub states: Vec<State>,
    /// Money given back that takes nothing off what was sold: an id of each, and the amount.
    pub goodwill: Vec<(u64, i64)>,
    /// How much more the store says it comes to than its parts make.
    pub off: i64,
    /// Hexadecimal digits that nobody guesses.
    pub token: String,
}

/// A line of an order.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its id.
    pub id: u64,
    /// What was bought.
    pub article: Article,
    /// How many.
    pub quantity: i64,
    /// Off the whole line.
    pub discount: i64,
    /// Tax of the whole line: in the price, or on top of it.
    pub tax: i64,
    /// Whether it is a gift card.
    pub gift_card: bool,
}

/// What an edit took away.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Pieces of the first line, with their own part of its discount and tax.
    pub fewer: Line,
    /// A whole line.
    pub gone: Line,
}

/// How it is carried.
#[derive(Debug, Clone)]
pub struct Shipping {
    /// What the buyer read.
    pub title: &'static str,
    /// What it costs.
    pub price: i64,
    /// The tax, in the price or on top of it.
    pub tax: i64,
}

/// Who bought.
#[derive(Debug, Clone)]
pub struct Buyer {
    /// Guests have none.
    pub id: Option<u64>,
    /// First name.
    pub first: &'static str,
    /// Last name.
    pub last: String,
    /// E-mail address.
    pub email: String,
    /// City.
    pub city: &'static str,
}

impl Line {
    /// Before the discount.
    #[must_use]
    pub fn amount(&self) -> i64 {
        self.quantity * self.article.price
    }
    /// After the discount.
    #[must_use]
    pub fn net(&self) -> i64 {
        self.amount() - self.discount
    }
}

impl Purchase {
    /// Order number `n` of the shop, with that story.
    #[must_use]
    pub fn invent(seed: u64, n: u64, story: Story, since: Timestamp, currencies: &[(&'static str, u32)]) -> Self {
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
            tax_name: "IVA",
            tax_per_thousand: *dice.one(&[210, 100, 50, 0]).unwrap_or(&210),
            lines: Vec::new(),
            edit: None,
            shipping: None,
            tip: if dice.chance(60) { dice.between(50, 500) } else { 0 },
            coupon: dice.chance(300).then_some("WELCOME10"),
            buyer: None,
            states: Vec::new(),
            goodwill: Vec::new(),
            off: if story == Story::BadBooks { 100 } else { 0 },
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
            let mut article = if gift_card { GIFT_CARD } else { dice.one(CATALOGUE).cloned().unwrap_or(GIFT_CARD) };
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
        let article = dice.one(CATALOGUE).cloned().unwrap_or(GIFT_CARD);
        let line = |place| Line {
            id: 14_000_000_000 + n * 10 + place,
            article: article.clone(),
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

    /// Makes prices net of tax, and sells no gift cards: for vendors that know neither.
    pub fn make_net(&mut self) {
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
    #[must_use]
    pub fn subtotal(&self) -> i64 {
        self.lines.iter().map(Line::net).sum()
    }

    /// All discounts.
    #[must_use]
    pub fn discounts(&self) -> i64 {
        self.lines.iter().map(|line| line.discount).sum()
    }

    /// What carriage costs.
    #[must_use]
    pub fn shipping_price(&self) -> i64 {
        self.shipping.as_ref().map_or(0, |shipping| shipping.price)
    }

    /// All tax.
    #[must_use]
    pub fn tax(&self) -> i64 {
        self.lines.iter().map(|line| line.tax).sum::<i64>() + self.shipping.as_ref().map_or(0, |shipping| shipping.tax)
    }

    /// What the parts make.
    #[must_use]
    pub fn sum(&self) -> i64 {
        let on_top = if self.tax_included { 0 } else { self.tax() };
        self.subtotal() + self.shipping_price() + on_top + self.tip
    }

    /// What the store says: not always the same.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.sum() + self.off
    }

    /// An amount of this order as the vendors write it.
    #[must_use]
    pub fn money(&self, minor: i64) -> String {
        self.decimal(minor).to_string()
    }

    /// An amount of this order.
    #[must_use]
    pub fn decimal(&self, minor: i64) -> Decimal {
        Decimal::new(minor, self.currency.1)
    }

    /// Its last state.
    #[must_use]
    pub fn last(&self) -> State {
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
