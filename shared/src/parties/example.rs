//! A commented `puente.toml` to start from, made from every connector's own example.

use std::fmt::Write as _;

use crate::{erp::ERPS, store::STORES};

const HEAD: &str = r#"# puente.toml: one [erp.NAME] for each account in an ERP, one [connection.NAME] for each shop.
#
# Secrets are never written here. Each is referred to:
#   { env = "NAME" }      an environment variable
#   { file = "path" }     a file, seen from the directory of this one
#   { secret = "name" }   the secret store (AWS Secrets Manager)
#
# An address that is plain http to another machine needs `allow_insecure = true` in its part: everybody on the way reads the
# credentials and the customers' data.
#
# People who read and replay orders of some connections over HTTP, beside PUENTE_OPERATOR_KEY, which sees all:
#   [operator.ana]
#   key = { env = "ANA_KEY" }
#   connections = ["shopify"]                 # ["*"] is all
#   scopes = ["orders:read", "orders:write"]  # to read, unless more is said; "ops" sees quotas and tasks
#
# Keep the parts you need and delete the others. `puente check --config puente.toml` tries what is left.
"#;

/// For stores whose shops define statuses of their own: what is said above `orders`, and the key in it.
const STATUSES: (&str, &str) = (
    "# statuses: what those mean that your shop or its extensions defined: pending, in_process (a transfer or voucher is awaited), \
     authorized,\n# partially_paid, paid, refunded, voided, expired, failed, charged_back, cancelled, or ignore (not for the ERP while \
     it lasts).\n# An order in a status that nobody explains is parked.\n",
    ", statuses = { \"packing\" = \"paid\", \"awaiting-stock\" = \"ignore\" }",
);

/// For stores that can be told their stock.
const GOODS: &str = "# Stock from the ERP to the store. \"show\" first: nothing is written, and `puente goods diff` says what would be; then \"publish\".\n\
     # goods = { stock = \"show\", warehouses = [\"Main\"], safety = 1, scarce = 3, weight = 1, kits = { \"SET-1\" = { \"A-1\" = 2, \"B-1\" = 1 } }, \
     ignore = [\"GIFT\"] }\n# safety: units that are kept back; scarce: with so few left, stores that share them get parts of their own, by weight.\n";

/// For stores that can be told prices.
const PRICES: &str = "# With prices = \"show\" or \"publish\" among them the store is told the ERP's prices, of a list or those that stand on the articles:\n\
     # price = { list = \"Web\", compare_at = \"RRP\", currency = \"EUR\", tax = \"included\", round_to = \"0.05\", ending = \"0.99\", most_change = 50 }\n\
     # tax: whether the store's prices contain it; most_change: what differs by more per cent waits for `puente prices release`.\n";

/// For stores that can be told what was sent.
const SHIPMENTS: &str = "# With shipments = \"show\" or \"publish\" among them the store is told what the ERP sent, with carrier and tracking number; notify = false: \
     the store\n# does not write to the buyer; carriers = { \"ANDREANI SA\" = { name = \"Andreani\", url = \"https://…/{number}\" } }: what the store calls them.\n";

