//! Buying and selling where stores are told their stock: a shop sells what its own number says that it has, and the warehouse knows
//! whether it was there.

use std::{collections::BTreeMap, sync::Arc};

use puente::domain::{
    goods::{Shelf, ShelfId, number::Keeps},
    ids::{OrderId, OrderKey},
    order::Status,
    price::Price,
    record::{Head, State},
};

use super::History;
use crate::{
    price_list::money,
    shop::{self, Shop},
    warehouse::{Shared, Trade},
    world::{HOUR, MINUTE, SECOND, stamp},
};

impl History {
    /// Everything that is bought, delivered and set by hand.
    pub(super) fn trade(self: &Arc<Self>) {
        let Some((warehouse, trade)) = self.warehouse.clone().zip(self.scenario.trade.clone()) else { return };
        for article in &trade.articles {
            warehouse.stock().receive(article, trade.lot);
        }
        for number in 0..trade.visits {
            let (history, warehouse, trade) = (Arc::clone(self), warehouse.clone(), trade.clone());
            self.world.executor.spawn("buyer", 0, async move { history.visit(number, &warehouse, &trade).await });
        }
        for _ in 0..trade.edits {
            let (history, trade) = (Arc::clone(self), trade.clone());
            self.world.executor.spawn("shopkeeper", 0, async move { history.set_by_hand(&trade).await });
        }
        if trade.repriced > 0 {
            self.price(&warehouse, &trade);
        }
        if self.scenario.erp.quotes {
            let history = Arc::clone(self);
            self.world.executor.spawn("clerk", 0, async move { history.confirm().await });
        }
    }

    /// Each article costs ten, in the ERP and in all shops; then somebody changes prices in the ERP, now or from a time on.
    fn price(self: &Arc<Self>, warehouse: &Shared, trade: &Trade) {
        for article in &trade.articles {
            warehouse.stock().prices.set(article, 1000, 0);
            for shop in &self.shops {
                shop.prices().insert((*article).to_owned(), Price { amount: money(1000), compare_at: None });
            }
        }
        for _ in 0..trade.repriced {
            let (history, warehouse, trade) = (Arc::clone(self), warehouse.clone(), trade.clone());
            self.world.executor.spawn("clerk", 0, async move {
                let chance = &history.world.chance;
                history.pass(chance.within(0, history.scenario.busy)).await;
                let announced = if chance.permille(300) { chance.within(MINUTE, 3 * HOUR) } else { 0 };
                let (article, cents) = (chance.one_of(&trade.articles), chance.within(400, 2000));
                let from = history.world.now() + announced;
                warehouse.stock().prices.set(article, cents, from);
                history.world.say(|| format!("{article} costs {cents} cents from {} on", stamp(from)));
            });
        }
    }

    /// What stores have and the ERP says otherwise, once all is at rest: but for what differs so much that it waits for a person.
    #[must_use]
    pub fn mispriced(&self) -> Vec<String> {
        let (Some(trade), Some(warehouse)) = (&self.scenario.trade, &self.warehouse) else { return Vec::new() };
        let (rows, mut wrong) = (self.table.rows(), Vec::new());
        for article in trade.articles.iter().filter(|_| trade.repriced > 0) {
            let amount = warehouse.stock().prices.at(article, self.world.now());
            for shop in &self.shops {
                let has = shop.prices().get(*article).copied();
                let tag = rows.prices.get(&(shop.id().clone(), article.parse().unwrap()));
                let should = amount.map(|amount| Price { amount, compare_at: None });
                let too_far = has.zip(should).is_some_and(|(has, should)| has.changes_by_more_than(50, &should));
                let waits = too_far && tag.is_some_and(|tag| tag.stopped && tag.due.is_none());
                if has != should && !waits {
                    wrong.push(format!("{article}: {} asks {has:?}, and the ERP says {amount:?}: {tag:?}", shop.id()));
                }
            }
        }
        wrong
    }

