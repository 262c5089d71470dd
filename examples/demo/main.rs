//! A pull through docxy, step by step and without network: `cargo run --release --example demo`.
//!
//! A small registry, its token server and its CDN run on loopback, docxy in front of them. The client below does what an
//! engine does, and every step is printed: who asks whom for what, and what comes back. The image is `hello-world` as
//! Docker Hub served it on 25 January 2022. Ends with 0 if every check is right, with 1 otherwise.

#![allow(
    unreachable_pub,
    reason = "no module of a program is reachable from outside"
)]

mod client;
mod http;
mod image;
mod origins;
mod proxy;
mod pull;
mod story;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use image::Store;
use origins::{Journal, Origins};
use proxy::Docxy;
use pull::Pull;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match demo() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts everything, pulls, stops; returns how many checks were wrong.
fn demo() -> Outcome<usize> {
    let journal = Arc::new(Journal::default());
    let store = Arc::new(Store::new()?);
    let origins = Origins::start(&store, &journal)?;
    let docxy = Docxy::start(origins.registry)?;
    let mut pull = Pull::new(origins, journal, docxy.address);
    pull.introduce();
    let token = pull.log_in()?;
    pull.recorded_image(&token)?;
    pull.made_up_layer(&token)?;
    pull.look_back(docxy.stop()?);
    Ok(pull.story.finish())
}
