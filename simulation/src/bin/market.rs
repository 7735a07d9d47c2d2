//! What stores sell that is not there, and what they refuse to sell that is, in figures.
//!
//! ```sh
//! cargo run --release -p puente-simulation --bin market -- 14    # days of each market
//! ```

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use puente::{domain::goods::number::Keeps, outbound::Client};
use puente_simulation::{history::History, scenario::Scenario};

fn main() {
    let days: i64 = std::env::args().nth(1).and_then(|days| days.parse().ok()).unwrap_or(14);
    let (gross, sellable) = (Keeps::Gross, Keeps::Sellable);
    let markets: [(&str, &[Keeps], u32, bool); 8] = [
        ("one gross store", &[gross], 3, false),
        ("one sellable store", &[sellable], 3, false),
        ("two gross stores", &[gross, gross], 0, false),
        ("two gross stores, parts of their own from 3 down", &[gross, gross], 3, false),
        ("two sellable stores", &[sellable, sellable], 0, false),
        ("two sellable stores, parts of their own from 6 down", &[sellable, sellable], 6, false),
        ("two gross stores, parts of their own from 3 down, storm", &[gross, gross], 3, true),
        ("two sellable stores, parts of their own from 6 down, storm", &[sellable, sellable], 6, true),
    ];
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header([
        "market",
        "units sold",
        "not there, of 10,000",
        "refused though there, of 10,000",
        "calls to stores, each sale",
        "questions to the ERP, each day",
    ]);
    let client = Client::new().unwrap();
    for (name, keeps, scarce, storm) in markets {
        let scenario = Scenario::market(keeps, scarce, days, storm);
        let report = History::new(scenario, 7, &client, Vec::new(), false).play();
        let stock = report.stock.unwrap_or_default();
        let sold = stock.sold.max(1) as f64;
        table.add_row([
            name.to_owned(),
            stock.sold.to_string(),
            format!("{:.1}", stock.oversold as f64 * 1e4 / sold),
            format!("{:.0}", stock.refused as f64 * 1e4 / sold),
            format!("{:.2}", stock.store_calls as f64 / sold),
            format!("{:.0}", stock.polls as f64 / days.max(1) as f64),
        ]);
        eprintln!("{name}: {} units", stock.sold);
        report.violations.iter().take(3).for_each(|violation| eprintln!("  VIOLATED {violation}"));
    }
    for column in 1..6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("{table}");
}