    /// Whoever works in the ERP confirms quotations now and then. What is quoted last nobody does.
    async fn confirm(self: Arc<Self>) {
        let busy = self.scenario.busy;
        while self.world.now() < self.scenario.start + busy {
            self.pass(self.world.chance.within(MINUTE, busy / 5)).await;
            self.erp.confirm_some();
        }
    }

    /// Somebody comes to a shop and buys something, if the shop says that it has any.
    async fn visit(self: Arc<Self>, number: usize, warehouse: &Shared, trade: &Trade) {
        let chance = &self.world.chance;
        self.pass(self.moment(trade)).await;
        let shop = chance.one_of(&self.shops);
        let article = chance.one_of(&trade.articles);
        let sellable = shop.counter().as_ref().map_or(0, |counter| counter.sellable(article));
        if sellable <= 0 {
            let mut stock = warehouse.stock();
            stock.refused += u64::from(stock.free.get(article).is_some_and(|free| *free > 0));
            return;
        }
        let there = self.take(&shop, warehouse, article);
        let id: OrderId = format!("{}", 1000 + number).parse().unwrap();
        self.world.say(|| {
            format!("{}: {id} buys {article}, of {sellable}{}", shop.id(), if there { "" } else { ": OVERSOLD" })
        });
        self.order_more(warehouse, trade, article);
        let key = OrderKey::new(shop.id().clone(), id.clone());
        if trade.sent > 0 {
            let (history, shop, warehouse, key) = (Arc::clone(&self), shop.clone(), warehouse.clone(), key.clone());
            let sent = trade.sent;
            let packed = async move { history.pack(&shop, &warehouse, &key, sent).await };
            self.world.executor.spawn("packer", 0, packed);
        }
        let paid = chance.permille(850);
        shop.place(&id, article, paid, chance.within(1, 4).unsigned_abs());
        if !chance.permille(trade.unheard) {
            self.tell(&shop, &id);
        }
        if !paid {
            self.pass(chance.within(SECOND, self.scenario.busy / 6)).await;
            shop.change(&id, true, shop::pay);
            self.tell(&shop, &id);
        }
        let mut bought = article;
        // What has left is neither exchanged nor cancelled: it would have to come back first.
        let has_left = || warehouse.stock().left.iter().any(|left| left.order == key);
        if chance.permille(trade.exchanged) {
            self.pass(chance.within(SECOND, self.scenario.busy / 6)).await;
            let other = if bought == "A" { "B" } else { "A" };
            let has = shop.counter().as_ref().is_some_and(|counter| counter.sellable(other) > 0);
            if has && !has_left() {
                self.take(&shop, warehouse, other);
                self.give_back(&shop, warehouse, bought);
                shop.change(&id, true, shop::exchange);
                self.tell(&shop, &id);
                bought = other;
            }
        }
        if chance.permille(trade.cancelled) {
            self.pass(chance.within(SECOND, self.scenario.busy / 4)).await;
            if !has_left() {
                shop.change(&id, true, shop::cancel);
                self.give_back(&shop, warehouse, bought);
                self.tell(&shop, &id);
            }
        }
    }

    /// Somebody packs what an order's sale in the ERP says, and hands it to a carrier; its tracking number is typed then, or later.
    async fn pack(self: Arc<Self>, shop: &Shop, warehouse: &Shared, key: &OrderKey, sent: u32) {
        let chance = &self.world.chance;
        if !chance.permille(sent) {
            return;
        }
        let tracking = || format!("T-{}", key.order);
        for _ in 0..5 {
            self.pass(chance.within(MINUTE, self.scenario.busy / 4)).await;
            let article = self.erp.books().of(&key.sale()).find(|sale| !sale.credit).map(|sale| sale.sku.clone());
            // Packers see what the shop has cancelled, before the ERP knows.
            let wanted = shop.orders().get(&key.order).filter(|known| !known.deleted).and_then(|known| {
                let order = known.last();
                let sku = order.lines.first().and_then(|line| line.sku.clone());
                sku.filter(|_| order.status == Status::Open)
            });
            // What was exchanged meanwhile waits until the sale says so.
            let Some(article) = article.filter(|article| wanted.as_ref() == Some(article)) else { continue };
            let at_once = chance.permille(500);
            let place = warehouse.stock().leave(key.clone(), &article, at_once.then(tracking));
            self.world.say(|| format!("{key}: {article} leaves the warehouse"));
            if !at_once {
                self.pass(chance.within(MINUTE, self.scenario.busy / 4)).await;
                warehouse.stock().follow(place, tracking());
            }
            return;
        }
    }

