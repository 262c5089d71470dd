//! What the file itself shows: no loader, no libraries, and its size.

use std::path::Path;

use super::built;

/// What it may weigh, in bytes: 5 MB.
const LIMIT: u64 = 5_000_000;

/// Names the program that loads libraries (ELF-64, program header type PT_INTERP).
const PT_INTERP: u32 = 3;

/// The types of its program headers.
fn segments(elf: &[u8]) -> Vec<u32> {
    assert_eq!(&elf[..6], b"\x7fELF\x02\x01", "ELF, 64 bits, little-endian");
    let number = |at: usize, size: usize| {
        let bytes = elf[at..at + size].iter().rev();
        bytes.fold(0, |number, &byte| number << 8 | usize::from(byte))
    };
    let (table, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    let kind = |index| u32::try_from(number(table + index * size, 4)).unwrap();
    (0..count).map(kind).collect()
}

fn assert_static_and_small(path: &Path) {
    let elf = std::fs::read(path).unwrap();
    let segments = segments(&elf);
    assert!(!segments.is_empty() && !segments.contains(&PT_INTERP));
    let size = elf.len() as u64;
    println!("{}: {size} bytes, of {LIMIT}", path.display());
    assert!(size <= LIMIT, "{size} bytes are more than {LIMIT}");
}

#[test]
fn it_is_static_and_weighs_no_more_than_five_megabytes() {
    assert_static_and_small(&built::native());
}

#[test]
fn so_is_the_one_for_aarch64() {
    if let Some(path) = built::aarch64() {
        assert_static_and_small(&path);
    }
}
