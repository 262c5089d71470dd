//! The `docxy` command.
fn main() {}