    /// What left and its store does not have as sent, or not as often, or not under its tracking number.
    #[must_use]
    pub fn untold(&self) -> Vec<String> {
        let Some(warehouse) = &self.warehouse else { return Vec::new() };
        let (left, asked_at) = {
            let stock = warehouse.stock();
            (stock.left.clone(), stock.asked_at)
        };
        let mut wrong = Vec::new();
        for shop in &self.shops {
            let orders: Vec<OrderId> = shop.orders().keys().cloned().collect();
            for id in orders {
                let key = OrderKey::new(shop.id().clone(), id.clone());
                let there: Vec<Vec<String>> = shop.sent(&id).into_iter().map(|one| one.tracking).collect();
                // What left before anybody asked is told only if it changed since.
                if there.is_empty()
                    && left.iter().any(|one| one.order == key && asked_at.is_none_or(|at| one.left_at <= at))
                {
                    continue;
                }
                let ours = left.iter().filter(|one| one.order == key);
                let should: Vec<Vec<String>> = ours.map(|one| one.tracking.iter().cloned().collect()).collect();
                if there != should {
                    let rows = self.table.rows();
                    let kept: Vec<_> = rows.shipments.iter().filter(|((of, _), _)| *of == key).collect();
                    wrong.push(format!("{key}: its store has {there:?} as sent, and should have {should:?}: {kept:?}"));
                }
            }
        }
        wrong
    }

    /// When a buyer comes: evenly, or as people do, who sleep at night.
    fn moment(&self, trade: &Trade) -> crate::executor::Micros {
        let chance = &self.world.chance;
        loop {
            let at = chance.within(0, self.scenario.busy);
            let hour = (self.scenario.start + at).rem_euclid(24 * HOUR) / HOUR;
            // Of a thousand who would come at noon: few before seven, most around noon and in the evening.
            let weight = match hour {
                0..7 => 30,
                10..13 | 18..21 => 1000,
                _ => 600,
            };
            if !trade.rhythm || chance.permille(weight) {
                return at;
            }
        }
    }

    fn take(&self, shop: &Shop, warehouse: &Shared, article: &str) -> bool {
        if let Some(counter) = shop.counter().as_mut() {
            counter.sell(article, 1);
        }
        warehouse.stock().sell(article)
    }

    fn give_back(&self, shop: &Shop, warehouse: &Shared, article: &str) {
        if let Some(counter) = shop.counter().as_mut() {
            counter.sell(article, -1);
        }
        warehouse.stock().back(article);
    }

    /// What is nearly gone is ordered, and comes after a while.
    fn order_more(self: &Arc<Self>, warehouse: &Shared, trade: &Trade, article: &'static str) {
        {
            let mut stock = warehouse.stock();
            let coming = stock.coming.get(article).copied().unwrap_or_default();
            if stock.free.get(article).copied().unwrap_or_default() + coming > trade.reorder {
                return;
            }
            *stock.coming.entry(article.to_owned()).or_default() += trade.lot;
        }
        let (history, warehouse, lot, lead) = (Arc::clone(self), warehouse.clone(), trade.lot, trade.lead);
        self.world.executor.spawn("carrier", 0, async move {
            history.pass(history.world.chance.within(MINUTE, lead)).await;
            let mut stock = warehouse.stock();
            *stock.coming.entry(article.to_owned()).or_default() -= lot;
            stock.receive(article, lot);
        });
    }

