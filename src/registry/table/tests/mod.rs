//! Tables as operators write them.

mod flags;
mod names;
mod upstreams;

use super::*;

fn table(texts: &[&str]) -> Result<Table, TableError> {
    let mut upstreams = Vec::new();
    for text in texts {
        upstreams.extend(Upstream::parse(text)?);
    }
    Table::new(upstreams)
}

fn found<'t>(table: &'t Table, name: &str) -> Option<&'t str> {
    table.find(name).map(|id| table.get(id).name.as_str())
}
