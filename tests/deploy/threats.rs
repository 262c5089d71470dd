//! The tests that `SECURITY.md` names are there.

use super::text;

/// `file::function` for every test in the table of threats.
fn named() -> Vec<(String, String)> {
    let security = text("SECURITY.md");
    let rows = security.lines().filter(|line| line.starts_with('|'));
    let words = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    words
        .filter_map(|word| word.split_once(".rs::"))
        .map(|(file, function)| (format!("{file}.rs"), function.to_owned()))
        .collect()
}

#[test]
fn every_test_that_holds_a_threat_off_exists() {
    let named = named();
    assert!(named.len() > 50, "the table is read: {named:?}");
    for (file, function) in named {
        let path = if file.starts_with("src/") {
            file
        } else {
            format!("tests/{file}")
        };
        let marks = [
            "#[test]\n    fn",
            "#[test]\nfn",
            "#[tokio::test]\n    async fn",
        ];
        let marked = marks.map(|mark| format!("{mark} {function}("));
        let code = text(&path);
        assert!(
            marked.iter().any(|mark| code.contains(mark)),
            "{path} has no test {function}"
        );
    }
}

#[test]
fn every_threat_has_a_test() {
    let security = text("SECURITY.md");
    let (_, threats) = security.split_once("| from | threat |").unwrap();
    let rows = threats
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let without: Vec<&str> = rows.filter(|row| !row.contains(".rs::")).collect();
    assert!(without.is_empty(), "{without:#?}");
}