    /// A person sets a number in the store.
    async fn set_by_hand(self: Arc<Self>, trade: &Trade) {
        let chance = &self.world.chance;
        self.pass(self.moment(trade)).await;
        let (shop, article) = (chance.one_of(&self.shops), chance.one_of(&trade.articles));
        let by = chance.one_of(&[-2_i64, -1, 1, 2]);
        if let Some(counter) = shop.counter().as_mut() {
            let number = counter.numbers.entry(article.to_owned()).or_default();
            *number = (*number + by).max(0);
        }
    }

    /// What we believe that is left of each article, and each store's number and the one that it should have, once all is at rest.
    #[must_use]
    pub fn drift(&self) -> Vec<String> {
        let Some(trade) = &self.scenario.trade else { return Vec::new() };
        let rows = self.table.rows();
        let selling = self.lambda.puente().settings.selling(&self.erp_id);
        let outlets: Vec<_> = selling.iter().map(puente::parties::Selling::outlet).collect();
        let now = stamp(self.world.now());
        let mut wrong = Vec::new();
        for article in &trade.articles {
            let sku = article.parse().unwrap();
            let Some(first) = selling.first() else { continue };
            let id: ShelfId = first.shelf(article.parse().unwrap());
            let shelf: Shelf = rows.shelves.get(&id).cloned().unwrap_or_default();
            let (least, most) = self.should_be_left(article, &shelf, &rows.heads);
            let left = shelf.left().map(|left| left.to_string().parse::<i64>().unwrap());
            if !left.is_some_and(|left| (least..=most).contains(&left)) {
                wrong.push(format!(
                    "{article}: {left:?} are left by our books, and {least} to {most} in truth: {shelf:?}"
                ));
            }
            for (shop, outlet) in self.shops.iter().zip(&outlets) {
                let has = shop.counter().as_ref().and_then(|counter| counter.numbers.get(*article).copied());
                let number = shelf.number(&sku, outlet, &outlets, has, now).map(|number| number.value);
                if has != number {
                    wrong.push(format!("{article}: {} has {has:?} and should have {number:?}: {shelf:?}", shop.id()));
                }
            }
        }
        wrong
    }

    /// What is left of an article by the ERP's own number, once every order that stands is taken off whose sale does not lower it: there is
    /// none, or it is a quotation. An order that waits for a person may be taken off twice: in doubt, or booked by hand.
    fn should_be_left(&self, article: &str, shelf: &Shelf, heads: &BTreeMap<OrderKey, Head>) -> (i64, i64) {
        let available = self
            .warehouse
            .as_ref()
            .and_then(|warehouse| warehouse.stock().available.get(article).copied())
            .unwrap_or_default();
        let books = self.erp.books();
        let (mut missing, mut doubtful) = (0, 0);
        for shop in &self.shops {
            for (id, known) in shop.orders().iter() {
                let key = OrderKey::new(shop.id().clone(), id.clone());
                let order = known.last();
                let takes = order.lines.first().and_then(|line| line.sku.as_deref()) == Some(article);
                let stands = order.status == Status::Open && !known.deleted;
                let mut sales =
                    books.documents.iter().filter(|one| !one.credit && one.stands() && one.is_of(&key.sale()));
                let counted = sales.any(|sale| sale.counted && sale.sku == article);
                missing += i64::from(takes && stands && !counted);
                let at_rest = heads.get(&key).is_some_and(|head| head.state() == State::Synced);
                doubtful += i64::from(!at_rest && shelf.commitments.contains_key(&key));
            }
        }
        (available - missing - doubtful, available - missing)
    }

    /// Whether one store alone sells, whose number is gross.
    #[must_use]
    pub fn is_gross_alone(&self) -> bool {
        self.scenario.trade.as_ref().is_some_and(|trade| trade.keeps == [Keeps::Gross] && trade.edits == 0)
    }
}
