//! What the ERP does with what it is sent.

use puente::{
    domain::{
        document::{Action, Document, Operation},
        ids::Reference,
        version::Version,
    },
    erp::{Bulk, Class, Draft},
};
use serde::{Deserialize, Serialize};

use super::{Booked, Books, FORBIDDEN_SKU, ModelErp, PERIOD_CLOSED, POISON_SKU, REFUSED_SKU};
use crate::{executor::Micros, fault::Fault, world::MINUTE};

/// What the ERP says to one document.
#[derive(Debug, Clone)]
pub(super) enum Said {
    Done(Document),
    /// The reference is taken; or the sale does not carry the version any more that it is to be changed from.
    Exists,
    Refused(String),
    /// The whole call was answered 403.
    Forbidden,
    /// The whole call failed with a 500.
    Failed,
    /// The whole call was refused, and a part of it may have been done.
    Half,
}

/// Why the ERP leaves a sale as it is.
pub const SHIPPED: &str = "the sale was shipped";

impl ModelErp {
    /// One call of `operation`.
    pub(super) fn act_on(&self, books: &mut Books, operation: Operation, drafts: &[Draft]) -> Vec<Said> {
        let rendered: Vec<Rendered> = drafts.iter().map(|draft| Rendered::of(&draft.body)).collect();
        let alike = |said: &Said| vec![said.clone(); drafts.len()];
        if rendered.iter().any(|one| one.sku == FORBIDDEN_SKU) || self.world.now() < books.forbids_until {
            return alike(&Said::Forbidden);
        }
        if rendered.iter().any(|one| one.sku == POISON_SKU) {
            return alike(&Said::Failed);
        }
        let bulk = self.settings().can(operation).map_or(Bulk::Unknown, |can| can.bulk);
        if bulk == Bulk::Atomic {
            let wrongs = drafts.iter().zip(&rendered).filter_map(|(draft, one)| self.wrong(books, draft, one));
            let wrongs: Vec<Said> = wrongs.collect();
            if let Some(first) = wrongs.iter().find(|said| matches!(said, Said::Exists)).or(wrongs.first()) {
                return alike(first);
            }
        }
        let mut said = Vec::new();
        let half = drafts.len() > 1 && self.world.strikes(Fault::HalfCommitted, 100);
        for (place, (draft, one)) in drafts.iter().zip(&rendered).enumerate() {
            let broken = half && bulk == Bulk::Unknown && place >= drafts.len() / 2;
            match self.wrong(books, draft, one) {
                // What came before the wrong one is done, and nobody is told.
                Some(_) if bulk == Bulk::Unknown && drafts.len() > 1 => {
                    return alike(&Said::Half);
                }
                _ if broken => return alike(&Said::Half),
                Some(wrong) => said.push(wrong),
                None => said.push(Said::Done(self.done(books, draft, one))),
            }
        }
        said
    }

    /// What is wrong with one of them, if anything is.
    fn wrong(&self, books: &Books, draft: &Draft, one: &Rendered) -> Option<Said> {
        let refused = |words: &str| Some(Said::Refused(words.to_owned()));
        if one.stale {
            return refused("there is no such article any more");
        }
        if let Some(words) = books.words.get(&one.sku) {
            return refused(words);
        }
        if one.sku == REFUSED_SKU || self.world.now() < books.refuses_until {
            return refused(PERIOD_CLOSED);
        }
        match &one.action {
            Action::Create | Action::Credit { .. } => {
                let known = books.documents.iter().any(|other| other.reference == draft.reference);
                let unique = self.settings().creates.class == Class::Unique;
                (unique && known).then_some(Said::Exists)
            }
            Action::Amend { document, base } => {
                let Some(sale) = books.at(document).filter(|sale| !sale.deleted) else {
                    return refused("no such sale");
                };
                match () {
                    () if sale.cancelled => refused("the sale was cancelled"),
                    () if sale.shipped => refused(SHIPPED),
                    () if self.settings().amends_blindly => None,
                    () => (sale.version.as_ref() != Some(base)).then_some(Said::Exists),
                }
            }
            Action::Cancel { document } => {
                let Some(sale) = books.at(document).filter(|sale| !sale.deleted) else {
                    return refused("no such sale");
                };
                if sale.shipped && !sale.cancelled { refused(SHIPPED) } else { None }
            }
        }
    }

