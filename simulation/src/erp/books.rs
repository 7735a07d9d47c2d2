//! What the ERP does with what it is sent.

use puente::{
    domain::{document::Document, version::Version},
    erp::{Bulk, Class, Draft},
};

use super::{Booked, Books, FORBIDDEN_SKU, ModelErp, PERIOD_CLOSED, POISON_SKU, REFUSED_SKU};
use crate::{executor::Micros, fault::Fault, world::MINUTE};

/// What the ERP says to one document.
#[derive(Debug, Clone)]
pub(super) enum Said {
    Made(Document),
    Exists,
    Refused(String),
    /// The whole call was answered 403.
    Forbidden,
    /// The whole call failed with a 500.
    Failed,
    /// The whole call was refused, and a part of it may have been made.
    Half,
}

impl ModelErp {
    pub(super) fn create(&self, books: &mut Books, drafts: &[Draft]) -> Vec<Said> {
        let rendered: Vec<Rendered> = drafts.iter().map(|draft| Rendered::of(&draft.body)).collect();
        let alike = |said: &Said| vec![said.clone(); drafts.len()];
        if rendered.iter().any(|one| one.sku == FORBIDDEN_SKU) || self.world.now() < books.forbids_until {
            return alike(&Said::Forbidden);
        }
        if rendered.iter().any(|one| one.sku == POISON_SKU) {
            return alike(&Said::Failed);
        }
        let unique = self.settings().creates.class == Class::Unique;
        let wrong = |books: &Books, draft: &Draft, one: &Rendered| {
            if one.stale {
                return Some(Said::Refused("there is no such article any more".to_owned()));
            }
            if let Some(words) = books.words.get(&one.sku) {
                return Some(Said::Refused(words.clone()));
            }
            if one.sku == REFUSED_SKU || self.world.now() < books.refuses_until {
                return Some(Said::Refused(PERIOD_CLOSED.to_owned()));
            }
            let known = books.sales.iter().any(|sale| sale.reference == draft.reference);
            (unique && known).then_some(Said::Exists)
        };
        if self.settings().creates.bulk == Bulk::Atomic {
            let wrongs = drafts.iter().zip(&rendered).filter_map(|(draft, one)| wrong(books, draft, one));
            let wrongs: Vec<Said> = wrongs.collect();
            if let Some(first) = wrongs.iter().find(|said| matches!(said, Said::Exists)).or(wrongs.first()) {
                return alike(first);
            }
        }
        let mut said = Vec::new();
        let half = drafts.len() > 1 && self.world.strikes(Fault::HalfCommitted, 100);
        for (place, (draft, one)) in drafts.iter().zip(&rendered).enumerate() {
            let broken = half && self.settings().creates.bulk == Bulk::Unknown && place >= drafts.len() / 2;
            match wrong(books, draft, one) {
                // What came before the wrong one is made, and nobody is told.
                Some(_) if self.settings().creates.bulk == Bulk::Unknown && drafts.len() > 1 => {
                    return alike(&Said::Half);
                }
                _ if broken => return alike(&Said::Half),
                Some(wrong) => said.push(wrong),
                None => said.push(Said::Made(self.book(books, draft, one))),
            }
        }
        said
    }

    fn book(&self, books: &mut Books, draft: &Draft, one: &Rendered) -> Document {
        let known = books.sales.iter().position(|sale| sale.reference == draft.reference);
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
        books.sales.push(Booked {
            place: books.sales.len(),
            reference: draft.reference.clone(),
            version: one.version.clone(),
            total: one.total.clone(),
            finished: !self.settings().drafts,
            found_from,
        });
        document(books.sales.len() - 1)
    }
}

/// A document, by its place in the books.
pub(super) fn document(place: usize) -> Document {
    Document { id: place.to_string(), number: Some(format!("S{place}")) }
}

/// What a draft's body says.
pub(super) struct Rendered {
    version: Version,
    sku: String,
    total: String,
    /// Whether it names something by an id that the ERP does not know any more.
    stale: bool,
}

impl Rendered {
    pub(super) fn body(version: &Version, sku: &str, total: &str, stale: bool) -> String {
        format!("{version}|{sku}|{total}|{stale}")
    }

    fn of(body: &str) -> Self {
        let parts: Vec<&str> = body.split('|').collect();
        Self {
            version: parts[0].parse().unwrap(),
            sku: parts[1].to_owned(),
            total: parts[2].to_owned(),
            stale: parts[3].parse().unwrap(),
        }
    }
}
