//! What docxy knows of registries: names, routes, tokens, redirects. Pure: no sockets, no clock.
//!
//! In reading order: [`name`] is the grammar, [`table`] the closed table of upstreams and mounts, [`access`] what may pass,
//! [`identity`] with whose login, [`route`] where a request goes; [`challenge`] and [`token`] are the way to a token; [`reach`] and
//! [`redirect`] say where a redirect may lead; [`links`] and [`rewrite`] change heads on their way; [`range`] says whether
//! one answer goes on where another broke off, [`validators`] whether both are of one object. For `docxy check`,
//! [`mod@reference`] is an image as users write it, and [`manifest`] what is in one.

pub mod access;
pub mod challenge;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod identity;
pub mod links;
pub mod manifest;
pub mod name;
pub mod range;
pub mod reach;
pub mod redirect;
pub mod reference;
pub mod rewrite;
pub mod route;
pub mod table;
pub mod token;
pub mod validators;