    fn done(&self, books: &mut Books, draft: &Draft, one: &Rendered) -> Document {
        match &one.action {
            Action::Create => self.book(books, draft, one, false),
            Action::Credit { sale, .. } => {
                if books.at(sale).is_none_or(|sale| sale.cancelled) {
                    self.world.violated(format!("{} is credited, and no such sale stands", draft.reference));
                }
                self.book(books, draft, one, true)
            }
            Action::Amend { document, .. } => {
                self.world.say(|| format!("changed {} to {}", draft.reference, one.version));
                for sale in books.at_mut(document) {
                    if sale.counted {
                        self.moved(&sale.sku, 1);
                        self.moved(&one.sku, -1);
                    }
                    (sale.version, sale.total) = (Some(one.version.clone()), one.total.clone());
                    sale.sku.clone_from(&one.sku);
                }
                document.clone()
            }
            Action::Cancel { document } => {
                self.world.say(|| format!("cancelled {}", draft.reference));
                for sale in books.at_mut(document) {
                    if sale.counted && !sale.cancelled {
                        self.moved(&sale.sku, 1);
                    }
                    sale.cancelled = true;
                }
                document.clone()
            }
        }
    }

    fn book(&self, books: &mut Books, draft: &Draft, one: &Rendered, credit: bool) -> Document {
        let known = books.documents.iter().position(|other| other.reference == draft.reference);
        // An idempotency key: the first document is the answer.
        if self.settings().creates.class == Class::Key
            && let Some(place) = known
        {
            return document(place);
        }
        let now = self.world.now() + books.found_after;
        let found_from = if self.world.strikes(Fault::LookUpLags, 300) {
            // Within settle, as long as the reference's uniqueness does not catch what comes too early.
            let settle = Micros::try_from(self.settings().patience.settle.as_micros()).unwrap_or(MINUTE);
            let most = if self.settings().creates.class == Class::Searchable { settle / 8 } else { 5 * MINUTE };
            now + self.world.chance.within(0, most)
        } else {
            now
        };
        self.world.say(|| format!("booked {} as of {}", draft.reference, one.version));
        let counted = !credit && !self.settings().quotes;
        if counted {
            self.moved(&one.sku, -1);
        }
        books.documents.push(Booked {
            place: books.documents.len(),
            reference: draft.reference.clone(),
            credit,
            version: Some(one.version.clone()),
            sku: one.sku.clone(),
            total: one.total.clone(),
            finished: !self.settings().drafts,
            counted,
            cancelled: false,
            shipped: false,
            deleted: false,
            found_from,
        });
        document(books.documents.len() - 1)
    }
}

impl Books {
    /// The document of that id.
    #[must_use]
    pub fn at(&self, document: &Document) -> Option<&Booked> {
        self.documents.get(document.id.parse::<usize>().ok()?)
    }

    fn at_mut(&mut self, document: &Document) -> impl Iterator<Item = &mut Booked> {
        document.id.parse::<usize>().ok().and_then(|place| self.documents.get_mut(place)).into_iter()
    }

    /// The documents of an order that stand: `sale` is the reference of its first sale.
    pub fn of<'a>(&'a self, sale: &'a Reference) -> impl Iterator<Item = &'a Booked> {
        self.documents.iter().filter(move |one| one.is_of(sale) && one.stands())
    }
}

/// A document, by its place in the books.
pub(super) fn document(place: usize) -> Document {
    Document { id: place.to_string(), number: Some(format!("S{place}")) }
}

/// What a draft's body says.
#[derive(Serialize, Deserialize)]
pub(super) struct Rendered {
    pub(super) action: Action,
    pub(super) version: Version,
    pub(super) sku: String,
    pub(super) total: String,
    /// Whether it names something by an id that the ERP does not know any more.
    pub(super) stale: bool,
}

impl Rendered {
    pub(super) fn body(&self) -> String {
        serde_json::to_string(self).unwrap()
    }

    fn of(body: &str) -> Self {
        serde_json::from_str(body).unwrap()
    }
}
