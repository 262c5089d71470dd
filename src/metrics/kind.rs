//! What requests ask for, as far as they are counted apart.

use crate::registry::route::{self, Route};

/// What a request asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// `/v2/`, by which clients find out what they talk to.
    V2,
    /// A manifest or an index.
    Manifest,
    /// A blob.
    Blob,
    /// The list of tags.
    Tags,
    /// The manifests that refer to a digest.
    Referrers,
    /// The list of repositories.
    Catalog,
    /// A token.
    Token,
    /// Anything else at a mounted origin.
    Mount,
    /// Something of docxy's own: health, readiness, its CA.
    Own,
    /// Nothing that is served: it goes nowhere, may not pass, or is no request at all.
    #[default]
    Refused,
}

impl Kind {
    /// How many there are.
    pub const COUNT: usize = Kind::ALL.len();

    /// Each at its own number.
    pub const ALL: [Kind; 10] = [
        Kind::V2,
        Kind::Manifest,
        Kind::Blob,
        Kind::Tags,
        Kind::Referrers,
        Kind::Catalog,
        Kind::Token,
        Kind::Mount,
        Kind::Own,
        Kind::Refused,
    ];

    /// The value of its label.
    pub fn name(self) -> &'static str {
        match self {
            Kind::V2 => "v2",
            Kind::Manifest => "manifest",
            Kind::Blob => "blob",
            Kind::Tags => "tags",
            Kind::Referrers => "referrers",
            Kind::Catalog => "catalog",
            Kind::Token => "token",
            Kind::Mount => "mount",
            Kind::Own => "own",
            Kind::Refused => "refused",
        }
    }
}

impl From<&Route> for Kind {
    fn from(route: &Route) -> Kind {
        match route {
            Route::Ping { .. } | Route::SharedPing => Kind::V2,
            Route::Token(_) => Kind::Token,
            Route::Catalog(_) => Kind::Catalog,
            Route::Mounted(mounted) => mounted.kind.map_or(Kind::Mount, Kind::from),
            Route::Health | Route::Ready | Route::Ca | Route::Metrics => Kind::Own,
            Route::Content(content) => content.kind.into(),
        }
    }
}

impl From<route::Kind> for Kind {
    fn from(kind: route::Kind) -> Kind {
        match kind {
            route::Kind::Manifest => Kind::Manifest,
            route::Kind::Blob => Kind::Blob,
            route::Kind::Tags => Kind::Tags,
            route::Kind::Referrers => Kind::Referrers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_at_its_number() {
        for (number, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number, "{kind:?}");
        }
    }
}