/// A commented example file with one part for every kind of ERP and store.
#[must_use]
pub fn example() -> String {
    let mut text = HEAD.to_owned();
    for row in ERPS {
        let name = format!("erp.{}", row.kind);
        let _ = write!(
            text,
            r#"
[{name}]
limits = {{ rate = "10/s", per_day = 300, reset = "00:00", time_zone = "UTC", orders_share = 0.8 }}
max_attempts = 12          # then the order goes to the dead-letter queue
look_up_first = false      # true after a restore from a backup: no order is created without looking for it first
# links = {{ sale = "https://erp.example/sales/{{id}}" }}   # where people look at a document (and `credit`); Odoo's and Tryton's are known
{}"#,
            section(row.kind, row.example, &name)
        );
    }
    let erp = ERPS.first().map_or("", |row| row.kind);
    for row in STORES {
        let connection = format!("connection.{}", row.kind);
        let name = format!("{connection}.store");
        let parts = [(row.keeps.is_some(), GOODS), (row.prices, PRICES), (row.ships, SHIPMENTS)];
        let goods: String = parts.into_iter().filter(|(can, _)| *can).map(|(_, words)| words).collect();
        let (about, statuses) = if (row.explainable)("packing").is_ok() { STATUSES } else { ("", "") };
        let _ = write!(
            text,
            r#"
[{connection}]
erp = "{erp}"
# What callers carry as ?key= or x-api-key; `serve` on loopback may do without. While it is being changed both open:
# key = [{{ env = "NEW" }}, {{ env = "OLD" }}]
key = {{ env = "{}_KEY" }}
{about}orders = {{ create_when = "paid", sku = {{ "OLD-1" = "NEW-1" }}, total_mismatch = "park"{statuses}, after = {{ edit = "amend", cancel = "cancel", refund = "credit", restock = "as_stated" }} }}
# after: what becomes of an order that changes once the ERP holds it. edit: the sale is changed ("amend"), or cancelled and made anew
# ("cancel_and_new"); refund: a credit note for each; restock = "never" leaves returned goods out of stock until somebody has looked.
# "park" leaves any of them to a person. What was shipped or invoiced is never undone: such an order waits, and says so.
# A difference between the store's total and the ERP's that rounding of tax explains is booked on a line that says so. Any other
# makes the order wait (total_mismatch = "park"); total_mismatch = "adjust", adjust_limit = "0.05" books those up to a limit.
limits = {{ rate = "10/s", per_day = 300 }}   # the front door; share = 0.5: its part of the ERP's day, which is equal for all otherwise
{goods}
[{name}]
{}"#,
            row.kind.to_uppercase(),
            section(row.kind, row.example, &name),
        );
    }
    text
}

/// A connector's example as the part `name` of a file: with its `kind`, its own tables moved below `name`.
fn section(kind: &str, example: &str, name: &str) -> String {
    let mut text = String::new();
    if !example.lines().any(|line| line.split('=').next().is_some_and(|key| key.trim() == "kind")) {
        let _ = writeln!(text, "kind = \"{kind}\"");
    }
    let mut inside_text = false;
    for line in example.trim().lines() {
        let header = if inside_text { None } else { line.strip_prefix('[') };
        match header.map(|rest| rest.strip_prefix('[').map_or((rest, "["), |rest| (rest, "[["))) {
            Some((rest, brackets)) => {
                let _ = writeln!(text, "{brackets}{name}.{rest}");
            }
            None => {
                let _ = writeln!(text, "{line}");
            }
        }
        let quotes = line.matches("'''").count() + line.matches("\"\"\"").count();
        inside_text ^= quotes % 2 == 1;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::goods::GoodsRules;

    #[test]
    fn the_commented_line_of_goods_is_one_that_can_be_used() {
        let line = GOODS.lines().find_map(|line| line.strip_prefix("# goods = ")).unwrap();
        let read: toml::Table = format!("goods = {line}").parse().unwrap();
        let rules: GoodsRules = read["goods"].clone().try_into().unwrap();
        assert!(rules.check().is_ok() && rules.is_on() && !rules.publishes());
        assert!(example().contains(line));
    }

    #[test]
    fn tables_of_an_example_move_below_its_name() {
        let example = "url = \"http://x\"\nbody = '''\n[not a header]\n'''\n[find]\na = 1\n[[steps]]\nb = 2\n";
        let moved = section("rest", example, "erp.rest");
        assert!(moved.starts_with("kind = \"rest\"\n"), "{moved}");
        assert!(moved.contains("\n[not a header]\n"), "{moved}");
        assert!(moved.contains("\n[erp.rest.find]\n") && moved.contains("\n[[erp.rest.steps]]\n"), "{moved}");
        assert!(!section("rest", "kind = \"rest\"\n", "erp.rest").contains("kind = \"rest\"\nkind"));
    }
}
