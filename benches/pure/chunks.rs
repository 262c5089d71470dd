//! Data found in a chunked body.

use criterion::{BatchSize, Criterion, Throughput};
use docxy::http::chunked::{ChunkScanner, LAST_CHUNK, chunk_head};

/// Data of each body.
const DATA: usize = 1 << 20;
/// What one read brings.
const READ: usize = 64 * 1024;

/// Scans bodies whose chunks are as large as registries in Go make them, and as small as a hostile one could.
pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chunks");
    for size in [32 * 1024, 4096, 64, 1] {
        let body = body(size);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("of {size} bytes"), |bencher| {
            bencher.iter_batched(
                ChunkScanner::new,
                |scanner| scan(scanner, &body),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn body(size: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for _ in 0..DATA / size {
        body.extend_from_slice(chunk_head(size).as_ref());
        body.resize(body.len() + size, b'd');
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(LAST_CHUNK);
    body
}

fn scan(mut scanner: ChunkScanner, body: &[u8]) {
    let (mut data, mut end) = (0, false);
    for mut read in body.chunks(READ) {
        while !read.is_empty() {
            let scanned = scanner.scan(read).expect("a well-formed body");
            data += scanned.data;
            end = scanned.end;
            read = &read[scanned.framing + scanned.data..];
        }
    }
    assert_eq!((data, end), (DATA, true));
}
