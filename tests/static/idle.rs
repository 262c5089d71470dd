//! What the released binary takes when it has nothing to do.

use super::built::native;
use super::docxy::Docxy;
use std::process::Command;

/// All that is resident, in kB.
const LIMIT: u64 = 4_000;

#[test]
fn it_takes_less_than_four_megabytes_of_memory() {
    let mut command = Command::new(native());
    let docxy = Docxy::start_with(command.args(["--listen", "127.0.0.1:0", "--upstream", "all"]));
    let resident = docxy.memory("VmRSS");
    println!("idle: {resident} kB resident");
    assert!(resident < LIMIT, "{resident} kB");
}
